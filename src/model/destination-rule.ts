/** Istio `DestinationRule`: subsets of a service and how callers talk to it. */
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required, unsupported } from './decode/object.ts';
import { dnsName } from './decode/scalar.ts';
import { exportTo } from './export-to.ts';
import { hostName } from './host-name.ts';
import type { KindDefinition } from './kind.ts';
import { type Labels, labels, type ResourceBase } from './metadata.ts';
import { type TrafficPolicy, trafficPolicy } from './traffic-policy.ts';

export interface Subset {
  readonly name: string;
  /** Of the pods in it, besides those the service selects. */
  readonly labels: Labels;
  /** Each of its settings replaces the rule's. */
  readonly trafficPolicy?: TrafficPolicy;
}

export interface DestinationRuleSpec {
  readonly host: string;
  readonly trafficPolicy?: TrafficPolicy;
  readonly subsets: readonly Subset[];
}

export type DestinationRule = ResourceBase<'DestinationRule', DestinationRuleSpec>;

const subset: Decoder<Subset> = object({
  name: required(dnsName('dots')),
  labels: defaulted(labels, {}),
  trafficPolicy: optional(trafficPolicy),
});

const spec: Decoder<DestinationRuleSpec> = object(
  {
    host: required(hostName),
    trafficPolicy: optional(trafficPolicy),
    subsets: defaulted(list(subset), []),
    exportTo,
    workloadSelector: unsupported('closes'),
  },
  ({ subsets }, path, report) => {
    const names = new Set<string>();
    for (const [index, { name }] of subsets.entries()) {
      if (names.has(name))
        report.error([...path, 'subsets', index, 'name'], `the subset "${name}" is there twice`);
      names.add(name);
    }
  },
);

export const destinationRuleKind: KindDefinition<DestinationRule> = {
  kind: 'DestinationRule',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  fields: { spec: required(spec), status: meaningless() },
  guards: true,
};
