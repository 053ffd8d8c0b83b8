/** How a sidecar takes calls for its own application: filter chains by what PeerAuthentication allows on a port. */
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { connectionManager } from './http-connection-manager.ts';
import type { FilterChainInit } from './listener.ts';
import type { ServerTlsMode } from './mutual-tls.ts';
import { inboundClusterName } from './names.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { inboundRetry } from './retry.ts';
import { plainAction } from './route-action.ts';
import { matchEverything } from './route-match.ts';
import type { Sidecar } from './sidecar.ts';
import { tcpFilters } from './telemetry.ts';
import { downstreamMutualTls, meshProtocols } from './tls-context.ts';

/** Where calls go on to. */
export interface InboundTarget {
  readonly cluster: string;
  readonly carriedAs: 'HTTP' | 'TCP';
  /** Of the HTTP connection manager. */
  readonly statPrefix: string;
  /** 0: of any. */
  readonly port: number;
  /** Whether browsers call it. */
  readonly grpcWeb: boolean;
}

/** The chains of one port that is known, in a listener that takes nothing else. */
export function portChains(
  { port, carriedAs, grpcWeb }: Pick<InboundTarget, 'port' | 'carriedAs' | 'grpcWeb'>,
  mode: ServerTlsMode,
  sidecar: Sidecar,
): FilterChainInit[] {
  const cluster = inboundClusterName(port);
  const target = { cluster, carriedAs, statPrefix: `inbound_0.0.0.0_${port}`, port, grpcWeb };
  const filters = inboundFilters(target, sidecar);
  const encrypted: FilterChainInit = {
    name: 'mutual-tls',
    filters: [...filters],
    transportSocket: downstreamMutualTls(sidecar.index.settings.trustDomain),
  };
  const plain: FilterChainInit = { name: 'plain-text', filters: [...filters] };
  if (mode === 'STRICT') return [encrypted];
  if (mode === 'DISABLE') return [plain];
  const byMesh = { transportProtocol: 'tls', applicationProtocols: [...meshProtocols] };
  const foreign = {
    name: 'foreign-tls',
    filters: [...filters],
    filterChainMatch: { transportProtocol: 'tls' },
  };
  return [
    { ...encrypted, filterChainMatch: byMesh },
    { ...plain, filterChainMatch: { transportProtocol: 'raw_buffer' } },
    // TLS that is not the mesh's belongs to the application, where it has a port of its own for it.
    ...(carriedAs === 'HTTP' ? [] : [foreign]),
  ];
}

export function inboundFilters(
  { cluster, carriedAs, statPrefix, port, grpcWeb }: InboundTarget,
  { node: { client }, self, captured }: Sidecar,
): readonly Filter[] {
  if (carriedAs === 'TCP') return tcpFilters(cluster, 'inbound', client, self);
  const value = { ...plainAction(cluster).value, retryPolicy: inboundRetry };
  const route = { name: 'default', match: matchEverything, action: { case: 'route' as const, value } };
  const manager = connectionManager({
    side: 'inbound',
    statPrefix,
    routes: {
      name: cluster,
      virtualHosts: [{ name: `inbound|http|${port}`, domains: ['*'], routes: [route] }],
      validateClusters: false,
      ...peerHeaderGuard(client),
    },
    captured,
    client,
    self,
    grpcWeb,
  });
  return [manager];
}
