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

export const differences: readonly Difference[] = [
  {
    title: 'Windows of HTTP/2',
    cases: ['h2: SETTINGS of the proxy'],
    why: 'A window that begins small and grows with what the path can carry bounds what a client can make the proxy hold.',
    heddle: (envoy) => ({ ...envoy, client: envoy.client.filter((line) => line !== 'setting 4=16777216') }),
  },
  {
    title: 'A GOAWAY of an upstream',
    cases: ['to h2: GOAWAY that lets the stream be'],
    why: 'An upstream that ends a connection in order has broken no rule of the protocol.',
    heddle: (envoy) => ({ ...envoy, stats: without(envoy.stats, 'cluster.a.upstream_cx_protocol_error') }),
  },
];

function without(stats: Observation['stats'], name: string): Observation['stats'] {
  return Object.fromEntries(Object.entries(stats).filter(([of]) => of !== name));
}
