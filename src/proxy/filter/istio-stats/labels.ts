/**
 * The labels of Istio's standard metrics, and how a request gets its values for them
 * (Istio, "Istio Standard Metrics"). Differs from Istio where that says `unknown` of what is known: the
 * client's `connection_security_policy`, and app and version of a workload without these labels.
 */
import type { Workload } from '#xds/gen/heddle/workload/v1/workload_pb.js';

/** What stands where nothing is known. */
export const UNKNOWN = 'unknown';

const peers = ['source', 'destination'] as const;

const workloadLabels: readonly string[] = peers.flatMap((side) => [
  `${side}_workload`,
  `${side}_workload_namespace`,
  `${side}_canonical_service`,
  `${side}_canonical_revision`,
  `${side}_app`,
  `${side}_version`,
  `${side}_cluster`,
  `${side}_principal`,
]);

const serviceLabels: readonly string[] = [
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
];

/** In the order of {@link commonValues}. */
export const commonLabels: readonly string[] = [
  'reporter',
  ...workloadLabels,
  ...serviceLabels,
  'request_protocol',
  'response_flags',
  'connection_security_policy',
];

/** Labels of the metrics of HTTP, in the order of {@link commonValues} and two more. */
export const httpLabels: readonly string[] = [...commonLabels, 'response_code', 'grpc_response_status'];

/** A service as a cluster's metadata names it. */
export interface ServiceName {
  /** Such as `reviews.default.svc.cluster.local`. */
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

/** Both ends of one request, and what it was sent to. */
export interface Ends {
  readonly reporter: 'source' | 'destination';
  readonly source: Workload | undefined;
  readonly destination: Workload | undefined;
  /** SPIFFE ids out of verified certificates; '' without one. */
  readonly sourcePrincipal: string;
  readonly destinationPrincipal: string;
  readonly service: ServiceName | undefined;
  readonly protocol: 'http' | 'grpc' | 'tcp';
  /** Envoy's flags; '' for none. */
  readonly responseFlags: string;
  readonly mutualTls: boolean;
}

export function commonValues(ends: Ends): string[] {
  const { service } = ends;
  return [
    ends.reporter,
    ...workloadValues(ends.source, ends.sourcePrincipal),
    ...workloadValues(ends.destination, ends.destinationPrincipal),
    service?.host || UNKNOWN,
    service?.name || UNKNOWN,
    service?.namespace || UNKNOWN,
    ends.protocol,
    ends.responseFlags || '-',
    ends.mutualTls ? 'mutual_tls' : 'none',
  ];
}

function workloadValues(workload: Workload | undefined, principal: string): string[] {
  return [
    workload?.name || UNKNOWN,
    workload?.namespace || namespaceOf(principal) || UNKNOWN,
    workload?.canonicalName || UNKNOWN,
    workload?.canonicalRevision || UNKNOWN,
    workload?.app || workload?.canonicalName || UNKNOWN,
    workload?.version || workload?.canonicalRevision || UNKNOWN,
    workload?.cluster || UNKNOWN,
    principal || UNKNOWN,
  ];
}

/** `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`: all that a peer without metadata tells. */
function namespaceOf(principal: string): string | undefined {
  return /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\//.exec(principal)?.[1];
}

/** `outbound|9080|v1|reviews.default.svc.cluster.local` names its service; others do not. */
export function serviceOfCluster(cluster: string): ServiceName | undefined {
  const [direction, , , host] = cluster.split('|');
  return direction !== 'outbound' || host === undefined || host === '' ? undefined : serviceOfHost(host);
}

/** Kubernetes names a service `NAME.NAMESPACE.svc.DOMAIN`; any other host is its own name. */
export function serviceOfHost(host: string): ServiceName {
  const [name = host, namespace, svc] = host.split('.');
  return svc === 'svc' && namespace !== undefined
    ? { host, name, namespace }
    : { host, name: host, namespace: '' };
}
