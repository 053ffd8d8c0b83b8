/**
 * Kubernetes `Pod` (v1): one running instance. The runner writes one for each instance it starts;
 * its address and readiness make it an endpoint.
 */
import { type PodSpec, podSpec } from './container.ts';
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { nonEmptyText, oneOf, text } from './decode/scalar.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

export interface PodCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
}

export interface PodStatus {
  /** The mesh address: where other instances reach this one. */
  readonly podIP?: string;
  readonly conditions: readonly PodCondition[];
}

export interface Pod extends ResourceBase<'Pod', PodSpec> {
  readonly status: PodStatus;
}

const condition: Decoder<PodCondition> = object({
  type: required(text),
  status: required(oneOf(['True', 'False', 'Unknown'])),
  lastProbeTime: meaningless(),
  lastTransitionTime: meaningless(),
  message: meaningless(),
  observedGeneration: meaningless(),
  reason: meaningless(),
});

const status: Decoder<PodStatus> = object({
  podIP: optional(nonEmptyText),
  conditions: defaulted(list(condition), []),
  containerStatuses: meaningless(),
  hostIP: meaningless(),
  hostIPs: meaningless(),
  initContainerStatuses: meaningless(),
  message: meaningless(),
  observedGeneration: meaningless(),
  phase: meaningless(),
  podIPs: meaningless(),
  qosClass: meaningless(),
  reason: meaningless(),
  startTime: meaningless(),
});

export const podKind: KindDefinition<Pod> = {
  kind: 'Pod',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  fields: { spec: required(podSpec), status: defaulted(status, { conditions: [] }) },
};

/** Whether the instance answers and is not about to stop. */
export function isReady(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  return pod.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}
