/** How the endpoints of a service are found by one kind of client, and the cluster that says so. */
import { isHeadless } from '#model/service.ts';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  type ClusterSchema,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import {
  byOriginalDestination,
  chosenCluster,
  grpcCluster,
  isOutOfReachOfGrpc,
  lookedUpCluster,
  type OutboundTarget,
  proxyCluster,
  targetName,
  targetPolicy,
  targetPreference,
} from './cluster.ts';
import { enteredEndpoints } from './entry-endpoint.ts';
import { endpointPortOf } from './entry-port.ts';
import { byRequestedHost } from './local-cluster.ts';
import { duration, type Init, socketAddress } from './message.ts';
import { type CallerPlace, type PlacedEndpoint, placeEndpoints } from './placement.ts';

/** `captured`: a proxy that knows what addresses connections were made to. `gateway`: one for people outside. */
export type ServiceClient = 'proxy' | 'captured' | 'gateway' | 'grpc';

export interface ServiceCluster {
  readonly cluster: Cluster;
  /** Whether its endpoints come by EDS. */
  readonly isAssigned: boolean;
  /** There is no way for this client: calls fail. */
  readonly isClosed?: boolean;
}

export function serviceCluster(
  target: OutboundTarget,
  client: ServiceClient,
  caller: CallerPlace,
  index: ResourceIndex,
): ServiceCluster {
  const own = (cluster: Cluster): ServiceCluster => ({ cluster, isAssigned: false });
  const { service } = target;
  if (client === 'grpc' && isOutOfReachOfGrpc(target, index.settings)) return closed(target, index);
  const resolution = service.entry?.resolution;
  if (resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN') {
    const cluster = byNames(target, client, caller, index);
    return cluster === undefined ? closed(target, index) : own(cluster);
  }
  if (resolution === 'NONE' || resolution === 'DYNAMIC_DNS') {
    if (client === 'grpc') return closed(target, index);
    // Who calls a proxy names the host to it.
    const isNamed = resolution === 'DYNAMIC_DNS' ? client !== 'gateway' : client === 'proxy';
    if (isNamed) return own(chosenCluster(target, byRequestedHost, index));
  }
  const goesOn = resolution === 'NONE' || isHeadless(service) || isPassedThrough(target, index);
  if (client === 'captured' && goesOn) return own(chosenCluster(target, byOriginalDestination, index));
  const cluster = client === 'grpc' ? grpcCluster(target, index) : proxyCluster(target, index);
  return { cluster, isAssigned: true };
}

/** A client without a proxy waits for a cluster that is not there, and gives up at once where there is no endpoint. */
function closed(target: OutboundTarget, index: ResourceIndex): ServiceCluster {
  return { cluster: grpcCluster(target, index), isAssigned: true, isClosed: true };
}

/** The policy says so; a proxy that is not told where connections were made to chooses by itself. */
function isPassedThrough(target: OutboundTarget, { settings }: ResourceIndex): boolean {
  return targetPolicy(target, settings).loadBalancer?.simple === 'PASSTHROUGH';
}

/** What is looked up is in the cluster itself; the host, where the ServiceEntry names no endpoint. */
function byNames(
  target: OutboundTarget,
  client: ServiceClient,
  caller: CallerPlace,
  index: ResourceIndex,
): Cluster | undefined {
  const { service, port, subset } = target;
  const entered = enteredEndpoints(service, port, subset?.labels ?? {}, index);
  const endpoints = isAnyNamed(target) ? entered : hostItself(target);
  const count = endpoints.length;
  const { dnsRefreshRateMs } = index.settings;
  const isOneByOne = service.entry?.resolution === 'DNS_ROUND_ROBIN';
  const where: Init<typeof ClusterSchema> = {
    // Envoy takes LOGICAL_DNS with exactly one endpoint; in a subset there may be none.
    clusterDiscoveryType: {
      case: 'type',
      value:
        count === 0
          ? Cluster_DiscoveryType.STATIC
          : isOneByOne || client === 'grpc'
            ? Cluster_DiscoveryType.LOGICAL_DNS
            : Cluster_DiscoveryType.STRICT_DNS,
    },
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
    ...(dnsRefreshRateMs !== undefined && { dnsRefreshRate: duration(dnsRefreshRateMs) }),
    loadAssignment: {
      clusterName: targetName(target),
      endpoints: placeEndpoints(endpoints, targetPreference(target, index.settings), caller),
    },
  };
  if (client !== 'grpc') return lookedUpCluster(target, where, index);
  // gRPC has no other clusters of names than LOGICAL_DNS (gRFC A37).
  return count === 1 ? grpcCluster(target, index, where) : undefined;
}

function isAnyNamed({ service }: OutboundTarget): boolean {
  return (service.entry?.endpoints.length ?? 0) > 0;
}

/** Without labels: in no subset that asks for some. */
function hostItself({ service, port, subset }: OutboundTarget): PlacedEndpoint[] {
  if (Object.keys(subset?.labels ?? {}).length > 0) return [];
  const address = socketAddress(service.entry?.host ?? '', endpointPortOf({ ports: {} }, port));
  const endpoint = {
    hostIdentifier: { case: 'endpoint' as const, value: { address } },
    loadBalancingWeight: 1,
  };
  return [{ locality: '', labels: {}, weight: 1, endpoint }];
}
