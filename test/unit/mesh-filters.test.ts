/** Metadata exchange and Istio's metrics: who is told what, and what is counted under which labels. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Metrics } from '#observe/metrics.ts';
import type { EndpointFacts, Exchange, HttpFilter } from '#proxy/filter/contract.ts';
import { istioStats } from '#proxy/filter/istio-stats/filter.ts';
import { peerMetadata } from '#proxy/filter/peer-metadata/filter.ts';
import { encodeWorkload } from '#proxy/filter/peer-metadata/workload-struct.ts';
import { MetadataSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  IstioStats_Reporter,
  IstioStatsSchema,
} from '#xds/gen/heddle/filters/http/istio_stats/v1/istio_stats_pb.js';
import {
  PeerMetadata_Direction,
  PeerMetadataSchema,
} from '#xds/gen/heddle/filters/http/peer_metadata/v1/peer_metadata_pb.js';
import { type Workload, WorkloadSchema } from '#xds/gen/heddle/workload/v1/workload_pb.js';
import { makeFilter, testExchange } from '../support/filter-rig.ts';
import { parseSamples, type Sample } from '../support/prometheus-text.ts';

function workload(name: string, version: string): Workload {
  return create(WorkloadSchema, {
    name: `${name}-${version}`,
    namespace: 'default',
    canonicalName: name,
    canonicalRevision: version,
    cluster: 'Kubernetes',
    app: name,
    version,
    instance: `${name}-${version}-0`,
  });
}

const storefront = workload('storefront', 'v1');
const reviews = workload('reviews', 'v2');
const told = ['x-envoy-peer-metadata-id', 'any', 'x-envoy-peer-metadata', encodeWorkload(storefront)];
const inMesh = { downstreamPeerUri: 'spiffe://cluster.local/ns/default/sa/storefront', peerValidated: true };

function exchangeFilter(direction: PeerMetadata_Direction, self: Workload): HttpFilter {
  return makeFilter(
    peerMetadata,
    PeerMetadataSchema,
    create(PeerMetadataSchema, { direction, self, onlyWithinMesh: true }),
  );
}

function namesOf(headers: readonly string[]): string[] {
  return headers.filter((_, i) => i % 2 === 0);
}

describe('peer-metadata before the application', () => {
  const filter = exchangeFilter(PeerMetadata_Direction.INBOUND, reviews);
  const rows: [why: string, peer: Partial<Exchange>, sent: string[], answered: string[]][] = [
    ['a peer of the mesh is answered', inMesh, told, ['x-envoy-peer-metadata-id', 'x-envoy-peer-metadata']],
    ['a peer of the mesh that says nothing is not', inMesh, [], []],
    ['a peer without identity is not, whatever it says', {}, told, []],
    ['an unverified certificate is no identity', { ...inMesh, peerValidated: false }, told, []],
  ];
  for (const [why, peer, sent, answered] of rows) {
    test(why, () => {
      const exchange = testExchange({ ...peer, requestHeaders: ['accept', '*/*', ...sent] });
      assert.equal(filter.onRequestHead?.(exchange, false), undefined);
      assert.deepEqual(exchange.requestHeaders, ['accept', '*/*'], 'the application sees none of it');
      filter.onResponseHead?.(exchange, false);
      assert.deepEqual(namesOf(exchange.responseHeaders), answered);
    });
  }

  test('what the application claims in these headers is dropped', () => {
    const exchange = testExchange({ responseHeaders: [...told, 'server', 'x'] });
    filter.onRequestHead?.(exchange, false);
    filter.onResponseHead?.(exchange, false);
    assert.deepEqual(exchange.responseHeaders, ['server', 'x']);
  });
});

describe('peer-metadata behind the application', () => {
  const filter = exchangeFilter(PeerMetadata_Direction.OUTBOUND, storefront);
  const endpoint = (mutualTls: boolean): EndpointFacts => ({
    address: 'a',
    hostname: '',
    metadata: undefined,
    mutualTls,
  });

  test('only an endpoint reached by mutual TLS is told, at every attempt anew', () => {
    const requestHeaders = [...told];
    const exchange = testExchange({ requestHeaders });
    filter.onRequestHead?.(exchange, false);
    assert.deepEqual(requestHeaders, [], 'the application speaks for nobody');
    filter.onUpstream?.(testExchange({ requestHeaders, endpoint: endpoint(true) }));
    assert.deepEqual(namesOf(requestHeaders), ['x-envoy-peer-metadata-id', 'x-envoy-peer-metadata']);
    filter.onUpstream?.(testExchange({ requestHeaders, endpoint: endpoint(false) }));
    assert.deepEqual(requestHeaders, []);
  });

  test('the answer never reaches the application', () => {
    const exchange = testExchange({ responseHeaders: [...told, 'server', 'x'] });
    filter.onResponseHead?.(exchange, false);
    assert.deepEqual(exchange.responseHeaders, ['server', 'x']);
    assert.equal(exchange.slots[0], undefined, 'nobody without an identity is believed');
  });
});

