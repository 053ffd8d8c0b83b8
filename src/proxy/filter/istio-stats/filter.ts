/**
 * Istio's standard metrics: `istio_requests_total` and its histograms for requests, `istio_tcp_*` for
 * connections without HTTP. Comes after peer-metadata, which says who the other side is.
 */
import type { Parsed, Problem } from '#core/problem.ts';
import { headerOf } from '#http/header-list.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import {
  type IstioStats,
  IstioStats_Reporter,
  IstioStatsSchema,
} from '#xds/gen/heddle/filters/http/istio_stats/v1/istio_stats_pb.js';
import type { Workload } from '#xds/gen/heddle/workload/v1/workload_pb.js';
import type {
  CataloguedFilter,
  ClusterFacts,
  ConnectionFacts,
  ConnectionFilter,
  EndpointFacts,
  Exchange,
  FilterDeps,
  HttpFilter,
} from '../contract.ts';
import { defineFilter } from '../define.ts';
import { peerOf } from '../peer-metadata/peer.ts';
import { parseEndpointWorkload } from '../peer-metadata/workload-struct.ts';
import { type Ends, type ServiceName, serviceOfCluster, serviceOfHost } from './labels.ts';
import { connectionMetrics, type RequestRow, requestMetrics } from './metrics.ts';
import { RowCache, type RowKey } from './row-cache.ts';

export const istioStats: CataloguedFilter = defineFilter({
  kind: 'istio-stats',
  stability: 'stable',
  trust: 'hostile-both',
  schema: IstioStatsSchema,
  create(config, path, deps): Parsed<HttpFilter> {
    const problem = problemOf(config, path);
    if (problem !== undefined) return { ok: false, problems: [problem] };
    return { ok: true, value: countRequests(new Sides(config), deps), problems: [] };
  },
  createForConnections(config, path, deps): Parsed<ConnectionFilter> {
    const problem = problemOf(config, path);
    if (problem !== undefined) return { ok: false, problems: [problem] };
    return { ok: true, value: countConnections(new Sides(config), deps), problems: [] };
  },
});

function problemOf({ reporter, self }: IstioStats, path: string): Problem | undefined {
  if (self === undefined) return { level: 'error', path: `${path}.self`, message: 'is missing' };
  if (reporter !== IstioStats_Reporter.REPORTER_UNSPECIFIED) return undefined;
  return { level: 'error', path: `${path}.reporter`, message: 'must be CLIENT, SERVER or GATEWAY' };
}

function countRequests(sides: Sides, { metrics }: FilterDeps): HttpFilter {
  const families = requestMetrics(metrics);
  const rows = new RowCache<RequestRow>();
  const key: RowKey = {
    peer: undefined,
    cluster: undefined,
    code: 0,
    flags: '',
    principal: '',
    grpcStatus: '',
    host: '',
  };
  return {
    onEnd(exchange): void {
      const grpc = isGrpc(exchange);
      key.peer = peerOf(exchange.slots)?.workload ?? sides.endpointWorkload(exchange.endpoint);
      key.cluster = exchange.cluster;
      key.code = exchange.responseCode;
      key.flags = exchange.responseFlags;
      key.principal = sides.peerPrincipal(exchange);
      key.grpcStatus = grpc ? grpcStatusOf(exchange) : '';
      key.host = sides.namedByHost(exchange.cluster) ? exchange.authority : '';
      let row = rows.find(key);
      if (row === undefined) {
        const ends = sides.ends(exchange, { ...key, protocol: grpc ? 'grpc' : 'http' });
        row = families.row(ends, String(key.code), key.grpcStatus);
        rows.keep(key, row);
      }
      row.total.inc();
      row.duration.record(Math.max(0, exchange.endMs - exchange.startMs));
      row.requestBytes.record(exchange.bytesReceived);
      row.responseBytes.record(exchange.bytesSent);
    },
  };
}

function countConnections(sides: Sides, { metrics }: FilterDeps): ConnectionFilter {
  const families = connectionMetrics(metrics);
  const endsOf = (connection: ConnectionFacts, flags: string): Ends => {
    const peer = sides.endpointWorkload(connection.endpoint);
    const { cluster } = connection;
    return { ...sides.ends(connection, { peer, cluster, host: '', protocol: 'tcp' }), responseFlags: flags };
  };
  return {
    onOpen(connection): void {
      families.row(endsOf(connection, '')).opened.inc();
    },
    onEnd(connection): void {
      const row = families.row(endsOf(connection, connection.responseFlags));
      row.closed.inc();
      row.sent.inc(connection.bytesSent);
      row.received.inc(connection.bytesReceived);
    },
  };
}

