/** What the router does to the head of a request before it goes upstream. */
import { formatGrpcTimeout, parseGrpcTimeout } from '#http/grpc-timeout.ts';
import { type HeaderList, hasHeader, headerOf, removeHeader, setHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { Forward } from '../route/action.ts';
import { mutate } from '../route/header-mutation.ts';
import type { RetryRules } from '../route/retry-policy.ts';
import type { Chosen } from './destination.ts';
import type { HttpExchange } from './exchange.ts';
import type { RouterSettings } from './router-settings.ts';
import type { HcmRuntime } from './runtime.ts';

export interface Timeouts {
  /** 0: none. */
  readonly routeMs: number;
  readonly perTryMs: number;
  /** Without a sign of life; 0: none. */
  readonly perTryIdleMs: number;
  /** Whether a try that takes too long goes on while another begins. */
  readonly hedges: boolean;
  /** Status of an answer that says the upstream took too long. */
  readonly status: number;
}

export const noTimeouts: Timeouts = { routeMs: 0, perTryMs: 0, perTryIdleMs: 0, hedges: false, status: 504 };
const ALTERNATIVE_STATUS = 204;

/** Of the route, unless the caller asks for others and is believed. */
export function readTimeouts(
  exchange: HttpExchange,
  { timeouts }: Forward,
  retry: RetryRules | undefined,
  hasEnvoyHeaders: boolean,
  router: RouterSettings,
): Timeouts {
  const headers = exchange.requestHeaders;
  let routeMs = timeouts.limitsDuration ? 0 : timeouts.routeMs;
  let perTryMs = retry?.perTryTimeoutMs ?? 0;
  let { hedges } = exchange.route!;
  let status = noTimeouts.status;
  if (exchange.isGrpc && !timeouts.limitsDuration && timeouts.oldGrpc !== undefined) {
    const { maxMs, offsetMs } = timeouts.oldGrpc;
    const asked = parseGrpcTimeout(headerOf(headers, 'grpc-timeout')) ?? 0;
    routeMs = offsetMs < asked ? asked - offsetMs : asked;
    if (maxMs !== 0 && (routeMs === 0 || routeMs > maxMs)) routeMs = maxMs;
  }
  if (hasEnvoyHeaders) {
    const expected = router.respectExpectedTimeout
      ? numberOf(headers, 'x-envoy-expected-rq-timeout-ms')
      : undefined;
    routeMs = expected ?? numberOf(headers, 'x-envoy-upstream-rq-timeout-ms') ?? routeMs;
    perTryMs = numberOf(headers, 'x-envoy-upstream-rq-per-try-timeout-ms') ?? perTryMs;
    const hedge = headerOf(headers, 'x-envoy-hedge-on-per-try-timeout');
    if (hedge === 'true' || hedge === 'false') hedges = hedge === 'true';
    if (hasHeader(headers, 'x-envoy-upstream-rq-timeout-alt-response')) status = ALTERNATIVE_STATUS;
  }
  if (routeMs > 0 && perTryMs >= routeMs) perTryMs = 0;
  return { routeMs, perTryMs, perTryIdleMs: retry?.perTryIdleTimeoutMs ?? 0, hedges, status };
}

/** Tells the upstream how long it has. @param elapsedMs since the whole request was there */
function tellTimeout(
  exchange: HttpExchange,
  { timeouts }: Forward,
  { routeMs, perTryMs, hedges }: Timeouts,
  router: RouterSettings,
  elapsedMs: number,
): void {
  // A try that may go on has all the time there is.
  let expected = perTryMs === 0 || hedges ? routeMs : perTryMs;
  if (expected === 0) return;
  // 0 would be without end.
  if (routeMs > 0) expected = elapsedMs >= routeMs ? 1 : Math.min(expected, routeMs - elapsedMs);
  const headers = exchange.requestHeaders;
  if (!router.suppressEnvoyHeaders) {
    setHeader(headers, 'x-envoy-expected-rq-timeout-ms', String(Math.floor(expected)));
  }
  if (exchange.isGrpc && !timeouts.limitsDuration && timeouts.oldGrpc !== undefined) {
    setHeader(headers, 'grpc-timeout', formatGrpcTimeout(expected));
  }
}

/** When the whole request was here and no filter held it any longer: time limits begin then (Envoy). */
export function wholeSinceMs({ requestEndMs, heldUntilMs }: HttpExchange): number {
  return Math.max(requestEndMs, heldUntilMs);
}

/** What the head says of the attempt is said anew. @param afterTimeout whether the one before took too long */
export function tellRetry(
  exchange: HttpExchange,
  action: Forward,
  timeouts: Timeouts,
  afterTimeout: boolean,
  { clock, settings }: HcmRuntime,
): void {
  const { host } = exchange.route!;
  const elapsedMs = exchange.requestEndMs === -1 ? 0 : clock.nowMs() - wholeSinceMs(exchange);
  tellTimeout(exchange, action, timeouts, settings.router, elapsedMs);
  if (host.includeRequestAttemptCount) {
    setHeader(exchange.requestHeaders, 'x-envoy-attempt-count', String(exchange.upstreamAttempts + 1));
  }
  if (host.includeIsTimeoutRetryHeader) {
    setHeader(exchange.requestHeaders, 'x-envoy-is-timeout-retry', String(afterTimeout));
  }
}

function numberOf(headers: readonly string[], name: string): number | undefined {
  const value = headerOf(headers, name);
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** Headers by which a caller asks for retries; they do not go further. */
const consumedForRetries = [
  'x-envoy-max-retries',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
];

export function asksForRetries(headers: readonly string[]): boolean {
  return hasAny(headers, 'x-envoy-re') || hasHeader(headers, 'x-envoy-max-retries');
}

/** Whether the name of a field begins so. */
export function hasAny(headers: readonly string[], start: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i]!.startsWith(start)) return true;
  return false;
}

