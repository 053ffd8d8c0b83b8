/** One application and the proxy beside it, as all that is made for its own listeners sees them. */
import type { Problem } from '#core/problem.ts';
import type { Labels } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import type { ProxyNode } from './node.ts';
import { describeWorkload, type Workload, workloadOf } from './workload.ts';

export interface Sidecar {
  readonly node: ProxyNode;
  /** Undefined while nobody has told of it. */
  readonly pod: Pod | undefined;
  readonly self: Workload;
  /** Whether the kernel brings it what the application sends and gets. */
  readonly captured: boolean;
  /** Of the pod; of the node while there is none. */
  readonly labels: Labels;
  readonly index: ResourceIndex;
  /** Of the translation so far. */
  readonly problems: Problem[];
}

/** What one direction needs of its own. */
export interface SidecarPart {
  readonly listeners: readonly Listener[];
  readonly clusters: readonly Cluster[];
}

export function sidecarOf(
  node: ProxyNode,
  pod: Pod | undefined,
  index: ResourceIndex,
  problems: Problem[],
): Sidecar {
  const { workloadName, podName, namespace, clusterId } = node;
  const captured = node.interceptionMode !== 'NONE';
  const self =
    pod === undefined
      ? describeWorkload(workloadName ?? podName, namespace, node.labels, clusterId, podName)
      : workloadOf(pod, index, clusterId);
  return { node, pod, self, captured, labels: pod?.metadata.labels ?? node.labels, index, problems };
}
