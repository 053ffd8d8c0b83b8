/** Istio's workload selector: labels that a workload must have; no wildcards. */

import { atMost } from './decode/at-most.ts';
import { mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object } from './decode/object.ts';
import { text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import type { Labels } from './metadata.ts';

export interface WorkloadSelector {
  /** Empty: every workload in reach. */
  readonly matchLabels: Labels;
}

export const labelKey: Decoder<string> = (value, path, report) => {
  if (value === '') return report.error(path, 'the name of a label must not be empty');
  return String(value).includes('*')
    ? report.error(path, 'wildcards are not allowed in a selector')
    : String(value);
};

export const labelValue: Decoder<string> = refined(atMost(63, text), (decoded, path, report) =>
  decoded.includes('*') ? report.error(path, 'wildcards are not allowed in a selector') : decoded,
);

export const workloadSelector: Decoder<WorkloadSelector> = object({
  matchLabels: defaulted(
    atMost(4096, mapOf(labelValue, labelKey)),
    {},
    'Labels that Pods and WorkloadEntries must have, all of them; no wildcards.',
  ),
});
