/** Istio's workload selector: labels that a workload must have; no wildcards. */

import { mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object } from './decode/object.ts';
import { text } from './decode/scalar.ts';
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

export const labelValue: Decoder<string> = (value, path, report) => {
  const decoded = text(value, path, report);
  if (decoded?.includes('*')) return report.error(path, 'wildcards are not allowed in a selector');
  return decoded !== undefined && decoded.length > 63
    ? report.error(path, 'longer than 63 characters')
    : decoded;
};

export const workloadSelector: Decoder<WorkloadSelector> = object({
  matchLabels: defaulted(mapOf(labelValue, labelKey), {}),
});
