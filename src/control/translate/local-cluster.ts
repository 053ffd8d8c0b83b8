/** Clusters that belong to one proxy: its application, the way back into the mesh, and the way out of it. */

import type { JsonObject } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import { CONNECT_TIMEOUT_MS, type MeshSettings } from '#model/mesh-settings.ts';
import type { PortProtocol } from '#model/port-protocol.ts';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Address } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import {
  SocketOption_SocketState,
  SocketOptionSchema,
} from '#xds/gen/envoy/config/core/v3/socket_option_pb.js';
import { type Filter, FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ClusterConfigSchema } from '#xds/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js';
import type { DnsCacheConfigSchema } from '#xds/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js';
import { FilterConfigSchema as SniForwardSchema } from '#xds/gen/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.js';
import { byOriginalDestination, withoutLimits } from './cluster.ts';
import {
  duration,
  filterMetadata,
  type Init,
  internalAddress,
  pack,
  pipeAddress,
  socketAddress,
} from './message.ts';
import {
  blackHoleCluster,
  inboundClusterName,
  inboundPassthroughCluster,
  passthroughCluster,
  reentryClusterName,
  reentryListenerName,
} from './names.ts';
import { keptAlive } from './policy-merge.ts';
import { asItCame, circuitBreakers, httpOptions, keepAlive } from './upstream-limits.ts';

/** The DNS cache that cluster and filter share; the two must be equal. */
export const dnsCache: Init<typeof DnsCacheConfigSchema> = {
  name: 'passthrough',
  dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
};

export interface InboundClusterTraits extends Pick<PortProtocol, 'carriedAs' | 'http2'> {
  readonly port: number;
  /** Those that the port serves, for metrics. */
  readonly services: readonly JsonObject[];
  readonly pool?: ConnectionPoolPolicy;
  /** Where the pool says nothing. */
  readonly connectTimeoutMs: number;
  /** In metrics; empty: the cluster's. */
  readonly statName: string;
}

/** @param where the application is. */
export function inboundCluster(traits: InboundClusterTraits, where: Destination): Cluster {
  const { port, services, pool, connectTimeoutMs, statName } = traits;
  return create(ClusterSchema, {
    ...localCluster(inboundClusterName(port), where),
    connectTimeout: duration(pool?.tcp?.connectTimeout ?? connectTimeoutMs),
    ...(statName !== '' && { altStatName: statName }),
    ...(pool !== undefined && { circuitBreakers: circuitBreakers(pool) }),
    ...keepAlive(pool),
    ...httpOptions(pool, traits),
    metadata: filterMetadata({ istio: { services: [...services] } }),
  });
}

/**
 * `CONNECT reviews:9080` is routed as a connection to port 9080 would be.
 *
 * @param host whose port it is, where the connection may turn out to be no HTTP
 */
export function reentryCluster(port: number, host?: string): Cluster {
  const endpoint = internalAddress(reentryListenerName(port, host));
  return create(ClusterSchema, localCluster(reentryClusterName(port, host), at(endpoint)));
}

/** Of connections to the application in a client's name (Istio): by it answers find the way back to the sidecar. */
export const clientMark = 1337;

/** `SO_MARK` of `SOL_SOCKET` (asm-generic/socket.h). */
const markedForClient = create(SocketOptionSchema, {
  level: 1n,
  name: 36n,
  value: { case: 'intValue', value: BigInt(clientMark) },
  state: SocketOption_SocketState.STATE_PREBIND,
});

/**
 * The address that the application was called by: it may listen on that one, or on all. The connection comes from
 * where the kernel knows that it is not to be captured again (Istio).
 */
export const whereItWasMadeTo: Destination = {
  ...byOriginalDestination,
  upstreamBindConfig: {
    sourceAddress: { address: '127.0.0.6', portSpecifier: { case: 'portValue', value: 0 } },
    extraSourceAddresses: [{ address: { address: '::6', portSpecifier: { case: 'portValue', value: 0 } } }],
  },
};

/**
 * The same, where `original_src` has it come from the client's address. Options of the proxy's own bind
 * configuration, such as its own mark, come last in Envoy, and count where a cluster has none.
 */
export const inTheNameOfItsClient: Destination = {
  ...whereItWasMadeTo,
  upstreamBindConfig: { ...whereItWasMadeTo.upstreamBindConfig, socketOptions: [markedForClient] },
};

