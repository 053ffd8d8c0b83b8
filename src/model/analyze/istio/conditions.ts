/** What controllers wrote into the status of documents because they could not do them (IST0171). */
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asObjects, asText, type Raw, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

/** Whose conditions are looked at; `own`: only those whose type is Istio's. */
const looked: readonly { readonly group: string; readonly kind: string; readonly own: boolean }[] = [
  { group: '', kind: 'Service', own: true },
  { group: 'networking.istio.io', kind: 'ServiceEntry', own: true },
  { group: 'security.istio.io', kind: 'AuthorizationPolicy', own: false },
  { group: 'gateway.networking.k8s.io', kind: 'Gateway', own: false },
  { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', own: false },
  { group: 'gateway.networking.k8s.io', kind: 'GRPCRoute', own: false },
];

export const conditionAnalyzer: Analyzer = {
  name: 'conditions.ConditionAnalyzer',
  description: 'Conditions in the status of documents that say that they are not in force',
  codes: ['IST0171'],
  analyze: (world) =>
    looked.flatMap(({ group, kind, own }) =>
      world.of(group, kind).flatMap((document) =>
        conditionsOf(document).flatMap(({ condition, path }): Message[] => {
          const type = asText(condition.type) ?? '';
          if (own && !type.startsWith('istio.io/')) return [];
          if (condition.status !== 'False' && condition.reason !== 'PartiallyInvalid') return [];
          const why = [asText(condition.reason), asText(condition.message)].filter(
            (one) => one !== undefined,
          );
          const text = `the condition ${type} is ${String(condition.status)}: ${why.join(': ')}`;
          return [message('IST0171', document, path, text)];
        }),
      ),
    ),
};

interface Placed {
  readonly condition: Raw;
  readonly path: readonly (string | number)[];
}

/** Those of the document, and those that its parents have about it. */
function conditionsOf({ raw }: AnalysisDocument): Placed[] {
  const place = (list: unknown, path: readonly (string | number)[]): Placed[] =>
    asObjects(list).map((condition, index) => ({ condition, path: [...path, 'conditions', index] }));
  const parents = asObjects(valueAt(raw, 'status', 'parents'));
  return [
    ...place(valueAt(raw, 'status', 'conditions'), ['status']),
    ...parents.flatMap((parent, index) => place(parent.conditions, ['status', 'parents', index])),
  ];
}
