/** An endpoint of a cluster: where it is, how it does, and the connections to it. */
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { EndpointStatus } from '../contract.ts';
import type { EndpointPools } from '../pool/endpoint-pools.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';

/** Where an endpoint listens. */
export type Target =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
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
  healthy: boolean;
  priority: number;
  locality: Locality;
  localityWeight: number;
  metadata: Metadata | undefined;
  /** Name given with the address; the host for `auto_host_rewrite`. */
  hostname: string;
}

const nowhere: Locality = { region: '', zone: '', subZone: '' };

/** Of an address that no assignment says anything about. */
export function plainTraits(hostname: string): EndpointTraits {
  return {
    weight: 1,
    healthy: true,
    priority: 0,
    locality: nowhere,
    localityWeight: 0,
    metadata: undefined,
    hostname,
  };
}

/** Counts of Envoy's per-host stats. */
export interface EndpointCounts {
  cxActive: number;
  cxConnectFail: number;
  cxTotal: number;
  rqActive: number;
  rqError: number;
  rqSuccess: number;
  rqTimeout: number;
  rqTotal: number;
}

export class Endpoint {
  /** `127.0.0.1:9080`, a path, or `envoy://NAME/ID`. */
  readonly address: string;
  readonly target: Target;
  readonly traits: EndpointTraits;
  readonly counts: EndpointCounts = {
    cxActive: 0,
    cxConnectFail: 0,
    cxTotal: 0,
    rqActive: 0,
    rqError: 0,
    rqSuccess: 0,
    rqTimeout: 0,
    rqTotal: 0,
  };
  /** Chosen when the endpoint was added or its metadata changed. */
  transport: UpstreamTransport;
  /** Made on first use. */
  pool: EndpointPools | undefined;
  /** Taken out of the cluster: its connections end when they fall idle. */
  removed = false;
  #tunnels: Set<{ close(): void }> | undefined;

  constructor(target: Target, address: string, traits: EndpointTraits, transport: UpstreamTransport) {
    this.target = target;
    this.address = address;
    this.traits = traits;
    this.transport = transport;
  }

  /** Connections without HTTP, closed when the cluster goes away. Most endpoints have none, ever. */
  get tunnels(): Set<{ close(): void }> {
    this.#tunnels ??= new Set();
    return this.#tunnels;
  }

  closeTunnels(): void {
    for (const tunnel of this.#tunnels ?? []) tunnel.close();
  }

  get metadata(): Metadata | undefined {
    return this.traits.metadata;
  }

  get hostname(): string {
    return this.traits.hostname;
  }

  get mutualTls(): boolean {
    return this.transport.mutual;
  }

  status(): EndpointStatus {
    const { weight, healthy, priority, locality } = this.traits;
    const { counts } = this;
    return {
      address: this.address,
      healthy,
      weight,
      priority,
      locality,
      stats: {
        cx_active: counts.cxActive,
        cx_connect_fail: counts.cxConnectFail,
        cx_total: counts.cxTotal,
        rq_active: counts.rqActive,
        rq_error: counts.rqError,
        rq_success: counts.rqSuccess,
        rq_timeout: counts.rqTimeout,
        rq_total: counts.rqTotal,
      },
    };
  }
}
