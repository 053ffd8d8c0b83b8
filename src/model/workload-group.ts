/** Istio `WorkloadGroup`: what instances have in common that register themselves, as a Deployment does for Pods. */
import { atMost } from './decode/at-most.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { refined } from './decode/schema.ts';
import type { KindDefinition } from './kind.ts';
import { type Labels, labels, type ResourceBase } from './metadata.ts';
import { type GroupProbe, groupProbe } from './probe.ts';
import { entryTemplate, type WorkloadEntrySpec } from './workload-entry.ts';

export interface WorkloadGroupSpec {
  /** For the entries that are made. */
  readonly metadata: { readonly labels: Labels; readonly annotations: Labels };
  /** The entry of an instance, but for what the instance alone knows. */
  readonly template: Omit<WorkloadEntrySpec, 'address'>;
  /** Decides whether an instance is sent to; absent: all are that are there. */
  readonly probe?: GroupProbe;
}

export type WorkloadGroup = ResourceBase<'WorkloadGroup', WorkloadGroupSpec>;

const template: Decoder<WorkloadGroupSpec['template']> = refined(entryTemplate, (decoded, path, report) => {
  if (decoded.address === undefined) return decoded;
  report.warning([...path, 'address'], 'has no effect: every instance has its own', 'leave it out');
  const { address: _, ...rest } = decoded;
  return rest;
});

const spec: Decoder<WorkloadGroupSpec> = object({
  metadata: defaulted(
    object({
      labels: defaulted(atMost(256, labels), {}, 'They win over those of the template.'),
      annotations: defaulted(atMost(256, labels), {}, 'Of the entries.'),
    }),
    { labels: {}, annotations: {} },
    'Of the entries that are made.',
  ),
  template: required(template, 'The entry of an instance, but for its address, which the instance tells.'),
  probe: optional(
    groupProbe,
    'Decides whether an instance is sent to, asked by its own sidecar; without it all are that are there.',
  ),
});

export const workloadGroupKind: KindDefinition<WorkloadGroup> = {
  kind: 'WorkloadGroup',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  about:
    'What instances have in common that register themselves, as a Deployment does for Pods ([registration.md](../registration.md)).',
  fields: { spec: required(spec), status: meaningless() },
};

/** Whom its instances prove to be. */
export function serviceAccountOfGroup({ spec }: Pick<WorkloadGroup, 'spec'>): string {
  return spec.template.serviceAccount ?? 'default';
}

/** What every member has at least; those of the metadata win (Istio). */
export function labelsOfMembers({ spec: { metadata, template } }: Pick<WorkloadGroup, 'spec'>): Labels {
  return { ...template.labels, ...metadata.labels };
}
