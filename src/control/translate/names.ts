/** The names that things have on the wire: Istio's, so that tools and habits fit. */
import { clusterDomain } from '#model/host-name.ts';
import { type MeshService, serviceHost } from '../store/mesh-service.ts';

/** `outbound|9080|v1|reviews.default.svc.cluster.local`; without subset the third part is empty. */
export function outboundClusterName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

export interface OutboundName {
  readonly port: number;
  /** '' for none. */
  readonly subset: string;
  readonly host: string;
}

/** Undefined for a cluster of another kind. */
export function parseOutboundName(cluster: string): OutboundName | undefined {
  const [direction, port, subset = '', host] = cluster.split('|');
  return direction === 'outbound' && host !== undefined ? { port: Number(port), subset, host } : undefined;
}

/** `outbound_.9080_.v1_.reviews.default.svc.cluster.local`: the SNI of calls within the mesh. */
export function outboundSni(port: number, subset: string, host: string): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

/** Cluster of the application behind this proxy, and of its route. */
export function inboundClusterName(port: number): string {
  return `inbound|${port}||`;
}

/** Cluster whose only endpoint is the internal listener for `port`, of one host or of all. */
export function reentryClusterName(port: number, host?: string): string {
  return host === undefined ? `connect|${port}` : `connect|${port}|${host}`;
}

export function reentryListenerName(port: number, host?: string): string {
  return host === undefined ? `outbound_${port}` : `outbound_${port}_${host}`;
}

/** The routes of one port of a host, for connections of which no more is to be known: `db.default.svc.cluster.local:80`. */
export function hostRoutesName(port: number, host: string): string {
  return `${host}:${port}`;
}

export const passthroughCluster = 'PassthroughCluster';
export const blackHoleCluster = 'BlackHoleCluster';
export const inboundPassthroughCluster = 'InboundPassthroughCluster';

/** Cluster of the agent's Unix socket that serves secrets; in the proxy's bootstrap. */
export const sdsCluster = 'sds-grpc';

/** Names by which a workload of `namespace` may call a service, shortest first. */
export function hostAliases(service: MeshService, namespace: string): readonly string[] {
  if (service.entry !== undefined) return [service.entry.host];
  const { name, namespace: own = '' } = service.metadata;
  const qualified = [`${name}.${own}`, `${name}.${own}.svc`, `${name}.${own}.${clusterDomain}`];
  return own === namespace ? [name, ...qualified] : qualified;
}

/** Aliases of any host: those of the service if it is one, else the host alone. */
export function aliasesOf(
  host: string,
  service: MeshService | undefined,
  namespace: string,
): readonly string[] {
  return service !== undefined && serviceHost(service) === host ? hostAliases(service, namespace) : [host];
}
