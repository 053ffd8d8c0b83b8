/** Istio `DestinationRule`: subsets of a service and how callers talk to it. */
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { dnsName } from './decode/scalar.ts';
import { type ExportTo, exportTo } from './export-to.ts';
import { hostName } from './host-name.ts';
import { workloadSelector } from './istio-selector.ts';
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
  /** Of callers in the rule's namespace, for whom alone it is; absent: for all. */
  readonly workloadSelector?: { readonly matchLabels: Labels };
  readonly subsets: readonly Subset[];
  readonly exportTo?: ExportTo;
}

export type DestinationRule = ResourceBase<'DestinationRule', DestinationRuleSpec>;

const subset: Decoder<Subset> = object({
  name: required(dnsName('dots'), 'By which routes ask for it.'),
  labels: defaulted(labels, {}, 'Of its endpoints, besides those the service selects.'),
  trafficPolicy: optional(trafficPolicy, 'Each of its settings replaces the one of the rule.'),
});

const spec: Decoder<DestinationRuleSpec> = object(
  {
    host: required(hostName, 'Service that the rule is for; a name without a dot is of its own namespace.'),
    trafficPolicy: optional(trafficPolicy, 'How callers talk to it.'),
    subsets: defaulted(list(subset), [], 'Groups of its endpoints that routes may name.'),
    exportTo,
    workloadSelector: optional(workloadSelector, 'Callers for whom it is, in its own namespace.'),
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
  about:
    'How callers talk to a service, and the subsets of its endpoints. Of several for one host in a namespace the subsets are joined, ' +
    'and the first by name that has a `trafficPolicy` gives it. Callers follow those of their own namespace, else of the ' +
    "service's, else of the root namespace (`istio-system`); in each the most specific host. What all of it comes to: " +
    '[destination rules](../destination-rules.md).',
  fields: { spec: required(spec), status: meaningless() },
  guards: true,
};
