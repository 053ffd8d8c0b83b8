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

function withoutHeader(name: string, envoy: Observation): Observation {
  return { ...envoy, client: envoy.client.filter((line) => !line.startsWith(`${name}:`)) };
}

export const differences: readonly Difference[] = [
  {
    title: "Headers that a response names as its own hop's",
    cases: ['hop-by-hop headers of the response'],
    why: 'RFC 9110 §7.6.1 asks a proxy to remove them; Envoy does so in requests only',
    heddle: (envoy) => withoutHeader('x-mine', envoy),
  },
];
