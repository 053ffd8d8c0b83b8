/**
 * The control plane's HTTP API: what each path answers, as JSON. Paths are those of Istio's debug
 * interface where it has one, so that fingers find them; the bodies are Heddle's own.
 *
 * | path | answer |
 * |---|---|
 * | `GET /ready` | 200 once configuration is loaded and served, 503 before |
 * | `GET /metrics` | Prometheus text |
 * | `GET /debug/syncz` | {@link ProxyStatus}[] |
 * | `GET /debug/connections` | {@link ConnectionList} |
 * | `GET /debug/configz` | {@link ConfigReport} |
 * | `GET /debug/config_dump?proxyID=POD.NAMESPACE` | Envoy's `/config_dump` form of what that proxy is to have |
 * | `POST /admin/join-tokens` | {@link JoinTokenRequest} in, {@link JoinTokenReply} out; Unix socket only |
 * | `POST /admin/distribution` | {@link DistributionRequest} in, {@link DistributionReply} out; Unix socket only |
 */
import type { Problem } from '#core/problem.ts';

export const apiPaths = {
  ready: '/ready',
  metrics: '/metrics',
  syncz: '/debug/syncz',
  connections: '/debug/connections',
  configz: '/debug/configz',
  configDump: '/debug/config_dump',
  joinTokens: '/admin/join-tokens',
  distribution: '/admin/distribution',
} as const;

/** Discovery services in the order `ps` shows them. */
export const discoveryServices = ['CDS', 'LDS', 'EDS', 'RDS', 'SDS'] as const;
export type DiscoveryServiceName = (typeof discoveryServices)[number];

/**
 * How far one proxy is with one type.
 * `SYNCED`: it has accepted the newest there is. `STALE`: something newer is sent or waits to be sent.
 * `NACK`: it refused the newest and runs what it had. `NOT SENT`: it asked and nothing is there.
 * `IGNORED`: it never asked.
 */
export type SyncState = 'SYNCED' | 'STALE' | 'NACK' | 'NOT SENT' | 'IGNORED';

export interface TypeStatus {
  readonly state: SyncState;
  /** Seconds since it came into this state. */
  readonly ageSeconds: number;
  /** Version of all it should have of this type; '' where that is nothing. */
  readonly version: string;
  /** Version of all it has accepted; '' where that is nothing. Equal to `version` when in sync. */
  readonly ackedVersion: string;
  /** Resources of this type the proxy holds, as far as it has accepted. */
  readonly resources: number;
  /** What the proxy said when it refused; present with `NACK`. */
  readonly error?: string;
}

export interface ProxyStatus {
  /** `POD.NAMESPACE`, what `heddle pc` takes as well. */
  readonly proxy: string;
  readonly nodeId: string;
  /** First part of the node id: `sidecar` or `router`. */
  readonly proxyType: string;
  /** `metadata.CLUSTER_ID`; `Kubernetes` where the node says nothing. */
  readonly clusterId: string;
  /** Such as `heddle 0.1.0` or `envoy 1.40.0`. */
  readonly version: string;
  /** Name of the control plane that serves it. */
  readonly controlPlane: string;
  readonly protocol: 'delta' | 'sotw';
  /** SPIFFE id it proved; absent on the plaintext port. */
  readonly identity?: string;
  /** Of a workload that is not a Pod. */
  readonly registration?: Registration;
  /** ISO 8601. */
  readonly connectedAt: string;
  readonly types: Readonly<Record<DiscoveryServiceName, TypeStatus>>;
}

/** What a workload that is not a Pod is registered as. */
export interface Registration {
  /** `NAMESPACE/NAME` of its WorkloadEntry. */
  readonly entry: string;
  /** What is suspicious about the address it wants to be reached at. */
  readonly warning?: string;
}

export interface ConnectionList {
  readonly totalClients: number;
  readonly clients: readonly {
    readonly connectionId: string;
    readonly nodeId: string;
    readonly address: string;
    /** ISO 8601. */
    readonly connectedAt: string;
  }[];
}

/** One document as the control plane loaded it. */
export interface LoadedResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Where it stands, when it came from a file. */
  readonly file?: string;
  readonly line?: number;
  /** The document itself, as written. */
  readonly document: unknown;
}

export interface ConfigReport {
  /** What is in force. */
  readonly resources: readonly LoadedResource[];
  /** What is wrong with the files as they are now; with an error among them the last good ones are in force. */
  readonly problems: readonly Problem[];
  /** What `--allow-unsupported` let pass although it is not enforced, such as `AuthorizationPolicy shop/deny-all`. */
  readonly allowedUnsupported: readonly string[];
  /** ISO 8601: since when what is in force is in force. */
  readonly loadedAt: string;
}

export interface JoinTokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The one workload that may use it; absent: any of the account. */
  readonly pod?: string;
  /** 1 to {@link maxJoinTokenTtlSeconds}; absent: five minutes. */
  readonly ttlSeconds?: number;
  /** 1 to {@link maxJoinTokenUses}; absent: one. */
  readonly uses?: number;
}

/** Thirty days. */
export const maxJoinTokenTtlSeconds: number = 30 * 24 * 3600;
export const maxJoinTokenUses = 10_000;

export interface JoinTokenReply {
  readonly token: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** The Pods are read now; the answer comes when every proxy has the endpoints they make, or too late. */
export interface DistributionRequest {
  /** 0 to 60,000. */
  readonly timeoutMs: number;
}

export interface DistributionReply {
  /** `POD.NAMESPACE` of proxies that have not accepted them within the time. */
  readonly late: readonly string[];
}

/** The body of every answer that is not 2xx. */
export interface ApiFailure {
  readonly error: string;
}
