/** Filters without a connection: one made of its configuration, and exchanges to lead past it. */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { formatProblem } from '#core/problem.ts';
import { seededRandom } from '#core/random.ts';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { BucketMemory } from '#proxy/filter/bucket-memory.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter } from '#proxy/filter/contract.ts';
import { createCoder } from '#proxy/hcm/create-coder.ts';
import { packAny } from '#xds/registry.ts';

export function filterDeps(metrics: Metrics, slot = 0): FilterDeps {
  return {
    metrics,
    clock: fakeClock(),
    random: seededRandom(1),
    log: silentLogger,
    direction: 'unspecified',
    statPrefix: 'test',
    nodeCluster: 'mesh',
    buckets: new BucketMemory(() => new ArrayBuffer(BucketMemory.bytes(16)), 0),
    slot,
    createCoder,
    name: 'test',
  };
}

/** Throws with its problems where the configuration is refused. */
export function makeFilter<Desc extends DescMessage>(
  filter: CataloguedFilter,
  schema: Desc,
  config: MessageShape<Desc>,
  { metrics = new Metrics(), slot = 0 }: { readonly metrics?: Metrics; readonly slot?: number } = {},
): HttpFilter {
  const loaded = filter.load(packAny(schema, config), 'typed_config', filterDeps(metrics, slot));
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.value;
}

/** A GET that ended well, but for `fields`. */
export function testExchange(fields: Partial<Exchange> = {}): Exchange {
  const exchange: Partial<Exchange> = {
    startMs: 100,
    endMs: 107,
    method: 'GET',
    path: '/',
    authority: 'reviews:9080',
    protocol: 'HTTP/1.1',
    requestHeaders: [],
    responseHeaders: [],
    responseTrailers: [],
    responseCode: 200,
    responseFlags: '',
    bytesReceived: 0,
    bytesSent: 12,
    downstreamPeerUri: '',
    downstreamLocalUri: '',
    upstreamPeerUri: '',
    upstreamLocalUri: '',
    peerPresented: false,
    peerValidated: false,
    cluster: undefined,
    endpoint: undefined,
    slots: [],
    ...fields,
  };
  return exchange as Exchange;
}
