import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Metrics } from './metrics.ts';
import type { Announcement } from './metrics-announcement.ts';

const cluster = { path: 'cluster.a', family: 'cluster', labels: { envoy_cluster_name: 'a' } };

/** A registry as another thread would have it: what it announces crosses by structured clone. */
function thread(main: Metrics): { readonly metrics: Metrics; end(): void } {
  const shown = main.showThread();
  const announce = (announcement: Announcement): void => shown.take(structuredClone(announcement));
  return { metrics: new Metrics(announce), end: () => shown.end() };
}

describe('Metrics of several threads', () => {
  test('counters, steps of gauges and histograms are summed', () => {
    const main = new Metrics();
    const threads = [thread(main), thread(main)];
    for (const [i, { metrics }] of threads.entries()) {
      const scope = metrics.scope(cluster);
      scope.counter('upstream_rq_total').inc(i + 1);
      scope.gauge('upstream_cx_active').add(i + 2);
      scope.histogram('upstream_rq_time').record(10 ** i);
      scope.histogram('upstream_rq_time').record(0);
    }
    const lines = main.lines();
    assert.deepEqual(lines.slice(0, 2), [
      'cluster.a.upstream_cx_active: 5',
      'cluster.a.upstream_rq_total: 3',
    ]);
    assert.match(lines[2]!, /P0\(nan,0\) .* P100\(nan,11\)$/);
    const page = main.prometheus();
    assert.match(page, /^envoy_cluster_upstream_rq_time_bucket\{envoy_cluster_name="a",le="1"\} 3$/m);
    assert.match(page, /^envoy_cluster_upstream_rq_time_sum\{envoy_cluster_name="a"\} 11$/m);
    assert.match(page, /^envoy_cluster_upstream_rq_time_count\{envoy_cluster_name="a"\} 4$/m);
  });

  test('a level, and what all threads do alike, is not summed', () => {
    const main = new Metrics();
    for (const { metrics } of [thread(main), thread(main)]) {
      metrics.scope(cluster).gauge('membership_total').set(3);
      metrics.scope(cluster).counter('membership_change').inc();
    }
    assert.deepEqual(main.lines(), ['cluster.a.membership_change: 1', 'cluster.a.membership_total: 3']);
  });

  test('later counts show without a word, over many chunks', () => {
    const main = new Metrics();
    const { metrics } = thread(main);
    const scope = metrics.scope(cluster);
    const counters = Array.from({ length: 600 }, (_, i) => scope.counter(`c${i}`));
    for (const [i, counter] of counters.entries()) counter.inc(i);
    const stats = main.stats();
    for (const i of [1, 63, 64, 65, 319, 320, 599]) {
      const stat = stats.find(({ name }) => name === `cluster.a.c${i}`);
      assert.equal(stat?.kind === 'counter' && stat.value, i);
    }
  });

  test('rows of families are summed by their labels', () => {
    const main = new Metrics();
    for (const [i, { metrics }] of [thread(main), thread(main)].entries()) {
      const family = metrics.counterFamily('requests_total', '', ['app']);
      family.with(['both']).inc(2);
      family.with([`only-${i}`]).inc();
      metrics
        .histogramFamily('ms', '', ['app'], [1, 5])
        .with(['both'])
        .record(i * 4);
    }
    const page = main.prometheus();
    assert.match(page, /^requests_total\{app="both"\} 4$/m);
    assert.match(page, /^requests_total\{app="only-1"\} 1$/m);
    assert.match(page, /^ms_bucket\{app="both",le="1"\} 1$/m);
    assert.match(page, /^ms_sum\{app="both"\} 4$/m);
    assert.match(page, /^ms_count\{app="both"\} 2$/m);
  });

  test('what a thread counted stays when it ends, what it had open does not', () => {
    const main = new Metrics();
    const { metrics, end } = thread(main);
    const scope = metrics.scope(cluster);
    scope.counter('upstream_rq_total').inc(7);
    scope.gauge('upstream_cx_active').add(4);
    scope.histogram('upstream_rq_time').record(3);
    metrics.counterFamily('requests_total', '', ['app']).with(['x']).inc(5);
    metrics.histogramFamily('ms', '', [], [1]).with([]).record(2);
    end();
    const next = thread(main);
    next.metrics.scope(cluster).counter('upstream_rq_total').inc();
    next.metrics.scope(cluster).gauge('upstream_cx_active').add(1);
    assert.deepEqual(main.lines().slice(0, 2), [
      'cluster.a.upstream_cx_active: 1',
      'cluster.a.upstream_rq_total: 8',
    ]);
    assert.match(main.lines()[2]!, /P100\(nan,3\.1\)$/);
    assert.match(main.prometheus(), /^requests_total\{app="x"\} 5$/m);
    assert.match(main.prometheus(), /^ms_sum 2$/m);
  });

  test('counters reset from here go on from zero, also when their thread ends', () => {
    const main = new Metrics();
    const { metrics, end } = thread(main);
    const counter = metrics.scope(cluster).counter('upstream_rq_total');
    counter.inc(5);
    main.resetCounters();
    assert.deepEqual(main.lines(), ['cluster.a.upstream_rq_total: 0']);
    counter.inc(2);
    end();
    assert.deepEqual(main.lines(), ['cluster.a.upstream_rq_total: 2']);
  });

  test('a scope that a thread forgets is gone, and begins anew', () => {
    const main = new Metrics();
    const { metrics } = thread(main);
    const other = metrics.scope({ ...cluster, path: 'cluster.a.b' }).counter('c');
    metrics.scope(cluster).counter('upstream_rq_total').inc(5);
    const old = metrics.scope(cluster);
    other.inc();
    main.resetCounters();
    other.inc();
    metrics.removeScope('cluster.a');
    assert.deepEqual(main.lines(), ['cluster.a.b.c: 1']);
    metrics.scope(cluster).counter('upstream_rq_total').inc();
    old.counter('late').inc();
    assert.deepEqual(main.lines(), ['cluster.a.b.c: 1', 'cluster.a.upstream_rq_total: 1']);
  });

  test('a scope that another thread has still keeps what all have counted', () => {
    const main = new Metrics();
    const [one, other] = [thread(main).metrics, thread(main).metrics];
    for (const metrics of [one, other]) {
      metrics.scope(cluster).counter('upstream_rq_total').inc(5);
      metrics.scope(cluster).gauge('upstream_cx_active').add(1);
    }
    main.resetCounters();
    one.scope(cluster).counter('upstream_rq_total').inc(2);
    one.removeScope('cluster.a');
    assert.deepEqual(main.lines(), ['cluster.a.upstream_cx_active: 1', 'cluster.a.upstream_rq_total: 2']);
    other.removeScope('cluster.a');
    assert.deepEqual(main.lines(), []);
  });

  test('an interval of all threads', () => {
    const main = new Metrics();
    const histograms = [thread(main), thread(main)].map(({ metrics }) =>
      metrics.scope(cluster).histogram('upstream_rq_time'),
    );
    for (const histogram of histograms) histogram.record(1000);
    main.endInterval();
    histograms[0]!.record(1);
    histograms[1]!.record(5);
    main.endInterval();
    assert.match(main.lines()[0]!, /P0\(1,1\) .* P100\(5\.1,1100\)$/);
  });
});
