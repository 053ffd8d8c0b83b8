/** A port of a service, or a subset of it -> the cluster by which callers reach it. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import type { ClientTls } from '#model/client-tls.ts';
import type { DestinationRule, Subset } from '#model/destination-rule.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import { type PortProtocol, portProtocol } from '#model/port-protocol.ts';
import type { ResiliencePolicy } from '#model/resilience-policy.ts';
import type { ServicePort } from '#model/service.ts';
import type { HostTrafficPolicy } from '#model/traffic-policy.ts';
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
import { healthChecks } from './health-check.ts';
import { serviceIdentities } from './identity.ts';
import { balancing, grpcBalancing } from './load-balancing.ts';
import { configPath, duration, filterMetadata, fromAds, type Init } from './message.ts';
import { acceptsMutualTlsThroughout } from './mutual-tls.ts';
import { outboundClusterName, outboundSni } from './names.ts';
import { type Preference, preferenceOf } from './placement.ts';
import { policyFor, withMeshDefaults } from './policy-merge.ts';
import { outboundName } from './stat-name.ts';
import { type CallerSpeech, rawBuffer, upstreamMutualTls } from './tls-context.ts';
import {
  circuitBreakers,
  httpOptions,
  keepAlive,
  outlierDetection,
  type SpokenVersion,
  spokenVersion,
} from './upstream-limits.ts';
import { announced, originatedTls } from './upstream-tls.ts';

type ClusterInit = Init<typeof ClusterSchema>;

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
  readonly resilience: ResiliencePolicy | undefined;
}

export function targetPolicy(
  { rule, subset, port }: OutboundTarget,
  settings: MeshSettings,
): HostTrafficPolicy {
  return withMeshDefaults(policyFor(rule, subset, port.port), portProtocol(port), settings);
}

export function targetPreference(target: OutboundTarget, settings: MeshSettings): Preference {
  return preferenceOf(targetPolicy(target, settings), target.resilience?.spec.healthCheck !== undefined);
}

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
  const { rule, resilience } = target;
  const { settings } = index;
  const isSame =
    known?.rule === rule &&
    known?.resilience === resilience &&
    known?.identities === identities.join() &&
    known?.settings === settings;
  if (known !== undefined && isSame) return known.cluster;
  const cluster = makeProxyCluster(target, identities, settings);
  made.set(name, { rule, resilience, identities: identities.join(), settings, cluster });
  return cluster;
}

interface MadeCluster {
  readonly rule: DestinationRule | undefined;
  readonly resilience: ResiliencePolicy | undefined;
  readonly identities: string;
  readonly settings: MeshSettings;
  readonly cluster: Cluster;
}

const madeOf = new WeakMap<MeshService, Map<string, MadeCluster>>();

function makeProxyCluster(
  target: OutboundTarget,
  identities: readonly string[],
  settings: MeshSettings,
): Cluster {
  return create(ClusterSchema, balancedCluster(target, fromAssignment(target), identities, settings));
}

/** Of a host that is looked up. @param where its endpoints, which are in the cluster itself */
export function lookedUpCluster(target: OutboundTarget, where: ClusterInit, index: ResourceIndex): Cluster {
  const identities = serviceIdentities(index, target.service);
  return create(ClusterSchema, balancedCluster(target, where, identities, index.settings));
}

function balancedCluster(
  target: OutboundTarget,
  where: ClusterInit,
  identities: readonly string[],
  settings: MeshSettings,
): ClusterInit {
  const policy = targetPolicy(target, settings);
  const { loadBalancer } = policy;
  // Its own proxies are told where connections were made to; others choose as they would without a word.
  const isPassed = loadBalancer?.simple === 'PASSTHROUGH';
  return {
    ...baseCluster(target, policy, settings),
    ...where,
    ...balancing(isPassed ? undefined : loadBalancer),
    ...outlierDetection(policy.outlierDetection),
    ...checks(target, policy),
    ...commonBalancing(target, policy),
    ...proxyTraits(target, policy),
    ...announced(proxyTls(target, policy, identities, settings), policy),
  };
}

function checks(target: OutboundTarget, policy: HostTrafficPolicy): ClusterInit {
  const check = target.resilience?.spec.healthCheck;
  if (check === undefined) return {};
  return healthChecks(check, {
    host: serviceHost(target.service),
    http2: isHttp2(target, policy),
  });
}

