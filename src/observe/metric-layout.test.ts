import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MetricLayout, metricsLaidOut } from './metric-layout.ts';
import { Metrics } from './metrics.ts';
import type { Announcement } from './metrics-announcement.ts';

const layout = new MetricLayout(['a', 'b'] as const, ['g', 'h'] as const, ['ms', 'idle'] as const);
const Laid = metricsLaidOut(layout);
const name = { path: 'cluster.x', family: 'cluster', labels: { envoy_cluster_name: 'x' } };

describe('a scope with a layout', () => {
  test('shows all of it from the start, and what is made besides', () => {
    const metrics = new Metrics();
    const scope = metrics.scope(name);
    const laid = new Laid(scope);
    laid.b.inc(2);
    laid.h.set(7);
    laid.ms.record(3);
    scope.counter('more').inc();
    assert.deepEqual(
      metrics
        .stats()
        .map((stat) => [stat.name, stat.kind === 'histogram' ? stat.histogram.count : stat.value]),
      [
        ['cluster.x.a', 0],
        ['cluster.x.b', 2],
        ['cluster.x.g', 0],
        ['cluster.x.h', 7],
        ['cluster.x.idle', 0],
        ['cluster.x.more', 1],
        ['cluster.x.ms', 1],
      ],
    );
    assert.match(metrics.prometheus(), /^envoy_cluster_idle_count\{envoy_cluster_name="x"\} 0$/m);
  });

  test('has the same figures under a name, however it is asked for', () => {
    const metrics = new Metrics();
    const laid = new Laid(metrics.scope(name));
    laid.a.inc();
    metrics.scope(name).counter('a').inc();
    metrics.scope(name).gauge('g').add(3);
    metrics.scope(name).histogram('ms').record(1);
    laid.ms.record(1);
    assert.equal(laid.a.value, 2);
    assert.equal(laid.g.value, 3);
    assert.equal(laid.a, laid.a);
    assert.match(metrics.prometheus(), /^envoy_cluster_ms_count\{envoy_cluster_name="x"\} 2$/m);
    // A second version of the cluster goes on counting.
    new Laid(metrics.scope(name)).a.inc();
    assert.equal(laid.a.value, 3);
  });

  test('has none of the figures of the one before, once that was forgotten', () => {
    const metrics = new Metrics();
    const before = new Laid(metrics.scope(name));
    before.a.inc();
    metrics.removeScope(name.path);
    const laid = new Laid(metrics.scope(name));
    before.a.inc();
    assert.equal(laid.a.value, 0);
  });

  test('takes what was tallied before, and shows it until somebody asks for a counter', () => {
    const metrics = new Metrics();
    const shown = (): unknown =>
      metrics
        .stats()
        .filter(({ kind }) => kind === 'counter')
        .map((stat) => [stat.name, stat.kind === 'counter' && stat.value]);
    const scope = metrics.scope(name);
    scope.tally('a');
    scope.tally('more');
    assert.deepEqual(shown(), [
      ['cluster.x.a', 1],
      ['cluster.x.more', 1],
    ]);
    scope.lay(layout, { figure: (one) => (one === 'a' || one === 'b' ? 5 : undefined) });
    scope.tally('a');
    const all = [
      ['cluster.x.a', 7],
      ['cluster.x.b', 5],
      ['cluster.x.more', 1],
    ];
    assert.deepEqual(shown(), all);
    assert.equal(scope.counter('a').value, 7);
    assert.equal(scope.counter('more').value, 1);
    assert.deepEqual(shown(), all);
    scope.tally('a');
    scope.tally('more');
    assert.equal(scope.counter('a').value, 8);
    assert.equal(scope.counter('more').value, 2);
  });

  test('is seen from another thread', () => {
    const main = new Metrics();
    const shown = main.showThread();
    const announced: string[] = [];
    const thread = new Metrics((announcement: Announcement) => {
      announced.push(announcement.kind);
      shown.take(structuredClone(announcement));
    });
    const [one, other] = ['one', 'other'].map((path) => new Laid(thread.scope({ ...name, path })));
    one!.b.inc(4);
    other!.g.set(2);
    other!.ms.record(5);
    assert.deepEqual(announced, ['scope', 'layout', 'laid', 'scope', 'laid', 'histogram', 'part', 'part']);
    const figures = new Map(
      main.stats().map((stat) => [stat.name, stat.kind === 'histogram' ? stat.histogram.count : stat.value]),
    );
    assert.equal(figures.get('one.b'), 4);
    assert.equal(figures.get('other.g'), 2);
    assert.equal(figures.get('other.ms'), 1);
    assert.equal(figures.get('one.idle'), 0);
    assert.equal(figures.size, 12);
    shown.end();
    assert.equal(main.stats().find((stat) => stat.name === 'one.b')?.kind, 'counter');
  });
});
