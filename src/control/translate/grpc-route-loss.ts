/** What clients of gRPC without a proxy leave undone of a route of a VirtualService. */
import type { Path } from '#model/decode/decoder.ts';
import type { Headers } from '#model/header-operations.ts';
import type { HttpMatch } from '#model/http-match.ts';
import type { HttpRetry } from '#model/http-retry.ts';
import type { HttpRoute } from '#model/http-route.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { isUnseenHeader, MAX_DOUBLED } from './grpc-match.ts';
import { grpcRetryOn } from './grpc-route.ts';
import { policyOfCluster } from './host-policy.ts';
import type { Caller } from './http-route.ts';
import { destinationCluster } from './route-action.ts';

export interface Loss {
  readonly path: Path;
  /** What they do, or do not do. */
  readonly message: string;
  readonly fix?: string;
}

/** @param path below what is looked at */
export type Lose = (path: Path, message: string, fix?: string) => void;

/** Tries of one call, with the first (gRFC A6). */
const MAX_TRIES = 5;

/** @param namespace that short names of the route are of */
export function routeLosses(
  route: HttpRoute,
  namespace: string,
  caller: Caller,
  index: ResourceIndex,
  lose: Lose,
): void {
  const { redirect, directResponse, rewrite, mirrors, retries, match } = route;
  if (redirect !== undefined) lose(['redirect'], 'follow none: calls fail with UNKNOWN', 'use a route');
  if (directResponse?.body !== undefined) lose(['directResponse', 'body'], 'get the status alone');
  if (rewrite !== undefined) lose(['rewrite'], 'call the method and the authority that they were told');
  if (mirrors.length > 0) lose(mirrors[0]!.path, 'send no copies');
  if (retries !== undefined) retryLosses(retries, (path, ...rest) => lose(['retries', ...path], ...rest));
  if (hasOperations(route.headers)) lose(['headers'], 'leave headers as they are');
  for (const [number, { headers }] of route.route.entries())
    if (hasOperations(headers)) lose(['route', number, 'headers'], 'leave headers as they are');
  if (isShared(route, namespace, caller, index))
    lose(['route'], 'draw a destination for each call: users do not stay with one');
  const isRefusal = route.route.length === 0;
  for (const [number, one] of match.entries())
    matchLosses(one, isRefusal, (path, ...rest) => lose(['match', number, ...path], ...rest));
}

function hasOperations(headers: Headers | undefined): boolean {
  return headers?.request !== undefined || headers?.response !== undefined;
}

/** Whether proxies choose among the destinations by the hash that chooses the endpoint. */
function isShared(route: HttpRoute, namespace: string, caller: Caller, index: ResourceIndex): boolean {
  const weighted = route.route.filter(({ weight }) => weight > 0);
  if (weighted.length < 2) return false;
  return weighted.every(({ destination }) => {
    const cluster = destinationCluster(destination, { index, namespace, port: 0 });
    return policyOfCluster(cluster, caller, index).loadBalancer?.consistentHash !== undefined;
  });
}

function retryLosses(retries: HttpRetry, lose: Lose): void {
  const { attempts, perTryTimeoutMs, retryOn, statusCodes, remoteLocalities } = retries;
  if (attempts === 0) return;
  if (perTryTimeoutMs !== undefined) lose(['perTryTimeout'], 'end calls, and no single tries', 'use timeout');
  if (attempts >= MAX_TRIES) lose(['attempts'], `try a call ${MAX_TRIES} times and no more`);
  if (remoteLocalities) lose(['retryRemoteLocalities'], 'retry where they balance to');
  if (retryOn === undefined && statusCodes.length === 0) return;
  const conditions = retryOn ?? [];
  const lost = [
    ...conditions.filter((condition) => ofHttpAlone.has(condition)),
    ...statusCodes.filter((code) => grpcRetryOn([], [code]).length === 0),
  ];
  if (grpcRetryOn(conditions, statusCodes).length === 0)
    lose(['retryOn'], 'know none of these conditions, and retry nothing', 'add unavailable');
  else if (lost.length > 0) lose(['retryOn'], `do not know ${lost.join(', ')}`);
}

/** Conditions on answers that calls do not have. */
const ofHttpAlone: ReadonlySet<string> = new Set(['envoy-ratelimited', 'retriable-4xx', 'retriable-headers']);

function matchLosses(match: HttpMatch, isRefusal: boolean, lose: Lose): void {
  const { queryParams, headers, withoutHeaders, method, statPrefix } = match;
  if (Object.keys(queryParams).length > 0) lose(['queryParams'], 'never match it: calls have no query');
  if (method?.exact !== undefined && method.exact !== 'POST')
    lose(['method'], 'never match it: all calls are POST');
  if (statPrefix !== undefined) lose(['statPrefix'], 'count nothing under it');
  const effect = isRefusal ? 'refuse all calls that meet the other conditions' : 'never match it';
  for (const [field, conditions] of Object.entries({ headers, withoutHeaders })) {
    for (const name of Object.keys(conditions).filter(isUnseenHeader))
      lose([field, name], `choose a route without a look at this header: they ${effect}`);
  }
  const valued = Object.values(withoutHeaders).filter((value) => Object.keys(value).length > 0);
  if (valued.length > MAX_DOUBLED)
    lose(['withoutHeaders'], `look at ${MAX_DOUBLED} of them and no more: they ${effect}`);
  if (isPathUnseen(match)) lose([], `look at one condition on the path and no more: they ${effect}`);
}

function isPathUnseen({ uri, ignoreUriCase, headers, withoutHeaders }: HttpMatch): boolean {
  const isExact = uri?.exact !== undefined && !ignoreUriCase;
  if (isExact) return false;
  if (withoutHeaders[':path'] !== undefined) return true;
  const isAny = uri === undefined || uri.prefix === '/';
  return headers[':path'] !== undefined && !isAny;
}
