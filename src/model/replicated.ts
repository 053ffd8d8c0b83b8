/** What a `Deployment` and a `StatefulSet` have in common: how many instances of which template. */
import { type PodTemplate, podTemplateOf } from './container.ts';
import type { Path, Report } from './decode/decoder.ts';
import { defaulted, type Field, object, required, unsupported } from './decode/object.ts';
import { integer } from './decode/scalar.ts';
import { type Labels, labels, selects } from './metadata.ts';

export interface Replicated {
  readonly replicas: number;
  readonly selector: { readonly matchLabels: Labels };
  readonly template: PodTemplate;
}

/** More processes than this on one machine is a slip of the finger. */
export const MAX_REPLICAS = 100;

export const replicatedFields: {
  readonly replicas: Field<number, 'defaulted'>;
  readonly selector: Field<Replicated['selector'], 'required'>;
  readonly template: Field<PodTemplate, 'required'>;
} = {
  replicas: defaulted(integer(0, MAX_REPLICAS), 1, 'How many instances there are.'),
  selector: required(
    object({
      matchLabels: defaulted(labels, {}, 'Labels of its Pods; those of the template must have them.'),
      matchExpressions: unsupported('adds', 'Conditions on labels.'),
    }),
    'Which Pods are its own.',
  ),
  template: required(podTemplateOf(['Always']), 'What each instance is.'),
};

/** As the API server does: else its instances would not be its own. */
export function checkSelector({ selector, template }: Replicated, path: Path, report: Report): void {
  if (selects(selector.matchLabels, template.metadata.labels)) return;
  report.error([...path, 'selector'], 'does not match the labels of its own template');
}
