/** How far each connected proxy is: what `heddle ps` shows. */
import {
  type ConnectionList,
  type DiscoveryServiceName,
  discoveryServices,
  type ProxyStatus,
  type Registration,
  type SyncState,
  type TypeStatus,
} from '#api/contract.ts';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { type ResourceKind, resourceKinds, resourceTypes } from '#xds/resource-type.ts';
import type { KindStatus } from '#xds/server/contract.ts';
import { type Snapshot, versionOfSet } from '#xds/snapshot.ts';
import { type AdsProxy, proxyName } from '../serve/ads-stream.ts';

export interface StatusContext {
  readonly nowMs: number;
  /** Name of this control plane. */
  readonly controlPlane: string;
  /** What a proxy was last offered. */
  snapshotOf(proxy: AdsProxy): Snapshot;
  /** Of a workload that is not a Pod. */
  registrationOf(proxy: AdsProxy): Registration | undefined;
}

/** In order of names. An agent is no proxy: nothing that is shown here is for it. */
export function proxyStatuses(proxies: Iterable<AdsProxy>, context: StatusContext): ProxyStatus[] {
  return [...proxies]
    .filter(({ node }) => node.role !== 'agent')
    .map((proxy) => statusOf(proxy, context))
    .sort((a, b) => (a.proxy < b.proxy ? -1 : a.proxy > b.proxy ? 1 : 0));
}

export function connectionList(proxies: Iterable<AdsProxy>): ConnectionList {
  const clients = [...proxies].map(({ connectionId, node, peer, connectedAtMs }) => ({
    connectionId,
    nodeId: node.id,
    address: peer,
    connectedAt: new Date(connectedAtMs).toISOString(),
  }));
  return { totalClients: clients.length, clients };
}

function statusOf(proxy: AdsProxy, context: StatusContext): ProxyStatus {
  const { node, caller, connectedAtMs, protocol } = proxy;
  const byKind = new Map(proxy.status().map((status) => [status.kind, status]));
  const snapshot = context.snapshotOf(proxy);
  const registration = context.registrationOf(proxy);
  const types = Object.fromEntries(
    discoveryServices.map((service) => {
      const kind = kindOfService(service);
      const status = statusWithParts(kind, byKind);
      return [service, typeStatus(status, snapshot, connectedAtMs, context.nowMs)];
    }),
  ) as Record<DiscoveryServiceName, TypeStatus>;
  return {
    proxy: proxyName(node),
    nodeId: node.id,
    proxyType: node.role,
    clusterId: node.clusterId,
    version: versionText(proxy.rawNode),
    controlPlane: context.controlPlane,
    protocol,
    ...(caller !== undefined && { identity: caller.id.uri }),
    ...(registration !== undefined && { registration }),
    connectedAt: new Date(connectedAtMs).toISOString(),
    types,
  };
}

/** Virtual hosts that come by themselves are part of the routes: those are not in sync, or refused, where these are. */
function statusWithParts(
  kind: ResourceKind,
  byKind: ReadonlyMap<ResourceKind, KindStatus>,
): KindStatus | undefined {
  const whole = byKind.get(kind);
  const part = kind === 'route' ? byKind.get('virtualHost') : undefined;
  if (whole === undefined || part === undefined || part.state === 'synced') return whole;
  if (whole.state === 'nack') return whole;
  const { state, nack, sentAtMs } = part;
  return {
    ...whole,
    state,
    ...(nack !== undefined && { nack }),
    ...(sentAtMs !== undefined && { sentAtMs }),
  };
}

function kindOfService(service: DiscoveryServiceName): ResourceKind {
  return resourceKinds.find((kind) => resourceTypes[kind].service === service)!;
}

const states: Readonly<Record<KindStatus['state'], SyncState>> = {
  synced: 'SYNCED',
  stale: 'STALE',
  nack: 'NACK',
  'not-sent': 'NOT SENT',
};

function typeStatus(
  status: KindStatus | undefined,
  snapshot: Snapshot,
  connectedAtMs: number,
  nowMs: number,
): TypeStatus {
  if (status === undefined) {
    const ageSeconds = secondsBetween(connectedAtMs, nowMs);
    return { state: 'IGNORED', ageSeconds, version: '', ackedVersion: '', resources: 0 };
  }
  const { kind, state, wildcard, names, acked, nack } = status;
  const wanted = wildcard
    ? [...snapshot[kind].values()]
    : names.flatMap((name) => snapshot[kind].get(name) ?? []);
  return {
    state: states[state],
    ageSeconds: secondsBetween(sinceMs(status) ?? connectedAtMs, nowMs),
    version: versionOrNone(wanted.map(({ name, version }) => [name, version])),
    ackedVersion: versionOrNone([...acked]),
    resources: acked.size,
    ...(state === 'nack' && nack !== undefined && { error: nack.message }),
  };
}

/** When it came into its state, as far as the books tell. */
function sinceMs({ state, nack, ackedAtMs, sentAtMs }: KindStatus): number | undefined {
  if (state === 'nack') return nack?.atMs;
  return state === 'synced' ? ackedAtMs : sentAtMs;
}

function versionOrNone(versions: readonly (readonly [name: string, version: string])[]): string {
  return versions.length === 0 ? '' : versionOfSet(versions);
}

function secondsBetween(fromMs: number, toMs: number): number {
  return Math.max(0, Math.round((toMs - fromMs) / 100) / 10);
}

/** Such as `envoy 1.40.0`; Heddle says its own version in its metadata. */
function versionText({ userAgentName, userAgentVersionType, metadata }: Node): string {
  const said = metadata?.HEDDLE_VERSION ?? metadata?.ISTIO_VERSION;
  const name = userAgentName === '' ? 'unknown' : userAgentName;
  if (typeof said === 'string') return `${name} ${said}`;
  if (userAgentVersionType.case === 'userAgentVersion') return `${name} ${userAgentVersionType.value}`;
  const build = userAgentVersionType.value?.version;
  if (build === undefined) return name;
  return `${name} ${build.majorNumber}.${build.minorNumber}.${build.patch}`;
}
