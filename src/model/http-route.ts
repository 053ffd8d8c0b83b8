/** `http[]` of a VirtualService: what becomes of the requests that match. */
import { type CorsPolicy, corsPolicy } from './cors-policy.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional, required } from './decode/object.ts';
import { durationMs, integer, nonEmptyText, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { checkWeights, type Destination, destination, weight } from './destination.ts';
import { type Headers, headers } from './header-operations.ts';
import {
  type HttpDirectResponse,
  type HttpRedirect,
  type HttpRewrite,
  httpDirectResponse,
  httpRedirect,
  httpRewrite,
} from './http-action.ts';
import { type HttpFault, httpFault, percentage } from './http-fault.ts';
import { type HttpMatch, httpMatch } from './http-match.ts';
import { type HttpRetry, httpRetry } from './http-retry.ts';
import type { Metadata, ResourceBase } from './metadata.ts';

export interface HttpDestination {
  readonly destination: Destination;
  /** Relative to the other destinations; a single destination gets everything. */
  readonly weight: number;
  readonly headers?: Headers;
}

export interface HttpMirror {
  readonly destination: Destination;
  readonly percent: number;
  /** Steps to the destination, below its route. */
  readonly path: Path;
}

/** A VirtualService without hosts, whose routes take this one's place. */
export interface Delegate {
  readonly name: string;
  /** Absent: that of the VirtualService. */
  readonly namespace?: string;
}

export interface HttpRoute {
  readonly name?: string;
  /** Any of them; empty: every request. */
  readonly match: readonly HttpMatch[];
  readonly route: readonly HttpDestination[];
  readonly redirect?: HttpRedirect;
  readonly directResponse?: HttpDirectResponse;
  readonly delegate?: Delegate;
  readonly rewrite?: HttpRewrite;
  /** Absent: no limit. */
  readonly timeoutMs?: number;
  readonly retries?: HttpRetry;
  readonly headers?: Headers;
  readonly fault?: HttpFault;
  /** Who gets copies of requests. */
  readonly mirrors: readonly HttpMirror[];
  readonly corsPolicy?: CorsPolicy;
  /** Of the delegate that it stands in, once it has come from there: its short names are relative to that. */
  readonly owner?: Metadata;
  /** Where it is written, once routes of delegates stand among those of their roots. */
  readonly written?: WrittenRoute;
}

export interface WrittenRoute {
  readonly in: ResourceBase<'VirtualService', unknown>;
  /** Among its `spec.http`. */
  readonly position: number;
}

const httpDestination: Decoder<HttpDestination> = object({
  destination: required(destination, 'Where to.'),
  weight: defaulted(weight, 0, 'Of all weights; 0 gets nothing. A single destination gets everything.'),
  headers: optional(headers, 'Of requests that go there, after those of the route.'),
});

const writtenRoute = object({
  name: optional(text, 'In access logs.'),
  match: defaulted(
    list(httpMatch),
    [],
    'Any of them; all conditions of one must hold. Without any, every request.',
  ),
  route: defaulted(
    list(httpDestination),
    [],
    'Where requests go, by weight. This, `redirect`, `directResponse` or `delegate`.',
  ),
  redirect: optional(httpRedirect, 'Sends the caller elsewhere.'),
  directResponse: optional(httpDirectResponse, 'Answers at once.'),
  rewrite: optional(httpRewrite, 'Of path and host, before the request goes on.'),
  timeout: optional(durationMs, 'For the whole request, with its retries. Without it there is none.'),
  retries: optional(httpRetry, 'Without it two, of what surely had no effect.'),
  headers: optional(headers, 'Of requests and responses.'),
  corsPolicy: optional(corsPolicy, 'Pages of which origins may call.'),
  delegate: optional(
    object({
      name: required(nonEmptyText, 'Of a VirtualService without hosts.'),
      namespace: optional(text, 'Without it the own.'),
    }),
    'The routes of another VirtualService take the place of this one, as far as they ask for no more than it does.',
  ),
  fault: optional(httpFault, 'Delays and errors on purpose.'),
  mirror: optional(destination, 'Who gets a copy of each request; its answers are dropped.'),
  mirrors: defaulted(
    list(
      object({
        destination: required(destination, 'Who gets the copies.'),
        percentage: optional(percentage, 'Without it all requests.'),
      }),
    ),
    [],
    'Several of them.',
  ),
  mirrorPercent: optional(integer(0, 100), 'The old name of `mirrorPercentage`, of which it must be whole.'),
  mirror_percent: optional(integer(0, 100), 'An older one.'),
  mirrorPercentage: optional(percentage, 'Of requests that `mirror` gets. Without it all.'),
});

export const httpRoute: Decoder<HttpRoute> = refined(writtenRoute, (decoded, path, report) => {
  const { timeout, mirror, mirrors, mirrorPercent, mirror_percent, mirrorPercentage, delegate, ...rest } =
    decoded;
  if (mirror !== undefined && mirrors.length > 0)
    report.error([...path, 'mirrors'], 'stands beside mirror', 'write mirrors only');
  const share = mirrorPercentage ?? mirrorPercent ?? mirror_percent;
  if (mirror === undefined && share !== undefined)
    report.warning([...path, 'mirrorPercentage'], 'has no effect without mirror');
  const route: HttpRoute = {
    ...rest,
    ...(timeout !== undefined && { timeoutMs: timeout }),
    ...(delegate !== undefined && {
      // Empty means the own one (Istio).
      delegate: { name: delegate.name, ...(delegate.namespace && { namespace: delegate.namespace }) },
    }),
    mirrors: [
      ...(mirror === undefined ? [] : [{ destination: mirror, percent: share ?? 100, path: ['mirror'] }]),
      ...mirrors.map(({ destination: to, percentage: percent = 100 }, i) => ({
        ...{ destination: to, percent },
        path: ['mirrors', i, 'destination'],
      })),
    ],
  };
  if (delegate === undefined) checkAction(route, path, report);
  else checkDelegating(route, path, report);
  return route;
});

function checkAction(route: HttpRoute, path: Path, report: Report): void {
  const { redirect, directResponse, rewrite, timeoutMs, retries, mirrors } = route;
  const actions = [route.route.length > 0, redirect !== undefined, directResponse !== undefined];
  const count = actions.filter(Boolean).length;
  if (count !== 1) report.error(path, 'one of route, redirect, directResponse is needed, and only one');
  if (count === 1 && route.route.length === 0) {
    if (rewrite !== undefined) report.error([...path, 'rewrite'], 'goes with a route only');
    if (timeoutMs !== undefined) report.warning([...path, 'timeout'], 'has no effect without a route');
    for (const mirror of mirrors) report.warning([...path, ...mirror.path], 'has no effect without a route');
    if (retries !== undefined) report.warning([...path, 'retries'], 'has no effect without a route');
  }
  checkWeights(route.route, [...path, 'route'], report);
}

/** What else it says holds for the routes of the delegate that do not say it themselves. */
function checkDelegating({ route, redirect, directResponse }: HttpRoute, path: Path, report: Report): void {
  const written = { route: route.length > 0, redirect, directResponse };
  for (const [name, value] of Object.entries(written)) {
    if (value === undefined || value === false) continue;
    const message = 'stands beside delegate, whose routes say where requests go';
    report.error([...path, name], message, `leave ${name} or delegate out`);
  }
}