/** Nobody is sent to endpoints that are ill because there are too few others, but where `minHealthPercent` says so. */
function commonBalancing(target: OutboundTarget, policy: HostTrafficPolicy): ClusterInit {
  const { outlierDetection: outlier, loadBalancer } = policy;
  const isWatched = outlier !== undefined || target.resilience?.spec.healthCheck !== undefined;
  const { enabled, distribute = [] } = loadBalancer?.localityLbSetting ?? {};
  const isShared = enabled !== false && distribute.length > 0;
  if (!isWatched && !isShared) return {};
  return {
    commonLbConfig: {
      ...(isWatched && { healthyPanicThreshold: { value: outlier?.minHealthPercent ?? 0 } }),
      ...(isShared && {
        localityConfigSpecifier: { case: 'localityWeightedLbConfig' as const, value: {} },
      }),
    },
  };
}

/**
 * Callers choose the endpoint and no other will do: of a headless service, for captured traffic, by its address. Nothing
 * says of one address whether it takes mutual TLS; it is asked for unless some instance cannot do it (Istio).
 *
 * @param how the endpoint is known
 */
export function chosenCluster(target: OutboundTarget, how: ClusterInit, index: ResourceIndex): Cluster {
  const policy = targetPolicy(target, index.settings);
  return create(ClusterSchema, {
    ...baseCluster(target, policy, index.settings),
    ...how,
    ...proxyTraits(target, policy),
    ...announced(chosenTls(target, policy, index), policy),
  });
}

/** Whether TLS is asked for that gRPC's clients cannot do: they would call in plain text. */
export function isOutOfReachOfGrpc(target: OutboundTarget, settings: MeshSettings): boolean {
  const mode = targetPolicy(target, settings).tls?.mode;
  return mode === 'SIMPLE' || mode === 'MUTUAL';
}

/** For gRPC without a proxy: what its clients accept is narrower. */
export function grpcCluster(
  target: OutboundTarget,
  index: ResourceIndex,
  where: ClusterInit = fromAssignment(target),
): Cluster {
  const policy = targetPolicy(target, index.settings);
  const { http2MaxRequests: maxRequests = 0 } = policy.connectionPool?.http ?? {};
  const init: ClusterInit = {
    ...baseCluster(target, policy, index.settings),
    ...where,
    ...grpcBalancing(policy.loadBalancer),
    ...(maxRequests > 0 && { circuitBreakers: { thresholds: [{ maxRequests }] } }),
  };
  if (!usesTlsThroughout(target, policy, index)) return create(ClusterSchema, init);
  const { subjectAltNames: names = [] } = policy.tls ?? {};
  const identities = names.length > 0 ? names : serviceIdentities(index, target.service);
  return create(ClusterSchema, { ...init, transportSocket: grpcUpstreamTls(identities) });
}

/** What a route leads to and nobody knows: gRPC's clients wait for it unless they are told that there is no endpoint. */
export function unknownCluster(name: string): Cluster {
  return create(ClusterSchema, { name, ...assigned(name), ...grpcBalancing(undefined) });
}

function baseCluster(target: OutboundTarget, policy: HostTrafficPolicy, settings: MeshSettings): ClusterInit {
  const { connectTimeoutMs, outboundStatName } = settings;
  return {
    name: targetName(target),
    connectTimeout: duration(policy.connectionPool?.tcp?.connectTimeout ?? connectTimeoutMs),
    ...(outboundStatName !== '' && { altStatName: outboundName(outboundStatName, target) }),
  };
}

function fromAssignment(target: OutboundTarget): ClusterInit {
  return assigned(targetName(target));
}

function assigned(serviceName: string): ClusterInit {
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: fromAds, serviceName },
  };
}

function proxyTraits(target: OutboundTarget, policy: HostTrafficPolicy): ClusterInit {
  const { connectionPool, retryBudget } = policy;
  const isLimited = connectionPool !== undefined || retryBudget !== undefined;
  return {
    circuitBreakers: isLimited ? circuitBreakers(connectionPool, retryBudget) : withoutLimits,
    metadata: filterMetadata(serviceMetadata(target)),
    ...keepAlive(connectionPool),
    ...httpOptions(connectionPool, portProtocol(target.port), serverName(target, policy)),
  };
}

