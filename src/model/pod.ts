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

const forReaders = 'For who reads it.';

const condition: Decoder<PodCondition> = object({
  type: required(text, '`Ready` is looked at.'),
  status: required(oneOf(['True', 'False', 'Unknown']), 'Whether it holds.'),
  lastProbeTime: meaningless(forReaders),
  lastTransitionTime: meaningless(forReaders),
  message: meaningless(forReaders),
  observedGeneration: meaningless(forReaders),
  reason: meaningless(forReaders),
});

const status: Decoder<PodStatus> = object({
  podIP: optional(nonEmptyText, 'Where others reach it; without one nobody does.'),
  conditions: defaulted(list(condition), [], 'It is an endpoint while `Ready` is `True`.'),
  containerStatuses: meaningless(forReaders),
  hostIP: meaningless(forReaders),
  hostIPs: meaningless(forReaders),
  initContainerStatuses: meaningless(forReaders),
  message: meaningless(forReaders),
  observedGeneration: meaningless(forReaders),
  phase: meaningless(forReaders),
  podIPs: meaningless(forReaders),
  qosClass: meaningless(forReaders),
  reason: meaningless(forReaders),
  startTime: meaningless(forReaders),
});

export const podKind: KindDefinition<Pod> = {
  kind: 'Pod',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  about:
    'One instance. `heddle up` and `heddle run` write one for each that they start, as its address and readiness make it an endpoint; one that somebody writes is told of, and not started.',
  fields: { spec: required(podSpec), status: defaulted(status, { conditions: [] }) },
};

/** Whether the instance answers and is not about to stop. */
export function isReady(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  return pod.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}