/** Whatever the mesh does not know is where the connection was made to. */
export const passthroughOutbound: (settings: MeshSettings) => Cluster = oncePerMesh((settings) =>
  create(ClusterSchema, {
    ...localCluster(passthroughCluster, byOriginalDestination),
    ...unknownTraits(settings, { carriedAs: 'AUTO', http2: false }),
  }),
);

/** What holds for services that say nothing holds for what is none; its version of HTTP is nobody's to say (Istio). */
function unknownTraits(
  { connectionPool, tcpKeepalive, connectTimeoutMs }: MeshSettings,
  speech: Pick<PortProtocol, 'carriedAs' | 'http2'>,
): Init<typeof ClusterSchema> {
  const pool = keptAlive(connectionPool, tcpKeepalive);
  const { h2UpgradePolicy: _, useClientProtocol: _u, ...http } = pool?.http ?? {};
  return {
    connectTimeout: duration(pool?.tcp?.connectTimeout ?? connectTimeoutMs),
    circuitBreakers: circuitBreakers(pool),
    ...keepAlive(pool),
    ...httpOptions(pool && { ...pool, http }, speech),
  };
}

/** Ports of the application that nobody has told of. */
export function passthroughInbound(where: Destination): Cluster {
  return create(ClusterSchema, { ...localCluster(inboundPassthroughCluster, where), ...asItCame });
}

/** The endpoint is the host that the request names; the filter of the same cache looks it up. */
export const byRequestedHost: Destination = {
  clusterDiscoveryType: {
    case: 'clusterType',
    value: {
      name: 'envoy.clusters.dynamic_forward_proxy',
      typedConfig: pack(ClusterConfigSchema, {
        clusterImplementationSpecifier: { case: 'dnsCacheConfig', value: dnsCache },
      }),
    },
  },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
};

/** The same for connections: the host is the name in the ClientHello. */
export function sniForward(port: number): Filter {
  return create(FilterSchema, {
    name: 'envoy.filters.network.sni_dynamic_forward_proxy',
    configType: {
      case: 'typedConfig',
      value: pack(SniForwardSchema, {
        dnsCacheConfig: dnsCache,
        portSpecifier: { case: 'portValue', value: port },
      }),
    },
  });
}

/** Resolves the host of the request: the way to whatever the mesh does not know. */
export const forwardingCluster: (settings: MeshSettings) => Cluster = oncePerMesh((settings) =>
  create(ClusterSchema, {
    ...localCluster(passthroughCluster, byRequestedHost),
    ...unknownTraits(settings, { carriedAs: 'HTTP', http2: false }),
  }),
);

/** The same object for all proxies of one state of the mesh. */
function oncePerMesh(make: (settings: MeshSettings) => Cluster): (settings: MeshSettings) => Cluster {
  const known = new WeakMap<MeshSettings, Cluster>();
  return (settings) => {
    const cluster = known.get(settings) ?? make(settings);
    known.set(settings, cluster);
    return cluster;
  };
}

/** Has no endpoint: what goes there ends there. */
export const emptyCluster: Cluster = create(ClusterSchema, {
  name: blackHoleCluster,
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
  connectTimeout: duration(CONNECT_TIMEOUT_MS),
});

/** What of a cluster says where it leads. */
export type Destination = Init<typeof ClusterSchema>;

function at(address: Address): Destination {
  const lbEndpoints = [{ hostIdentifier: { case: 'endpoint' as const, value: { address } } }];
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    loadAssignment: { endpoints: [{ lbEndpoints }] },
  };
}

export function atAddress(address: string, port: number): Destination {
  return at(socketAddress(address, port));
}

/** @param path of a socket of Unix; with `@` in front that of an abstract one. */
export function atSocket(path: string): Destination {
  return at(pipeAddress(path));
}

function localCluster(name: string, where: Destination): Init<typeof ClusterSchema> {
  const { loadAssignment } = where;
  return {
    ...where,
    name,
    connectTimeout: duration(CONNECT_TIMEOUT_MS),
    circuitBreakers: withoutLimits,
    ...(loadAssignment !== undefined && { loadAssignment: { ...loadAssignment, clusterName: name } }),
  };
}
