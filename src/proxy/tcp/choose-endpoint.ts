/** Which endpoint of its cluster a connection goes to. */
import type { FilterMetadata } from '#observe/access-record.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { newPickContext } from '../cluster/pick-context.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import type { MetadataCriteria } from '../route/metadata-criteria.ts';
import { hashConnection } from './connection-hash.ts';
import { type FilterState, stateKeys } from './filter-state.ts';
import type { TcpRuntime } from './runtime.ts';

const context = newPickContext();

interface Asking {
  readonly facts: DownstreamFacts;
  readonly state: FilterState;
  readonly metadata: FilterMetadata | undefined;
  readonly criteria: MetadataCriteria | undefined;
  readonly serverName: string;
}

/** @param hash of the filter; undefined where it has no hash policy. */
export function chooseEndpoint(
  cluster: ClusterRuntime,
  asking: Asking,
  hash: TcpRuntime['settings']['hash'],
): Endpoint | undefined {
  if (cluster.isDynamic) return dynamicEndpoint(cluster, asking);
  const original = cluster.original?.endpointFor(asking.facts, undefined);
  if (original !== undefined) return original;
  context.hash = hashOf(cluster, asking, hash);
  context.criteria = asking.criteria;
  context.metadata = asking.metadata;
  // Where there is none, the cluster counts it.
  return cluster.pick(context);
}

function dynamicEndpoint(cluster: ClusterRuntime, { state, serverName }: Asking): Endpoint | undefined {
  const host = state.text(stateKeys.dynamicHost) ?? serverName;
  const port = state.text(stateKeys.dynamicPort);
  return cluster.dynamic!.endpointFor(port === undefined ? host : `${host}:${port}`);
}

function hashOf(
  cluster: ClusterRuntime,
  { facts, state }: Asking,
  hash: TcpRuntime['settings']['hash'],
): ReturnType<typeof hashConnection> {
  const { policy, hashPolicy } = cluster.settings;
  if (!policy.hashes || (hash ?? hashPolicy) === undefined) return undefined;
  const { remoteIp: clientIp, remoteAddress, localAddress } = facts;
  return hashConnection({ clientIp, remoteAddress, localAddress, state }, hash, hashPolicy);
}
