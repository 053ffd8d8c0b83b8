/**
 * Where Heddle shows something else than Envoy on purpose. docs/envoy-differences.md tells people the
 * same; a test keeps the two equal. None is in status, framing or who is let in.
 */
import type { Observation } from './harness/case.ts';

export interface Difference {
  /** Heading of its section in the document. */
  readonly title: string;
  /** Names of the cases it shows in. */
  readonly cases: readonly string[];
  readonly why: string;
  /** What Heddle shows where Envoy shows so. */
  heddle(envoy: Observation): Observation;
}

export const differences: readonly Difference[] = [];
