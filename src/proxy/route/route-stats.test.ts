import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Metrics } from '#observe/metrics.ts';
import { HeldMetrics, ScopeHolders } from '../scope-holders.ts';
import { RouteStats } from './route-stats.ts';

describe('figures of routes', () => {
  const shown = (metrics: Metrics): string[] =>
    metrics.lines().filter((line) => line.includes('upstream_rq_total'));

  test('are there while a table has them', () => {
    const metrics = new Metrics();
    const scopes = new ScopeHolders(metrics);
    const [before, after] = [new HeldMetrics(scopes), new HeldMetrics(scopes)];
    const first = ['a', 'b'].map((prefix) => RouteStats.ofRoute('h', prefix));
    const second = RouteStats.ofRoute('h', 'a');
    assert.deepEqual(shown(metrics), []);
    for (const one of first) one.open(before);
    first[0]!.count('upstream_rq_total');
    second.open(after);
    before.release();
    second.count('upstream_rq_total');
    assert.deepEqual(shown(metrics), ['vhost.h.route.a.upstream_rq_total: 2']);
    after.release();
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
