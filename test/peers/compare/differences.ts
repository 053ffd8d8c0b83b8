/**
 * Where Heddle answers otherwise than Envoy on purpose. docs/differences-from-envoy.md tells people
 * the same; a test keeps the two equal.
 */
import type { Result } from './client.ts';

export interface Difference {
  /** Heading of its section in the document. */
  readonly title: string;
  /** Names of the cases it shows in. */
  readonly cases: readonly string[];
  readonly why: string;
  /** What Envoy answers, as a check of itself. */
  envoy(answer: Result): Result;
  /** What Heddle answers where Envoy answers so. */
  heddle(envoy: Result): Result;
}

export const differences: readonly Difference[] = [];