describe('istio-stats', () => {
  function counted(
    reporter: IstioStats_Reporter,
    self: Workload,
    direction: PeerMetadata_Direction,
    exchanges: Exchange[],
  ): Sample[] {
    const metrics = new Metrics();
    const stats = makeFilter(istioStats, IstioStatsSchema, create(IstioStatsSchema, { reporter, self }), {
      metrics,
      slot: 1,
    });
    const peers = exchangeFilter(direction, self);
    for (const exchange of exchanges) {
      peers.onRequestHead?.(exchange, false);
      peers.onResponseHead?.(exchange, false);
      stats.onEnd?.(exchange);
    }
    return parseSamples(metrics.prometheus());
  }

  const services = [{ host: 'reviews.default.svc.cluster.local', name: 'reviews', namespace: 'default' }];
  const cluster = {
    name: 'inbound|9080||',
    metadata: create(MetadataSchema, { filterMetadata: { istio: { services } } }),
  };

  test('on the side of the server, every label is filled', () => {
    const exchange = (): Exchange =>
      testExchange({
        ...inMesh,
        downstreamLocalUri: 'spiffe://cluster.local/ns/default/sa/reviews',
        requestHeaders: [...told],
        cluster,
      });
    const samples = counted(IstioStats_Reporter.SERVER, reviews, PeerMetadata_Direction.INBOUND, [
      exchange(),
      exchange(),
    ]);
    const total = samples.filter(({ name }) => name === 'istio_requests_total');
    assert.equal(total.length, 1);
    assert.equal(total[0]?.value, 2);
    assert.deepEqual(total[0]?.labels, {
      reporter: 'destination',
      source_workload: 'storefront-v1',
      source_workload_namespace: 'default',
      source_canonical_service: 'storefront',
      source_canonical_revision: 'v1',
      source_app: 'storefront',
      source_version: 'v1',
      source_cluster: 'Kubernetes',
      source_principal: 'spiffe://cluster.local/ns/default/sa/storefront',
      destination_workload: 'reviews-v2',
      destination_workload_namespace: 'default',
      destination_canonical_service: 'reviews',
      destination_canonical_revision: 'v2',
      destination_app: 'reviews',
      destination_version: 'v2',
      destination_cluster: 'Kubernetes',
      destination_principal: 'spiffe://cluster.local/ns/default/sa/reviews',
      destination_service: 'reviews.default.svc.cluster.local',
      destination_service_name: 'reviews',
      destination_service_namespace: 'default',
      request_protocol: 'http',
      response_flags: '-',
      connection_security_policy: 'mutual_tls',
      response_code: '200',
      grpc_response_status: '',
    });
    const sum = samples.find(({ name }) => name === 'istio_request_duration_milliseconds_sum');
    assert.equal(sum?.value, 14);
  });

  test('on the side of the client, the metadata of the endpoint stands in for a peer that says nothing', () => {
    const metadata = create(MetadataSchema, {
      filterMetadata: { istio: { workload: 'reviews-v2;default;reviews;v2;Kubernetes' } },
    });
    const exchange = testExchange({
      cluster: { name: 'outbound|9080||reviews.default.svc.cluster.local', metadata: undefined },
      endpoint: { address: 'a', hostname: '', metadata, mutualTls: false },
      upstreamPeerUri: 'spiffe://cluster.local/ns/default/sa/reviews',
      upstreamLocalUri: 'spiffe://cluster.local/ns/default/sa/storefront',
    });
    const samples = counted(IstioStats_Reporter.CLIENT, storefront, PeerMetadata_Direction.OUTBOUND, [
      exchange,
    ]);
    const labels = samples.find(({ name }) => name === 'istio_requests_total')?.labels;
    assert.equal(labels?.reporter, 'source');
    assert.equal(labels?.destination_workload, 'reviews-v2');
    assert.equal(labels?.destination_service_name, 'reviews');
    assert.equal(labels?.connection_security_policy, 'mutual_tls');
    assert.deepEqual(
      Object.values(labels ?? {}).filter((value) => value === 'unknown'),
      [],
    );
  });

  test('a peer with an identity and no metadata has at least a namespace', () => {
    const exchange = testExchange({ ...inMesh, cluster });
    const samples = counted(IstioStats_Reporter.SERVER, reviews, PeerMetadata_Direction.INBOUND, [exchange]);
    const labels = samples.find(({ name }) => name === 'istio_requests_total')?.labels;
    assert.equal(labels?.source_workload_namespace, 'default');
    assert.equal(labels?.source_workload, 'unknown');
  });

  test('other codes, flags and gRPC statuses are other rows', () => {
    const grpc = {
      requestHeaders: ['content-type', 'application/grpc'],
      responseTrailers: ['grpc-status', '5'],
    };
    const samples = counted(IstioStats_Reporter.SERVER, reviews, PeerMetadata_Direction.INBOUND, [
      testExchange({ cluster }),
      testExchange({ cluster, responseCode: 503, responseFlags: 'UF' }),
      testExchange({ cluster, ...grpc }),
      testExchange({ cluster }),
    ]);
    const rows = samples
      .filter(({ name }) => name === 'istio_requests_total')
      .map(({ labels, value }) => [
        labels.response_code,
        labels.response_flags,
        labels.request_protocol,
        labels.grpc_response_status,
        value,
      ]);
    assert.deepEqual(rows, [
      ['200', '-', 'http', '', 2],
      ['503', 'UF', 'http', '', 1],
      ['200', '-', 'grpc', '5', 1],
    ]);
  });

  test('hosts from outside name no service without a cluster, and not without end with one', () => {
    const unrouted = Array.from({ length: 5 }, (_, i) =>
      testExchange({ authority: `h${i}`, responseCode: 404 }),
    );
    const passed = Array.from({ length: 1005 }, (_, i) =>
      testExchange({ authority: `h${i}`, cluster: { name: 'PassthroughCluster', metadata: undefined } }),
    );
    const samples = counted(IstioStats_Reporter.CLIENT, storefront, PeerMetadata_Direction.OUTBOUND, [
      ...unrouted,
      ...passed,
    ]);
    const named = new Set(samples.map(({ labels }) => labels.destination_service));
    assert.equal(named.size, 1001);
    assert.ok(named.has('unknown'));
  });
});