/** Those that have been read. */
export function dropRetryHeaders(headers: HeaderList): void {
  for (const name of consumedForRetries) removeHeader(headers, name);
}

/** Headers by which a caller steers the router otherwise; they do not go further. */
const consumed = [
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-stream-duration-ms',
];

/** @returns whether the route changed fields of the head. */
export function rewriteRequest(
  exchange: HttpExchange,
  { action, destination }: Chosen,
  timeouts: Timeouts,
  hasEnvoyHeaders: boolean,
  router: RouterSettings,
): boolean {
  const headers = exchange.requestHeaders;
  const route = exchange.route!;
  if (hasEnvoyHeaders) for (const name of consumed) removeHeader(headers, name);
  tellTimeout(exchange, action, timeouts, router, 0);
  if (route.host.includeRequestAttemptCount) setHeader(headers, 'x-envoy-attempt-count', '1');
  const { request } = route;
  if (destination.request !== undefined) mutate(headers, [destination.request], exchange);
  if (request.length > 0) mutate(headers, request, exchange);
  rewriteHost(exchange, action, destination.hostRewrite);
  const isChanged = destination.request !== undefined || request.length > 0;
  const { rewritePath } = action;
  if (rewritePath === undefined) return isChanged;
  const path = rewritePath(exchange.path, exchange);
  if (path === undefined) return isChanged;
  if (!router.suppressEnvoyHeaders) setHeader(headers, 'x-envoy-original-path', exchange.path);
  exchange.originalPath = exchange.path;
  exchange.path = path;
  return isChanged;
}

function rewriteHost(exchange: HttpExchange, action: Forward, ofDestination: string): void {
  const host = ofDestination !== '' ? ofDestination : action.rewriteHost?.(exchange);
  if (host === undefined || host === '') return;
  setOriginalHost(exchange, action);
  exchange.authority = host;
}

/** Tells the host the client asked for. */
export function setOriginalHost(exchange: HttpExchange, action: Forward): void {
  const headers = exchange.requestHeaders;
  if (!hasHeader(headers, 'x-envoy-original-host')) headers.push('x-envoy-original-host', exchange.authority);
  if (action.appendForwardedHost) {
    const before = headerOf(headers, 'x-forwarded-host');
    setHeader(
      headers,
      'x-forwarded-host',
      before === undefined ? exchange.authority : `${before},${exchange.authority}`,
    );
  }
}

/** How long the upstream took, from the whole request on; without that there is no moment to count from. */
export function tellServiceTime(
  { requestEndMs, firstUpstreamByteMs }: HttpExchange,
  headers: HeaderList,
  marks: number,
  attemptStartMs: number,
): void {
  if (requestEndMs === -1) return;
  const sinceMs = Math.max(attemptStartMs, requestEndMs);
  const elapsed = String(Math.max(0, Math.floor(firstUpstreamByteMs - sinceMs)));
  if ((marks & mark.envoy) === 0) headers.push('x-envoy-upstream-service-time', elapsed);
  else setHeader(headers, 'x-envoy-upstream-service-time', elapsed);
}

/** What is added may tell of the response. @param cookies for clients that are to come back to the same endpoint */
export function rewriteResponse(
  exchange: HttpExchange,
  { destination }: Chosen,
  headers: HeaderList,
  cookies: readonly string[] | undefined,
): void {
  const route = exchange.route!;
  exchange.responseHeaders = headers;
  if (route.host.includeAttemptCountInResponse) {
    setHeader(headers, 'x-envoy-attempt-count', String(exchange.upstreamAttempts));
  }
  if (cookies !== undefined) for (const cookie of cookies) headers.push('set-cookie', cookie);
  if (destination.response !== undefined) mutate(headers, [destination.response], exchange);
  if (route.response.length > 0) mutate(headers, route.response, exchange);
}
