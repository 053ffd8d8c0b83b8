/** An endpoint of a cluster: where it is, how it does, and the connections to it. */
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { EndpointStatus } from '../contract.ts';
import type { EndpointPools } from '../pool/endpoint-pools.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';

import type { EndpointLoad } from './client-side-weights.ts';
import type { ClusterRuntime } from './cluster.ts';
import { healthOf } from './health.ts';
import type { HostRow } from './host-cells.ts';
import type { HostMonitor } from './outlier/monitor.ts';

export interface TcpTarget {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}

/** Where an endpoint listens. */
export type Target =
  | TcpTarget
  | { readonly kind: 'pipe'; readonly path: string }
  /** A listener of this very process (`envoy_internal_address`). */
  | { readonly kind: 'internal'; readonly listener: string };

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** What may change without the endpoint becoming another one. */
export interface EndpointTraits {
  weight: number;
  /** Flags that the assignment sets; see `health.ts`. */
  edsFlags: number;
  priority: number;
  locality: Locality;
  localityWeight: number;
  metadata: Metadata | undefined;
  /** Name given with the address; the host for `auto_host_rewrite`. */
  hostname: string;
  check: EndpointCheck;
  /** Other addresses of it, besides that of {@link Endpoint.target}. */
  additional: readonly TcpTarget[];
}

/** How checks of it differ from those of others (Envoy, `health_check_config`). */
export interface EndpointCheck {
  readonly disabled: boolean;
  /** Takes the place of the host that checks name; '': none does. */
  readonly hostname: string;
  /** Where checks go; absent: where requests go. */
  readonly target?: Target;
  readonly address?: string;
}

export const plainCheck: EndpointCheck = { disabled: false, hostname: '' };

const nowhere: Locality = { region: '', zone: '', subZone: '' };

/** Of an address that no assignment says anything about. */
export function plainTraits(hostname: string): EndpointTraits {
  return {
    weight: 1,
    edsFlags: 0,
    priority: 0,
    locality: nowhere,
    localityWeight: 0,
    metadata: undefined,
    hostname,
    check: plainCheck,
    additional: [],
  };
}

/** Counts of Envoy's per-host stats. */
export interface EndpointCounts {
  cxActive: number;
  cxConnectFail: number;
  cxTotal: number;
  rqActive: number;
  rqError: number;
  rqPending: number;
  rqSuccess: number;
  rqTimeout: number;
  rqTotal: number;
}

const GATEWAY_TIMEOUT = 504;

export class Endpoint {
  /** `127.0.0.1:9080`, a path, or `envoy://NAME/ID`. */
  address: string;
  target: Target;
  readonly traits: EndpointTraits;
  /** All that is known against it; see `health.ts`. */
  flags: number;
  readonly counts: EndpointCounts = {
    cxActive: 0,
    cxConnectFail: 0,
    cxTotal: 0,
    rqActive: 0,
    rqError: 0,
    rqPending: 0,
    rqSuccess: 0,
    rqTimeout: 0,
    rqTotal: 0,
  };
  /** Chosen when the endpoint was added or its metadata changed. */
  transport: UpstreamTransport;
  /** What all threads know of it, where its health is a matter of more than its assignment. */
  row: HostRow | undefined;
  /** Is told how requests go, where that matters. */
  monitor: HostMonitor | undefined;
  /** Takes what it reports of its load, where that matters. */
  load: EndpointLoad | undefined;
  /** Counts responses by the zones they go between, where both are known. */
  zoneCount: ((status: number) => void) | undefined;
  /** Whose it is, where another cluster may choose it too. */
  owner: ClusterRuntime | undefined;
  /** Made on first use. */
  pool: EndpointPools | undefined;
  /** Those of requests with high priority, made on first use. */
  highPool: EndpointPools | undefined;
  healthySinceMs: number | undefined = undefined;
  /** Taken out of the cluster: its connections end when they fall idle. */
  removed = false;
  #tunnels: Set<{ close(): void }> | undefined;

