/** When a request is made again (Envoy, "x-envoy-retry-on" and "x-envoy-retry-grpc-on"). */

/** Conditions of HTTP as bits. */
const ofHttp = {
  '5xx': 0x1,
  'gateway-error': 0x2,
  reset: 0x4,
  'connect-failure': 0x8,
  'retriable-4xx': 0x10,
  'refused-stream': 0x20,
  'retriable-status-codes': 0x40,
  'retriable-headers': 0x80,
  'reset-before-request': 0x100,
  'http3-post-connect-failure': 0x200,
  'envoy-ratelimited': 0x400,
} as const;

/** Conditions of gRPC. */
const ofGrpc = {
  cancelled: 0x800,
  'deadline-exceeded': 0x1000,
  internal: 0x2000,
  'resource-exhausted': 0x4000,
  unavailable: 0x8000,
} as const;

/** Conditions as bits. */
export const retryOn: typeof ofHttp & typeof ofGrpc = { ...ofHttp, ...ofGrpc };

/** Bits of a comma-separated list in configuration, which may hold conditions of both kinds. */
export function parseConditions(text: string, onUnknown: (word: string) => void): number {
  return bitsOf(text, retryOn, onUnknown);
}

/** Bits of `x-envoy-retry-on` and `x-envoy-retry-grpc-on`; words that do not belong there are skipped. */
export function conditionsAsked(http: string | undefined, grpc: string | undefined): number {
  return (
    (http === undefined ? 0 : bitsOf(http, ofHttp, () => {})) |
    (grpc === undefined ? 0 : bitsOf(grpc, ofGrpc, () => {}))
  );
}

function bitsOf(
  text: string,
  known: Readonly<Record<string, number>>,
  onUnknown: (word: string) => void,
): number {
  let bits = 0;
  for (const word of text.split(',')) {
    const trimmed = word.trim();
    if (trimmed === '') continue;
    if (Object.hasOwn(known, trimmed)) bits |= known[trimmed]!;
    else onUnknown(trimmed);
  }
  return bits;
}
