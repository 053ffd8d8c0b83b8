/** How a sidecar takes calls for its own application: filter chains by what PeerAuthentication allows on a port. */
import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { CarriedProtocol } from '#model/port-protocol.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { connectionLimits } from './connection-policy.ts';
import { connectionManager } from './http-connection-manager.ts';
import { type IngressPort, ingressTls } from './ingress-ports.ts';
import { type FilterChainInit, plainHttp } from './listener.ts';
import type { ServerTlsMode } from './mutual-tls.ts';
import { inboundClusterName } from './names.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { inboundRetry } from './retry.ts';
import { plainAction } from './route-action.ts';
import { matchEverything } from './route-match.ts';
import type { Sidecar } from './sidecar.ts';
import { tcpFilters } from './telemetry.ts';
import { downstreamMutualTls, meshHttpProtocols, meshOpaqueProtocols, meshProtocols } from './tls-context.ts';

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
  readonly pool?: ConnectionPoolPolicy;
}

/** How what comes by a chain is protected: `foreign-tls` by somebody else, and the application has the key. */
type Protection = 'mutual-tls' | 'plain-text' | 'foreign-tls';

/** What of a connection's first bytes its chain depends on. */
export function inspectedFor(
  carriedAs: CarriedProtocol,
  mode: ServerTlsMode,
): { readonly tls: boolean; readonly http: boolean } {
  const isFoundOut = carriedAs === 'AUTO';
  return { tls: isFoundOut || mode === 'PERMISSIVE', http: isFoundOut && mode !== 'STRICT' };
}

/** The chains of one port that is known, in a listener that takes nothing else. */
export function portChains(ingress: IngressPort, mode: ServerTlsMode, sidecar: Sidecar): FilterChainInit[] {
  const { port, carriedAs, grpcWeb, pool } = ingress;
  const { settings } = sidecar.index;
  const traits = {
    ...{ cluster: inboundClusterName(port), statPrefix: `inbound_0.0.0.0_${port}`, port, grpcWeb },
    ...(pool !== undefined && { pool }),
  };
  const filtersFor = (protocol: 'HTTP' | 'TCP'): Filter[] => [
    ...inboundFilters({ ...traits, carriedAs: protocol }, sidecar),
  ];
  if (carriedAs === 'AUTO') {
    return detectedChains(mode, settings, (protocol, protection) => ({
      name: protocol === 'HTTP' ? `${protection}-http` : protection,
      filters: filtersFor(protocol),
    }));
  }
  const encrypted: FilterChainInit = {
    name: 'mutual-tls',
    filters: filtersFor(carriedAs),
    transportSocket: downstreamMutualTls(settings, carriedAs),
  };
  const plain: FilterChainInit = { name: 'plain-text', filters: filtersFor(carriedAs) };
  if (mode === 'STRICT') return [encrypted];
  const own = ingressTls(ingress, sidecar);
  const written = own && { ...plain, name: 'own-tls', transportSocket: own.transportSocket };
  if (mode === 'DISABLE') return [written ?? plain];
  const byMesh = { transportProtocol: 'tls', applicationProtocols: [...meshProtocols] };
  const foreign = {
    name: 'foreign-tls',
    filters: filtersFor(carriedAs),
    filterChainMatch: { transportProtocol: 'tls' },
  };
  if (written !== undefined)
    return [
      { ...encrypted, filterChainMatch: byMesh },
      { ...written, filterChainMatch: { transportProtocol: 'tls' } },
    ];
  return [
    { ...encrypted, filterChainMatch: byMesh },
    { ...plain, filterChainMatch: { transportProtocol: 'raw_buffer' } },
    // TLS that is not the mesh's belongs to the application, where it has a port of its own for it.
    ...(carriedAs === 'HTTP' ? [] : [foreign]),
  ];
}

/**
 * The chains of a port that may carry anything: of plain text its first bytes say what it is, and within mutual TLS the
 * ALPN of the caller's sidecar, which has seen them (Istio).
 *
 * @param chainOf a chain without its match, its name and filters
 */
export function detectedChains(
  mode: ServerTlsMode,
  settings: MeshSettings,
  chainOf: (carriedAs: 'HTTP' | 'TCP', protection: Protection) => FilterChainInit,
): FilterChainInit[] {
  const anyTls = { transportProtocol: 'tls' };
  const plain = [
    { ...chainOf('HTTP', 'plain-text'), filterChainMatch: plainHttp },
    { ...chainOf('TCP', 'plain-text'), filterChainMatch: { transportProtocol: 'raw_buffer' } },
    { ...chainOf('TCP', 'foreign-tls'), filterChainMatch: anyTls },
  ];
  if (mode === 'DISABLE') return plain;
  const byMesh = (carriedAs: 'HTTP' | 'TCP', applicationProtocols: readonly string[]): FilterChainInit => ({
    ...chainOf(carriedAs, 'mutual-tls'),
    filterChainMatch: { ...anyTls, applicationProtocols: [...applicationProtocols] },
    transportSocket: downstreamMutualTls(settings, carriedAs),
  });
  const http = byMesh('HTTP', meshHttpProtocols);
  return mode === 'STRICT' ? [http, byMesh('TCP', [])] : [http, byMesh('TCP', meshOpaqueProtocols), ...plain];
}

export function inboundFilters(
  { cluster, carriedAs, statPrefix, port, grpcWeb, pool }: InboundTarget,
  { node: { client }, self, captured, index: { settings } }: Sidecar,
): readonly Filter[] {
  if (carriedAs === 'TCP')
    return tcpFilters(cluster, 'inbound', client, self, settings, connectionLimits(pool));
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
    settings,
    client,
    self,
    grpcWeb,
  });
  return [manager];
}
