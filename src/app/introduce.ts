/** How our proxies introduce themselves to management servers. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { HEDDLE_VERSION } from '#core/version.ts';
import { type Node, NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { type WorkloadPlace, workloadNode } from './workload-node.ts';

/** Fills in who the client is: Heddle's own filters are sent to `heddle` only. */
export function introduce(node: Node): void {
  node.userAgentName = 'heddle';
  node.userAgentVersionType = { case: 'userAgentVersion', value: HEDDLE_VERSION };
}

/** `sidecar` stands beside an application, `router` at the edge (Istio's node types); `agent` beside another proxy. */
export type OwnNodeType = 'sidecar' | 'router' | 'agent';

/** A process of ours that speaks for a workload. @param more of the metadata, over what its place says */
export function ownNode(
  type: OwnNodeType,
  place: WorkloadPlace,
  more: Readonly<Record<string, unknown>> = {},
): Node {
  const { id, cluster, metadata } = workloadNode(place);
  const node = create(NodeSchema, {
    id: id.replace(/^sidecar/, type),
    cluster,
    metadata: { ...metadata, HEDDLE_VERSION, ...more } as JsonObject,
  });
  introduce(node);
  return node;
}
