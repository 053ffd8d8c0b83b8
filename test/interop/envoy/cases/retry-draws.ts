/** Retry policies by chance, requests that ask for more, and upstreams that fail in every way there is. */
import type { Http1Exchange, Http2Exchange } from '../backend/exchange.ts';
import type { Message } from '../harness/bootstrap.ts';
import type { Draw } from '../harness/draw.ts';
import { goAway, rstStream } from '../wire/h2-frames.ts';
import type { Field } from '../wire/hpack.ts';

const CONDITIONS = [
  ...['5xx', 'gateway-error', 'reset', 'connect-failure', 'retriable-4xx', 'refused-stream'],
  ...['retriable-status-codes', 'retriable-headers', 'reset-before-request', 'envoy-ratelimited'],
];
const GRPC_CONDITIONS = ['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'];
const STATUSES = [200, 404, 409, 418, 429, 500, 502, 503, 504, 507];
const GRPC_STATUSES = ['0', '1', '3', '4', '8', '13', '14'];

const chance = (draw: Draw, of: number): boolean => draw.next() < of;
const some = <Item>(draw: Draw, items: readonly Item[], of: number): Item[] =>
  items.filter(() => chance(draw, of));

const CUT_MS = 30;

/** More than a listener of the group keeps. */
export const KEPT_BYTES = 2000;
const BODIES = [0, 0, 20, KEPT_BYTES, KEPT_BYTES + 1, 3 * KEPT_BYTES];

/** What an upstream does about one attempt, when it has all of it. */
export interface Failing {
  readonly kind: 'answer' | 'close' | 'reset' | 'refuse' | 'go-away' | 'silence' | 'cut' | 'trailers';
  readonly status: number;
  readonly headers: readonly Field[];
  /** Of `reset`: an error code of HTTP/2. */
  readonly code: number;
  readonly grpc: string;
}

export interface DrawnRetries {
  readonly action: Message;
  readonly headers: readonly string[];
  readonly bodyBytes: number;
  /** The last one holds for all attempts that follow. */
  readonly attempts: readonly Failing[];
}

const KINDS = {
  1: ['answer', 'answer', 'answer', 'answer', 'close', 'reset', 'cut'],
  2: ['answer', 'answer', 'answer', 'reset', 'refuse', 'go-away', 'close', 'cut', 'trailers', 'trailers'],
} as const;

function drawFailing(draw: Draw, major: 1 | 2, isSlow: boolean): Failing {
  const headers: Field[] = [];
  if (chance(draw, 0.15)) headers.push(['x-envoy-ratelimited', 'true']);
  if (chance(draw, 0.2)) headers.push(['x-again', draw.pick(['1', '2'])]);
  if (chance(draw, 0.25)) headers.push(['grpc-status', draw.pick(GRPC_STATUSES)]);
  return {
    kind: isSlow && chance(draw, 0.4) ? 'silence' : draw.pick(KINDS[major]),
    status: draw.pick(STATUSES),
    headers,
    code: draw.pick([2, 8, 11]),
    grpc: draw.pick(GRPC_STATUSES),
  };
}

/** @param major of HTTP between the proxy and the upstream */
export function drawRetries(draw: Draw, major: 1 | 2): DrawnRetries {
  const isSlow = chance(draw, 0.1);
  const density = draw.pick([0.1, 0.3, 0.6]);
  const headers: string[] = [];
  const ask = (name: string, of: number, value: () => string): void => {
    if (chance(draw, of)) headers.push(`${name}: ${value()}`);
  };
  ask('x-envoy-retry-on', 0.25, () => some(draw, [...CONDITIONS, 'unavailable', 'other'], 0.25).join(','));
  ask('x-envoy-retry-grpc-on', 0.15, () => some(draw, [...GRPC_CONDITIONS, '5xx'], 0.3).join(', '));
  ask('x-envoy-max-retries', 0.15, () => draw.pick(['0', '1', '2', 'x']));
  ask('x-envoy-retriable-status-codes', 0.15, () => some(draw, STATUSES, 0.4).join(','));
  ask('x-envoy-retriable-header-names', 0.15, () => draw.pick(['x-again', 'x-other,x-again', 'x-other']));
  ask('content-type', 0.2, () => 'application/grpc');
  return {
    action: {
      timeout: '3s',
      retry_policy: {
        retry_on: [...some(draw, CONDITIONS, density), ...some(draw, GRPC_CONDITIONS, density)].join(','),
        num_retries: draw.int(0, 3),
        retriable_status_codes: some(draw, STATUSES, 0.3),
        retriable_headers: chance(draw, 0.5)
          ? [{ name: 'x-again', ...(chance(draw, 0.5) && { string_match: { exact: '2' } }) }]
          : [],
        retry_back_off: { base_interval: '0.001s' },
        ...(isSlow && { per_try_timeout: '0.4s' }),
      },
    },
    headers,
    bodyBytes: draw.pick(BODIES),
    attempts: Array.from({ length: draw.int(1, 4) }, () => drawFailing(draw, major, isSlow)),
  };
}

const nth = (attempts: readonly Failing[], attempt: number): Failing =>
  attempts[Math.min(attempt, attempts.length) - 1]!;

export const failHttp1 =
  (attempts: readonly Failing[]) =>
  async (exchange: Http1Exchange): Promise<void> => {
    await exchange.body();
    const { kind, status, headers } = nth(attempts, exchange.attempt);
    const head = (length: number): string =>
      `${[
        `HTTP/1.1 ${status} Some`,
        `content-length: ${length}`,
        ...headers.map(([name, value]) => `${name}: ${value}`),
      ].join('\r\n')}\r\n\r\n`;
    if (kind === 'answer') exchange.write(`${head(4)}done`);
    else if (kind === 'close') exchange.end();
    else if (kind === 'reset') exchange.reset();
    else if (kind === 'cut') {
      exchange.write(`${head(100)}some`);
      exchange.end();
    }
  };

export const failHttp2 =
  (attempts: readonly Failing[]) =>
  async ({ attempt, body, peer, stream }: Http2Exchange): Promise<void> => {
    await body();
    const { kind, status, headers, code, grpc } = nth(attempts, attempt);
    const head: readonly Field[] = [[':status', String(status)], ...headers];
    switch (kind) {
      case 'answer':
        peer.headers(
          stream,
          head,
          headers.some(([name]) => name === 'grpc-status'),
        );
        if (!headers.some(([name]) => name === 'grpc-status')) peer.data(stream, 'done', true);
        return;
      case 'trailers':
        peer.headers(stream, head);
        peer.data(stream, 'done');
        peer.headers(stream, [['grpc-status', grpc]], true);
        return;
      case 'cut':
        peer.headers(stream, head);
        peer.data(stream, 'some');
        // The proxy may have given it up by then.
        setTimeout(() => peer.send(rstStream(stream, code)), CUT_MS);
        return;
      case 'reset':
        peer.send(rstStream(stream, code));
        return;
      case 'refuse':
        peer.send(rstStream(stream, 7));
        return;
      case 'go-away':
        peer.send(goAway(0, 0));
        peer.socket.end();
        return;
      case 'close':
        peer.socket.end();
        return;
      default:
    }
  };
