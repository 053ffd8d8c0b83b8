/** One application and the proxy beside it, as all that is made for its own listeners sees them. */
import type { Problem } from '#core/problem.ts';
import type { Labels } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import type { WorkloadEntry } from '#model/workload-entry.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { PolicyReader } from '../store/host-policies.ts';
import type { Instance } from '../store/instance.ts';
import { isNamedByCaller } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type SidecarScope, sidecarScope } from '../store/scope.ts';
import { connectionTraits } from './connection-policy.ts';
import { asked, partOf } from './kept.ts';
import type { ConnectionTarget } from './listener.ts';
import type { ProxyNode } from './node.ts';
import { registeredName } from './node-registration.ts';
import { tcpFilters } from './telemetry.ts';
import { describeWorkload, type Workload } from './workload.ts';

export interface Sidecar {
  readonly node: ProxyNode;
  /** Undefined where it is none, and while nobody has told of it. */
  readonly pod: Pod | undefined;
  /** That pod, or the entry of a workload that is none. */
  readonly instance: Instance | undefined;
  readonly self: Workload;
  /** Whether the kernel brings it what the application sends and gets. */
  readonly captured: boolean;
  /** Whether it looks up hosts that requests name: its application calls it as a proxy, or a ServiceEntry asks for it. */
  readonly looksUp: boolean;
  /** Of the instance; of the node while there is none. */
  readonly labels: Labels;
  readonly index: ResourceIndex;
  /** What of it the workload may call, and how it is called. */
  readonly scope: SidecarScope;
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
  const looksUp = !captured || isAnyNamedByCaller(index);
  const entry = pod === undefined ? registeredEntry(node, index) : undefined;
  const own = pod ?? entry;
  const instance = own && index.instanceOf(own);
  const labels = instance?.labels ?? node.labels;
  const workload = instance?.workload ?? workloadName ?? podName;
  const self = describeWorkload(workload, namespace, labels, clusterId, podName);
  const scope = scopeOf(index, { namespace, labels });
  return { node, pod, instance, self, captured, looksUp, labels, index, scope, problems };
}

function isAnyNamedByCaller(index: ResourceIndex): boolean {
  return asked(index, 'named by callers', ['services'], ({ derived, services }) =>
    derived.value('named by callers', [services], () => services.values().some(isNamedByCaller)),
  );
}

/** What is made of it depends on no more of the mesh than what it shows. */
function scopeOf(index: ResourceIndex, who: PolicyReader): SidecarScope {
  const name = JSON.stringify(who);
  const ask = (of: ResourceIndex): SidecarScope => sidecarScope(of, who);
  const sidecar = asked(index, `sidecar ${name}`, scopeSources, (of) => ask(of).sidecar);
  const listeners = asked(index, `egress of ${name}`, scopeSources, (of) =>
    ask(of).egress.map(({ listener }) => listener),
  );
  return {
    sidecar,
    index: partOf(index, `scope of ${name}`, (of) => ask(of).index),
    egress: listeners.map((listener, at) => ({
      listener,
      index: partOf(index, `egress ${at} of ${name}`, (of) => ask(of).egress[at]?.index ?? of),
    })),
  };
}

const scopeSources = ['sidecars', 'services', 'virtualServices', 'settings', 'base services'] as const;

function registeredEntry(node: ProxyNode, index: ResourceIndex): WorkloadEntry | undefined {
  const name = registeredName(node);
  return name === undefined ? undefined : index.entry(node.namespace, name);
}

/** Filters that carry what the application sends to a cluster, or several, and look at nothing of it. */
export function opaqueTo(to: string | ConnectionTarget, { node, self, labels, index }: Sidecar): Filter[] {
  const traits = connectionTraits(to, { namespace: node.namespace, labels }, index);
  return [...tcpFilters(to, 'outbound', node.client, self, index.settings, traits)];
}