/** A server of TLS is asked for by the name in the request, and must have it, where nothing else is said (Istio). */
function serverName(
  { service, port }: OutboundTarget,
  { tls }: HostTrafficPolicy,
): { readonly autoSni: boolean; readonly autoSanValidation?: boolean } | undefined {
  if (tls?.mode !== 'SIMPLE' && tls?.mode !== 'MUTUAL') return undefined;
  if ((tls.sni ?? '') !== '' || portProtocol(port).carriedAs === 'TCP') return undefined;
  const isNamed = tls.subjectAltNames.length > 0 || expectedNames(service).length > 0;
  const verifies = !isNamed && tls.insecureSkipVerify !== true;
  return { autoSni: true, ...(verifies && { autoSanValidation: true }) };
}

function expectedNames({ entry }: MeshService): readonly string[] {
  return entry?.subjectAltNames ?? [];
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
  policy: HostTrafficPolicy,
  identities: readonly string[],
  settings: MeshSettings,
): Pick<ClusterInit, 'transportSocket' | 'transportSocketMatches'> {
  if (policy.tls !== undefined) return writtenTls(target, policy, policy.tls, identities, settings);
  if (isExternal(target.service) || !settings.autoMtls) return {};
  const transportSocket = mutualTls(target, policy, identities);
  return {
    transportSocketMatches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket },
      { name: 'tlsMode-disabled', match: {}, transportSocket: rawBuffer },
    ],
  };
}

/** The same where it cannot be chosen by endpoint: mutual TLS unless some instance cannot do it. */
function chosenTls(
  target: OutboundTarget,
  policy: HostTrafficPolicy,
  index: ResourceIndex,
): Pick<ClusterInit, 'transportSocket'> {
  const identities = serviceIdentities(index, target.service);
  if (policy.tls !== undefined) return writtenTls(target, policy, policy.tls, identities, index.settings);
  if (!usesTlsThroughout(target, policy, index)) return {};
  return { transportSocket: mutualTls(target, policy, identities) };
}

function writtenTls(
  target: OutboundTarget,
  policy: HostTrafficPolicy,
  tls: ClientTls,
  identities: readonly string[],
  { tlsDefaults }: MeshSettings,
): { readonly transportSocket?: TransportSocket } {
  if (tls.mode === 'DISABLE') return {};
  if (tls.mode === 'ISTIO_MUTUAL') return { transportSocket: mutualTls(target, policy, identities) };
  const server = { names: expectedNames(target.service), http2: isHttp2(target, policy) };
  return { transportSocket: originatedTls(tls, server, tlsDefaults) };
}

/** For gRPC's clients: mutual TLS unless some instance cannot do it. */
function usesTlsThroughout(
  { service, port }: OutboundTarget,
  policy: HostTrafficPolicy,
  index: ResourceIndex,
): boolean {
  if (policy.tls !== undefined) return policy.tls.mode === 'ISTIO_MUTUAL';
  return index.settings.autoMtls && !isExternal(service) && acceptsMutualTlsThroughout(index, service, port);
}

function mutualTls(
  { service, port, subset }: OutboundTarget,
  policy: HostTrafficPolicy,
  identities: readonly string[],
): TransportSocket {
  const { sni: written = '', subjectAltNames: names = [] } = policy.tls ?? {};
  const sni = written || outboundSni(port.port, subset?.name ?? '', serviceHost(service));
  const speech = callerSpeech(portProtocol(port), spokenVersion(policy.connectionPool, portProtocol(port)));
  return upstreamMutualTls(names.length > 0 ? names : identities, sni, speech);
}

function isHttp2({ port }: OutboundTarget, { connectionPool }: HostTrafficPolicy): boolean {
  return spokenVersion(connectionPool, portProtocol(port)) === 'HTTP/2';
}

/** Where both go to one cluster it is of HTTP, and who sends it something else says so. */
function callerSpeech({ carriedAs }: PortProtocol, version: SpokenVersion): CallerSpeech {
  if (carriedAs === 'TCP') return 'TCP';
  return version === 'as it came' ? 'HTTP' : version;
}
