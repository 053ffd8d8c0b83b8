/** Clusters that belong to one proxy: its application, the way back into the mesh, and the way out of it. */

import type { JsonObject } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Address } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import { ClusterConfigSchema } from '#xds/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js';
import type { DnsCacheConfigSchema } from '#xds/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js';
import { connectTimeoutMs, overHttp2, withoutLimits } from './cluster.ts';
import { duration, filterMetadata, type Init, internalAddress, pack, socketAddress } from './message.ts';
import {
  blackHoleCluster,
  inboundClusterName,
  passthroughCluster,
  reentryClusterName,
  reentryListenerName,
} from './names.ts';

/** The DNS cache that cluster and filter share; the two must be equal. */
export const dnsCache: Init<typeof DnsCacheConfigSchema> = {
  name: 'passthrough',
  dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
};

/** @param services that the port serves, for metrics. */
export function inboundCluster(
  applicationAddress: string,
  port: number,
  services: readonly JsonObject[],
  http2: boolean,
): Cluster {
  return create(ClusterSchema, {
    ...staticCluster(inboundClusterName(port), socketAddress(applicationAddress, port)),
    ...(http2 && overHttp2),
    metadata: filterMetadata({ istio: { services: [...services] } }),
  });
}

/** `CONNECT reviews:9080` is routed as a connection to port 9080 would be. */
export function reentryCluster(port: number): Cluster {
  const endpoint = internalAddress(reentryListenerName(port));
  return create(ClusterSchema, staticCluster(reentryClusterName(port), endpoint));
}

/** Resolves the host of the request: the way to whatever the mesh does not know. */
export const forwardingCluster: Cluster = create(ClusterSchema, {
  name: passthroughCluster,
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
  connectTimeout: duration(connectTimeoutMs),
  circuitBreakers: withoutLimits,
});

/** Has no endpoint: what goes there ends there. */
export const emptyCluster: Cluster = create(ClusterSchema, {
  name: blackHoleCluster,
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
  connectTimeout: duration(connectTimeoutMs),
});

function staticCluster(name: string, address: Address): Init<typeof ClusterSchema> {
  const lbEndpoints = [{ hostIdentifier: { case: 'endpoint' as const, value: { address } } }];
  return {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(connectTimeoutMs),
    circuitBreakers: withoutLimits,
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints }] },
  };
}
