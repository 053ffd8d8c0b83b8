import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Metrics } from './metrics.ts';

const cluster = { path: 'cluster.reviews', family: 'cluster', labels: { envoy_cluster_name: 'reviews' } };

describe('Metrics', () => {
  test('the same name is the same metric', () => {
    const metrics = new Metrics();
    metrics.scope(cluster).counter('upstream_rq_total').inc();
    metrics.scope(cluster).counter('upstream_rq_total').inc(2);
    assert.deepEqual(metrics.lines(), ['cluster.reviews.upstream_rq_total: 3']);
  });

  test('more metrics than one chunk of slots', () => {
    const metrics = new Metrics();
    const scope = metrics.scope(cluster);
    for (let i = 0; i < 3000; i++) scope.counter(`c${i}`).inc(i);
    assert.equal(scope.counter('c2999').value, 2999);
    assert.equal(scope.counter('c0').value, 0);
  });

  test('response codes become labels in Prometheus and stay in the name on /stats', () => {
    const metrics = new Metrics();
    metrics.scope(cluster).counter('upstream_rq_5xx').inc();
    metrics.scope(cluster).counter('upstream_rq_503').inc();
    assert.deepEqual(metrics.lines(), [
      'cluster.reviews.upstream_rq_503: 1',
      'cluster.reviews.upstream_rq_5xx: 1',
    ]);
    assert.equal(
      metrics.prometheus(),
      [
        '# TYPE envoy_cluster_upstream_rq counter',
        'envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="reviews"} 1',
        '# TYPE envoy_cluster_upstream_rq_xx counter',
        'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="reviews"} 1',
        '',
      ].join('\n'),
    );
  });

  test('a histogram shows quantiles, and nan for an interval that has not ended', () => {
    const metrics = new Metrics();
    const histogram = metrics.scope(cluster).histogram('upstream_rq_time');
    assert.deepEqual(metrics.lines(), ['cluster.reviews.upstream_rq_time: No recorded values']);
    for (let i = 0; i < 4; i++) histogram.record(1);
    assert.match(
      metrics.lines()[0]!,
      /^cluster\.reviews\.upstream_rq_time: P0\(nan,1\) P25\(nan,1\.025\) P50\(nan,1\.05\)/,
    );
    metrics.endInterval();
    assert.match(metrics.lines()[0]!, /P100\(1\.1,1\.1\)$/);
    metrics.endInterval();
    assert.match(metrics.lines()[0]!, /P100\(nan,1\.1\)$/);
  });

  test('buckets of a histogram include their bound', () => {
    const metrics = new Metrics();
    const histogram = metrics.scope(cluster).histogram('upstream_rq_time');
    for (const ms of [0, 1, 5, 6, 10, 99, 100, 101, 2500]) histogram.record(ms);
    const page = metrics.prometheus();
    const le = (bound: string): number =>
      Number(new RegExp(`le="${bound.replace('+', '\\+')}"} (\\d+)`).exec(page)?.[1]);
    assert.deepEqual(['0.5', '1', '5', '10', '100', '2500', '+Inf'].map(le), [1, 2, 3, 5, 7, 9, 9]);
  });

  test('a family has a row for each set of label values, escaped', () => {
    const metrics = new Metrics();
    const family = metrics.counterFamily('istio_requests_total', 'Requests.', ['reporter', 'app']);
    family.with(['source', 'a"b\\c\nd']).inc();
    family.with(['source', 'a"b\\c\nd']).inc();
    family.with(['destination', 'x']).inc();
    assert.equal(
      metrics.prometheus(),
      [
        '# HELP istio_requests_total Requests.',
        '# TYPE istio_requests_total counter',
        'istio_requests_total{reporter="source",app="a\\"b\\\\c\\nd"} 2',
        'istio_requests_total{reporter="destination",app="x"} 1',
        '',
      ].join('\n'),
    );
  });

  test('a family of histograms', () => {
    const metrics = new Metrics();
    const family = metrics.histogramFamily(
      'istio_request_duration_milliseconds',
      'Duration.',
      ['a'],
      [0.5, 1, 5],
    );
    family.with(['x']).record(1);
    family.with(['x']).record(7);
    assert.equal(
      metrics.prometheus(),
      [
        '# HELP istio_request_duration_milliseconds Duration.',
        '# TYPE istio_request_duration_milliseconds histogram',
        'istio_request_duration_milliseconds_bucket{a="x",le="0.5"} 0',
        'istio_request_duration_milliseconds_bucket{a="x",le="1"} 1',
        'istio_request_duration_milliseconds_bucket{a="x",le="5"} 1',
        'istio_request_duration_milliseconds_bucket{a="x",le="+Inf"} 2',
        'istio_request_duration_milliseconds_sum{a="x"} 8',
        'istio_request_duration_milliseconds_count{a="x"} 2',
        '',
      ].join('\n'),
    );
  });

  test('removing a scope takes what is under it and not what only starts alike', () => {
    const metrics = new Metrics();
    metrics.scope(cluster).counter('a').inc();
    metrics
      .scope({ ...cluster, path: 'cluster.reviews-v2' })
      .counter('a')
      .inc();
    metrics.removeScope('cluster.reviews');
    assert.deepEqual(metrics.lines(), ['cluster.reviews-v2.a: 1']);
  });

  test('resetting counters leaves gauges', () => {
    const metrics = new Metrics();
    metrics.scope(cluster).counter('a').inc(5);
    metrics.scope(cluster).gauge('b').set(5);
    metrics.resetCounters();
    assert.deepEqual(metrics.lines(), ['cluster.reviews.a: 0', 'cluster.reviews.b: 5']);
  });
});
