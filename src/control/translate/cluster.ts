/** A port of a service, or a subset of it -> the cluster by which callers reach it. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import type { DestinationRule, Subset } from '#model/destination-rule.ts';
import { type PortProtocol, portProtocol } from '#model/port-protocol.ts';
import type { ServicePort } from '#model/service.ts';
import type { PortTrafficPolicy, SimpleLoadBalancer } from '#model/traffic-policy.ts';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { isExternal, type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { grpcUpstreamTls } from './grpc-tls-context.ts';
import { serviceIdentities } from './identity.ts';
import { grpcPolicies } from './load-balancing.ts';
import { configPath, duration, filterMetadata, fromAds, type Init } from './message.ts';
import { acceptsMutualTlsThroughout } from './mutual-tls.ts';
import { outboundClusterName, outboundSni } from './names.ts';
import { policyFor } from './policy-merge.ts';
import { type CallerSpeech, rawBuffer, upstreamMutualTls } from './tls-context.ts';
import { circuitBreakers, httpOptions, outlierParts } from './upstream-limits.ts';

type ClusterInit = Init<typeof ClusterSchema>;

/** Istio's `meshConfig.connectTimeout`. */
export const connectTimeoutMs = 10_000;

export const withoutLimits: NonNullable<Init<typeof ClusterSchema>['circuitBreakers']> = circuitBreakers();

/** The only endpoint of a connection is the address it was made to before it was captured. */
export const byOriginalDestination: Pick<ClusterInit, 'clusterDiscoveryType' | 'lbPolicy'> = {
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
};

/** A cluster that callers see, before it is a message. */
export interface OutboundTarget {
  readonly service: MeshService;
  readonly port: ServicePort;
  readonly rule: DestinationRule | undefined;
  readonly subset: Subset | undefined;
}

const lbPolicies: Readonly<Record<SimpleLoadBalancer, Cluster_LbPolicy>> = {
  ROUND_ROBIN: Cluster_LbPolicy.ROUND_ROBIN,
  RANDOM: Cluster_LbPolicy.RANDOM,
  LEAST_REQUEST: Cluster_LbPolicy.LEAST_REQUEST,
};

export function targetName({ service, port, subset }: OutboundTarget): string {
  return outboundClusterName(port.port, subset?.name ?? '', serviceHost(service));
}

/**
 * For Heddle and Envoy alike. The same object for as long as what it is made of is the same, so that
 * a pod that comes or goes does not make every cluster anew.
 */
export function proxyCluster(target: OutboundTarget, index: ResourceIndex): Cluster {
  const identities = serviceIdentities(index, target.service);
  const made = madeOf.get(target.service) ?? new Map<string, MadeCluster>();
  madeOf.set(target.service, made);
  const name = targetName(target);
  const known = made.get(name);
  const isSame = known?.rule === target.rule && known?.identities === identities.join();
  if (known !== undefined && isSame) return known.cluster;
  const cluster = makeProxyCluster(target, identities);
  made.set(name, { rule: target.rule, identities: identities.join(), cluster });
  return cluster;
}

interface MadeCluster {
  readonly rule: DestinationRule | undefined;
  readonly identities: string;
  readonly cluster: Cluster;
}

const madeOf = new WeakMap<MeshService, Map<string, MadeCluster>>();

function makeProxyCluster(target: OutboundTarget, identities: readonly string[]): Cluster {
  const policy = policyFor(target.rule, target.subset, target.port.port);
  return create(ClusterSchema, {
    ...baseCluster(target, policy),
    ...fromAssignment(target),
    ...balanced(policy),
    ...outlierParts(policy.outlierDetection),
    ...proxyTraits(target, policy),
    ...proxyTls(target, policy, identities),
  });
}

/** Of a host that is looked up. @param where its endpoints, which are in the cluster itself */
export function lookedUpCluster(target: OutboundTarget, where: ClusterInit, index: ResourceIndex): Cluster {
  const policy = policyFor(target.rule, target.subset, target.port.port);
  return create(ClusterSchema, {
    ...baseCluster(target, policy),
    ...where,
    ...balanced(policy),
    ...outlierParts(policy.outlierDetection),
    ...proxyTraits(target, policy),
    ...proxyTls(target, policy, serviceIdentities(index, target.service)),
  });
}

function balanced(policy: PortTrafficPolicy): ClusterInit {
  return { lbPolicy: lbPolicies[policy.loadBalancer?.simple ?? 'LEAST_REQUEST'] };
}

