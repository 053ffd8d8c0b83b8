/**
 * What the tests of h2spec and of h2specd share. The rules those test are of RFC 7540; where RFC 9113 made another of them,
 * the difference stands here with its reason; where we fail, what Envoy fails is printed.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

const LATE = 'what comes for a stream that is over is dropped, as by Envoy: it may have been under way';
const UNTOLD = 'the connection ends without a GOAWAY, as in Envoy';
const PRIORITY = 'RFC 9113 §5.3.2 has done away with priorities: as in Envoy, nobody looks at them';
/** Cases that fail, each with the reason why. Those of a server Envoy fails, too. */
const known: Readonly<Record<string, string>> = {
  '5.1. Stream States: closed: Sends a DATA frame after sending RST_STREAM frame': LATE,
  '5.1. Stream States: closed: Sends a HEADERS frame after sending RST_STREAM frame': LATE,
  '5.1. Stream States: closed: Sends a DATA frame': LATE,
  '5.1. Stream States: closed: Sends a HEADERS frame': LATE,
  '5.1.1. Stream Identifiers: Sends stream identifier that is numerically smaller than previous': LATE,
  '5.3.1. Stream Dependencies: Sends PRIORITY frame that depend on itself': PRIORITY,
  '5.4.1. Connection Error Handling: Sends an invalid PING frame to receive GOAWAY frame': UNTOLD,
  '6.1. DATA: Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state': LATE,
  '6.3. PRIORITY: Sends a PRIORITY frame with 0x0 stream identifier': PRIORITY,
  '6.9.1. The Flow-Control Window: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1':
    UNTOLD,
  '6.9.1. The Flow-Control Window: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream':
    UNTOLD,
};
export interface Verdict {
  readonly cases: number;
  /** By section and name. */
  readonly failed: readonly string[];
}

/** A case that fails by a rule fails each time; one that is only late on a busy machine does not. */
export const tries = 3;

/** Runs all again where something fails that is not known to; what fails each time has failed. */
export async function judged(run: () => Promise<Verdict>): Promise<Verdict> {
  let { cases, failed } = await run();
  for (let more = tries - 1; more > 0 && failed.some((name) => known[name] === undefined); more--) {
    const again = await run();
    cases = again.cases;
    failed = failed.filter((name) => again.failed.includes(name));
  }
  return { cases, failed };
}

export function assertVerdict({ cases, failed }: Verdict, atLeast: number): void {
  assert.ok(cases >= atLeast, `only ${cases} cases were run`);
  assert.deepEqual(
    failed.filter((name) => known[name] === undefined),
    [],
  );
}

/** What we fail has a reason, and Envoy fails it too, in the same run. */
export function assertNotWorse(t: TestContext, ours: Verdict, theirs: Verdict, atLeast: number): void {
  t.diagnostic(
    `fails ${ours.failed.length} of ${ours.cases}; Envoy ${theirs.failed.length} of ${theirs.cases}`,
  );
  assertVerdict(ours, atLeast);
  assert.deepEqual(
    ours.failed.filter((name) => !theirs.failed.includes(name)),
    [],
  );
}

/** A listener `h2` with the given routes, and clusters. */
export function h2Bootstrap(routes: readonly string[], clusters: readonly string[] = []): string {
  return `
static_resources:
  listeners:
  - name: h2
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: h2
          codec_type: HTTP2
          route_config:
            virtual_hosts:
            - { name: all, domains: ["*"], routes: [${routes.join(', ')}] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters: [${clusters.join(',')}
    ]
`;
}
