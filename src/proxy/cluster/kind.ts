/** What a cluster's endpoints are: `type`, or an extension in its place. */
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type Cluster,
  Cluster_DiscoveryType as Discovery,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterConfigSchema as AggregateSchema } from '#xds/gen/envoy/extensions/clusters/aggregate/v3/cluster_pb.js';
import {
  type DnsCluster,
  DnsClusterSchema,
} from '#xds/gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.js';
import { ClusterConfigSchema as DynamicSchema } from '#xds/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js';
import { type CacheSettings, readCache } from '../dns/cache-settings.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { isClusterProvided } from './original-destination-settings.ts';

export type ClusterKind =
  | 'static'
  | 'eds'
  | 'strict-dns'
  | 'logical-dns'
  | 'dynamic-forward-proxy'
  | 'original-dst'
  | 'aggregate';

export interface KindSettings {
  readonly kind: ClusterKind;
  /** Names of the clusters that an aggregate has. */
  readonly children?: readonly string[];
  readonly dnsCluster?: DnsCluster;
  /** The names that a dynamic forward proxy knows. */
  readonly cache?: CacheSettings;
}

export function readKind(cluster: Cluster, findings: Findings): KindSettings {
  const { clusterDiscoveryType: type } = cluster;
  if (type.case === 'clusterType') return readExtension(cluster, type.value.typedConfig, findings);
  switch (type.case === undefined ? Discovery.STATIC : type.value) {
    case Discovery.EDS:
      if (cluster.edsClusterConfig?.edsConfig === undefined)
        findings.error('eds_cluster_config.eds_config', 'is missing');
      return { kind: 'eds' };
    case Discovery.STRICT_DNS:
      return { kind: 'strict-dns' };
    case Discovery.LOGICAL_DNS:
      return { kind: 'logical-dns' };
    case Discovery.ORIGINAL_DST:
      return { kind: 'original-dst' };
    default:
      return { kind: 'static' };
  }
}

function readExtension(cluster: Cluster, config: Any | undefined, findings: Findings): KindSettings {
  const path = 'cluster_type.typed_config';
  switch (typeNameOf(config)) {
    case DnsClusterSchema.typeName: {
      const dnsCluster = findings.unpack(path, config, DnsClusterSchema);
      if (dnsCluster === undefined) return { kind: 'strict-dns' };
      return { kind: dnsCluster.allAddressesInSingleEndpoint ? 'logical-dns' : 'strict-dns', dnsCluster };
    }
    case AggregateSchema.typeName: {
      const children = findings.unpack(path, config, AggregateSchema)?.clusters ?? [];
      if (children.length === 0) findings.error(`${path}.clusters`, 'must name one cluster at least');
      if (!isClusterProvided(cluster))
        findings.error('lb_policy', 'must be CLUSTER_PROVIDED, as the cluster is an aggregate');
      return { kind: 'aggregate', children };
    }
    default: {
      const dynamic = findings.unpack(path, config, DynamicSchema);
      findings.refuse(`${path}.allow_coalesced_connections`, dynamic?.allowCoalescedConnections === true);
      const cached = dynamic?.clusterImplementationSpecifier.value;
      if (cached !== undefined)
        return {
          kind: 'dynamic-forward-proxy',
          cache: readCache(cached, `${path}.dns_cache_config`, findings),
        };
      if (dynamic !== undefined) findings.error(`${path}.dns_cache_config`, 'is missing');
      return { kind: 'dynamic-forward-proxy' };
    }
  }
}