  constructor(target: Target, address: string, traits: EndpointTraits, transport: UpstreamTransport) {
    this.target = target;
    this.address = address;
    this.traits = traits;
    this.flags = traits.edsFlags;
    this.transport = transport;
  }

  get isHealthy(): boolean {
    return healthOf(this.flags) === 'healthy';
  }

  get isDegraded(): boolean {
    return healthOf(this.flags) === 'degraded';
  }

  /** Connections without HTTP, closed when the cluster goes away. Most endpoints have none, ever. */
  get tunnels(): Set<{ close(): void }> {
    this.#tunnels ??= new Set();
    return this.#tunnels;
  }

  /** Connections of all threads to it, where they are known; else of this one. */
  get connections(): number {
    return this.row?.connections ?? this.counts.cxActive;
  }

  connectionBegins(): void {
    this.counts.cxTotal++;
    this.counts.cxActive++;
    this.row?.setConnections(this.counts.cxActive);
  }

  connectionEnds(): void {
    this.counts.cxActive--;
    this.row?.setConnections(this.counts.cxActive);
  }

  /** Of a response that it gave. */
  countStatus(status: number): void {
    if (status >= 500) this.counts.rqError++;
    else this.counts.rqSuccess++;
  }

  /** A connection to it could not be made, or was lost with a request. */
  countFailure(): void {
    this.counts.rqError++;
    this.monitor?.failed();
  }

  /** @param awaited whether it had not answered yet */
  countTimeout(awaited: boolean): void {
    this.counts.rqTimeout++;
    if (awaited) this.monitor?.failed(GATEWAY_TIMEOUT);
  }

  /** It has not answered yet, and may still do. */
  countSlow(): void {
    this.monitor?.failed(GATEWAY_TIMEOUT);
  }

  /** Adds what its connections are for. */
  addProvision(to: Parameters<EndpointPools['addProvision']>[0]): void {
    this.pool?.addProvision(to);
    this.highPool?.addProvision(to);
  }

  /** New connections lead elsewhere; those there are stay. */
  moveTo(target: Target, address: string): void {
    this.target = target;
    this.address = address;
  }

  drainPools(): void {
    this.pool?.drain();
    this.highPool?.drain();
  }

  /** Connections that carry nothing end now, others with what they carry; new ones may follow. */
  renewPools(): void {
    this.pool?.renew();
    this.highPool?.renew();
  }

  closePools(): void {
    this.pool?.close();
    this.highPool?.close();
  }

  closeTunnels(): void {
    for (const tunnel of this.#tunnels ?? []) tunnel.close();
  }

  get metadata(): Metadata | undefined {
    return this.traits.metadata;
  }

  /** Whether its metadata says that it is a canary (Envoy, `envoy.lb`). */
  get isCanary(): boolean {
    return this.traits.metadata?.filterMetadata['envoy.lb']?.canary === true;
  }

  get hostname(): string {
    return this.traits.hostname;
  }

  get mutualTls(): boolean {
    return this.transport.mutual;
  }

  status(rates?: Pick<EndpointStatus, 'successRate' | 'localOriginSuccessRate'>): EndpointStatus {
    const { weight, priority, locality, hostname } = this.traits;
    const { counts } = this;
    return {
      address: this.address,
      flags: this.flags,
      hostname,
      successRate: rates?.successRate ?? -1,
      localOriginSuccessRate: rates?.localOriginSuccessRate ?? -1,
      isCanary: this.isCanary,
      weight,
      priority,
      locality,
      stats: {
        cx_active: counts.cxActive,
        cx_connect_fail: counts.cxConnectFail,
        cx_total: counts.cxTotal,
        rq_active: counts.rqActive,
        rq_error: counts.rqError,
        rq_pending_active: counts.rqPending,
        rq_success: counts.rqSuccess,
        rq_timeout: counts.rqTimeout,
        rq_total: counts.rqTotal,
      },
    };
  }
}