/** Services known by the host of requests only; beyond, they are `unknown`. */
const MAX_HOSTS = 1000;

interface OtherEnd {
  readonly peer: Workload | undefined;
  readonly cluster: ClusterFacts | undefined;
  readonly host: string;
  readonly protocol: Ends['protocol'];
}

/** Which end of a request is this workload and which the other. */
class Sides {
  readonly #server: boolean;
  readonly #self: Workload;
  readonly #hostFallback: boolean;
  /** By the metadata they stand in: parsed once for each version of an endpoint or cluster. */
  readonly #workloads = new WeakMap<object, Workload | false>();
  readonly #services = new WeakMap<object, ServiceName | false>();
  readonly #hosts = new Set<string>();

  constructor({ reporter, self, disableHostHeaderFallback }: IstioStats) {
    this.#server = reporter === IstioStats_Reporter.SERVER;
    this.#self = self!;
    this.#hostFallback = !disableHostHeaderFallback;
  }

  peerPrincipal(record: AccessRecord): string {
    return this.#server ? record.downstreamPeerUri : record.upstreamPeerUri;
  }

  /** Whether the host of the request stands for its service: where a cluster was chosen and names none. */
  namedByHost(cluster: ClusterFacts | undefined): boolean {
    return this.#hostFallback && cluster !== undefined && this.#serviceOf(cluster) === undefined;
  }

  ends(record: AccessRecord, { peer, cluster, host, protocol }: OtherEnd): Ends {
    const principal = this.peerPrincipal(record);
    const service = this.#serviceOf(cluster) ?? (host === '' ? undefined : this.#serviceOfHost(host));
    const common = { service, protocol, responseFlags: record.responseFlags, mutualTls: principal !== '' };
    if (this.#server) {
      return {
        ...common,
        reporter: 'destination',
        source: peer,
        sourcePrincipal: principal,
        destination: this.#self,
        destinationPrincipal: record.downstreamLocalUri,
      };
    }
    return {
      ...common,
      reporter: 'source',
      source: this.#self,
      sourcePrincipal: record.upstreamLocalUri,
      destination: peer,
      destinationPrincipal: principal,
    };
  }

  /** `istio.workload` of the endpoint's metadata, where it is the other side. */
  endpointWorkload(endpoint: EndpointFacts | undefined): Workload | undefined {
    const metadata = this.#server ? undefined : endpoint?.metadata;
    if (metadata === undefined) return undefined;
    let workload = this.#workloads.get(metadata);
    if (workload === undefined) {
      const text = metadata.filterMetadata.istio?.workload;
      workload = (typeof text === 'string' ? parseEndpointWorkload(text) : undefined) ?? false;
      this.#workloads.set(metadata, workload);
    }
    return workload || undefined;
  }

  /** `istio.services` of the cluster's metadata, else what its name says. */
  #serviceOf(cluster: ClusterFacts | undefined): ServiceName | undefined {
    if (cluster === undefined) return undefined;
    let service = this.#services.get(cluster);
    if (service === undefined) {
      service = serviceInMetadata(cluster) ?? serviceOfCluster(cluster.name) ?? false;
      this.#services.set(cluster, service);
    }
    return service || undefined;
  }

  /** Hosts come from outside: there is an end to how many of them get rows of their own. */
  #serviceOfHost(host: string): ServiceName | undefined {
    const name = host.replace(/:\d+$/, '').toLowerCase();
    if (!this.#hosts.has(name)) {
      if (this.#hosts.size >= MAX_HOSTS) return undefined;
      this.#hosts.add(name);
    }
    return serviceOfHost(name);
  }
}

function serviceInMetadata({ metadata }: ClusterFacts): ServiceName | undefined {
  const services = metadata?.filterMetadata.istio?.services;
  const first = Array.isArray(services) ? services[0] : undefined;
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return undefined;
  const { host, name, namespace } = first;
  if (typeof host !== 'string') return undefined;
  return {
    host,
    name: typeof name === 'string' ? name : host,
    namespace: typeof namespace === 'string' ? namespace : '',
  };
}

function isGrpc({ requestHeaders }: Exchange): boolean {
  return headerOf(requestHeaders, 'content-type')?.startsWith('application/grpc') === true;
}

function grpcStatusOf({ responseTrailers, responseHeaders }: Exchange): string {
  return headerOf(responseTrailers, 'grpc-status') ?? headerOf(responseHeaders, 'grpc-status') ?? '';
}
