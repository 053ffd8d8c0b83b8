import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Metrics } from '#observe/metrics.ts';
import { RouteScopes, RouteStats } from './route-stats.ts';

describe('figures of routes', () => {
  const shown = (metrics: Metrics): string[] =>
    metrics.lines().filter((line) => line.includes('upstream_rq_total'));

  test('are there while a table has them', () => {
    const metrics = new Metrics();
    const scopes = new RouteScopes(metrics);
    const before = [RouteStats.ofRoute('h', 'a'), RouteStats.ofRoute('h', 'b')];
    const after = [RouteStats.ofRoute('h', 'a')];
    assert.deepEqual(shown(metrics), []);
    scopes.hold(before);
    before[0]!.count('upstream_rq_total');
    scopes.hold(after);
    scopes.release(before);
    after[0]!.count('upstream_rq_total');
    assert.deepEqual(shown(metrics), ['vhost.h.route.a.upstream_rq_total: 2']);
    scopes.release(after);
    assert.deepEqual(shown(metrics), []);
  });

  test('count nothing outside', () => {
    const metrics = new Metrics();
    const figures = RouteStats.ofVirtualCluster('h', 'a');
    figures.count('upstream_rq_total');
    figures.countStatus(200);
    figures.recordTime(1);
    assert.deepEqual(metrics.lines(), []);
  });
});