/**
 * Callers choose the endpoint and no other will do: of a headless service, for captured traffic, by its address. Nothing
 * says of one address whether it takes mutual TLS; it is asked for unless some instance cannot do it (Istio).
 *
 * @param how the endpoint is known
 */
export function chosenCluster(target: OutboundTarget, how: ClusterInit, index: ResourceIndex): Cluster {
  const policy = policyFor(target.rule, target.subset, target.port.port);
  return create(ClusterSchema, {
    ...baseCluster(target, policy),
    ...how,
    ...proxyTraits(target, policy),
    ...(usesTlsThroughout(target, policy, index) && {
      transportSocket: mutualTls(target, serviceIdentities(index, target.service)),
    }),
  });
}

/** For gRPC without a proxy: what its clients accept is narrower. */
export function grpcCluster(
  target: OutboundTarget,
  index: ResourceIndex,
  where: ClusterInit = fromAssignment(target),
): Cluster {
  const policy = policyFor(target.rule, target.subset, target.port.port);
  const init: ClusterInit = {
    ...baseCluster(target, policy),
    ...where,
    loadBalancingPolicy: grpcPolicies(policy.loadBalancer?.simple ?? 'LEAST_REQUEST'),
  };
  if (!usesTlsThroughout(target, policy, index)) return create(ClusterSchema, init);
  return create(ClusterSchema, {
    ...init,
    transportSocket: grpcUpstreamTls(serviceIdentities(index, target.service)),
  });
}

function baseCluster(target: OutboundTarget, policy: PortTrafficPolicy): ClusterInit {
  return {
    name: targetName(target),
    connectTimeout: duration(policy.connectionPool?.tcp?.connectTimeout ?? connectTimeoutMs),
  };
}

function fromAssignment(target: OutboundTarget): ClusterInit {
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: fromAds, serviceName: targetName(target) },
  };
}

function proxyTraits(target: OutboundTarget, { connectionPool }: PortTrafficPolicy): ClusterInit {
  return {
    circuitBreakers: connectionPool === undefined ? withoutLimits : circuitBreakers(connectionPool),
    metadata: filterMetadata(serviceMetadata(target)),
    ...httpOptions(connectionPool, portProtocol(target.port)),
  };
}

/** Names the service, for metrics, and the DestinationRule, for people. */
function serviceMetadata({ service, subset, rule }: OutboundTarget): Record<string, JsonObject> {
  const { name, namespace = '' } = service.metadata;
  const services = [{ host: serviceHost(service), name, namespace }];
  return {
    istio: {
      services,
      ...(subset !== undefined && { subset: subset.name }),
      ...(rule !== undefined && { config: configPath('destination-rule', rule.metadata) }),
    },
  };
}

/** Where the DestinationRule says nothing, each endpoint says by its metadata whether it takes mutual TLS. */
function proxyTls(
  target: OutboundTarget,
  policy: PortTrafficPolicy,
  identities: readonly string[],
): ClusterInit {
  if (policy.tls?.mode === 'DISABLE') return {};
  const transportSocket = mutualTls(target, identities);
  if (policy.tls?.mode === 'ISTIO_MUTUAL') return { transportSocket };
  if (isExternal(target.service)) return {};
  return {
    transportSocketMatches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket },
      { name: 'tlsMode-disabled', match: {}, transportSocket: rawBuffer },
    ],
  };
}

/** Where it cannot be chosen by endpoint: mutual TLS unless some instance cannot do it. */
function usesTlsThroughout(
  { service, port }: OutboundTarget,
  policy: PortTrafficPolicy,
  index: ResourceIndex,
): boolean {
  if (policy.tls !== undefined) return policy.tls.mode === 'ISTIO_MUTUAL';
  return !isExternal(service) && acceptsMutualTlsThroughout(index, service, port);
}

function mutualTls(
  { service, port, subset }: OutboundTarget,
  identities: readonly string[],
): TransportSocket {
  const sni = outboundSni(port.port, subset?.name ?? '', serviceHost(service));
  return upstreamMutualTls(identities, sni, callerSpeech(portProtocol(port)));
}

/** Where both go to one cluster it is of HTTP, and who sends it something else says so. */
function callerSpeech({ carriedAs, http2 }: PortProtocol): CallerSpeech {
  if (carriedAs === 'TCP') return 'TCP';
  if (http2) return 'HTTP/2';
  return carriedAs === 'AUTO' ? 'HTTP' : 'HTTP/1.1';
}
