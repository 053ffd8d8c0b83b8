/** Patches of a cluster. */
import { clone } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { TransportSocketSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { type Edit, mergePatch } from './edit.ts';
import { mergeMessage } from './merge.ts';
import type { CompiledPatch } from './patch-set.ts';

/** Undefined: it is removed. @returns a copy */
export function patchCluster(original: Cluster, { patches, applied }: Edit): Cluster | undefined {
  for (const patch of patches) applied.add(patch);
  if (patches.some(({ operation }) => operation === 'REMOVE')) return undefined;
  const cluster = clone(ClusterSchema, original);
  for (const patch of patches) {
    const sockets = cluster.transportSocketMatches.length;
    mergePatch(ClusterSchema, cluster, withoutSocketOfAll(patch, sockets > 0));
    if (sockets > 0) mergeIntoMatches(cluster, patch);
  }
  return cluster;
}

/** A cluster whose endpoints choose a socket has none of its own. */
function withoutSocketOfAll(patch: CompiledPatch, hasMatches: boolean): CompiledPatch {
  const value = patch.value as Cluster | undefined;
  if (!hasMatches || value?.transportSocket === undefined) return patch;
  const rest = clone(ClusterSchema, value);
  delete rest.transportSocket;
  return { ...patch, value: rest };
}

/** The first socket of the same name takes it (Istio). */
function mergeIntoMatches(cluster: Cluster, { value }: CompiledPatch): void {
  const socket = (value as Cluster | undefined)?.transportSocket;
  const match = cluster.transportSocketMatches.find((one) => one.transportSocket?.name === socket?.name);
  if (socket === undefined || match?.transportSocket === undefined) return;
  mergeMessage(TransportSocketSchema, match.transportSocket, socket, { replaceLists: false });
}
