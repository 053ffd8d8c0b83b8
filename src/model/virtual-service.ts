/** Istio `VirtualService`: which requests for a host go where. HTTP routes; TCP and TLS routes are not supported yet. */
import { type CorsPolicy, corsPolicy } from './cors-policy.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required, unsupported } from './decode/object.ts';
import { durationMs, integer, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { exportTo } from './export-to.ts';
import { type Headers, headers } from './header-operations.ts';
import { destinationHost, hostName } from './host-name.ts';
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
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

/** Whether faults hit each request once, as in Istio, or each of its tries, so that retries and time limits apply. */
export const faultScopeAnnotation = 'heddle.dev/fault-scope';
const faultScopes = ['request', 'attempt'] as const;

export interface Destination {
  readonly host: string;
  /** Of a DestinationRule for `host`. */
  readonly subset?: string;
  /** Needed where the service has several ports. */
  readonly port?: { readonly number: number };
}

export interface HttpDestination {
  readonly destination: Destination;
  /** Relative to the other destinations; a single destination gets everything. */
  readonly weight: number;
  readonly headers?: Headers;
}

export interface HttpMirror {
  readonly destination: Destination;
  /** Above 0. */
  readonly percent: number;
  /** Steps to the destination, below its route. */
  readonly path: Path;
}

export interface HttpRoute {
  readonly name?: string;
  /** Any of them; empty: every request. */
  readonly match: readonly HttpMatch[];
  readonly route: readonly HttpDestination[];
  readonly redirect?: HttpRedirect;
  readonly directResponse?: HttpDirectResponse;
  readonly rewrite?: HttpRewrite;
  /** Absent: no limit. */
  readonly timeoutMs?: number;
  readonly retries?: HttpRetry;
  readonly headers?: Headers;
  readonly fault?: HttpFault;
  /** Who gets copies of requests. */
  readonly mirrors: readonly HttpMirror[];
  readonly corsPolicy?: CorsPolicy;
}

export interface VirtualServiceSpec {
  readonly hosts: readonly string[];
  /** `mesh` stands for all sidecars; other names for Gateways, `namespace/name` or in the own namespace. */
  readonly gateways: readonly string[];
  /** The first that matches wins. */
  readonly http: readonly HttpRoute[];
}

export type VirtualService = ResourceBase<'VirtualService', VirtualServiceSpec>;

const destination: Decoder<Destination> = object({
  host: required(destinationHost),
  subset: optional(nonEmptyText),
  port: optional(object({ number: required(portNumber) })),
});

const httpDestination: Decoder<HttpDestination> = object({
  destination: required(destination),
  weight: defaulted(integer(0, 2 ** 31 - 1), 0),
  headers: optional(headers),
});

const fields = {
  name: optional(text),
  match: defaulted(list(httpMatch), []),
  route: defaulted(list(httpDestination), []),
  redirect: optional(httpRedirect),
  directResponse: optional(httpDirectResponse),
  rewrite: optional(httpRewrite),
  timeout: optional(durationMs),
  retries: optional(httpRetry),
  headers: optional(headers),
  corsPolicy: optional(corsPolicy),
  delegate: unsupported('closes'),
  fault: optional(httpFault),
  mirror: optional(destination),
  mirrors: defaulted(
    list(object({ destination: required(destination), percentage: optional(percentage) })),
    [],
  ),
  mirrorPercent: optional(integer(0, 100)),
  mirror_percent: optional(integer(0, 100)),
  mirrorPercentage: optional(percentage),
} as const;

const writtenRoute = object(fields);

const httpRoute: Decoder<HttpRoute> = (value, path, report) => {
  const decoded = writtenRoute(value, path, report);
  if (decoded === undefined) return undefined;
  const { timeout, mirror, mirrors, mirrorPercent, mirror_percent, mirrorPercentage, ...rest } = decoded;
  if (mirror !== undefined && mirrors.length > 0)
    report.error([...path, 'mirrors'], 'stands beside mirror', 'write mirrors only');
  const share = mirrorPercentage ?? mirrorPercent ?? mirror_percent;
  if (mirror === undefined && share !== undefined)
    report.warning([...path, 'mirrorPercentage'], 'has no effect without mirror');
  const route: HttpRoute = {
    ...rest,
    ...(timeout !== undefined && { timeoutMs: timeout }),
    mirrors: [
      ...(mirror === undefined ? [] : [{ destination: mirror, percent: share ?? 100, path: ['mirror'] }]),
      ...mirrors.map(({ destination: to, percentage: percent = 100 }, i) => ({
        ...{ destination: to, percent },
        path: ['mirrors', i, 'destination'],
      })),
    ].filter(({ percent }) => percent > 0),
  };
  // A route that delegates has no action of its own; that it delegates was reported already.
  if (!Object.hasOwn(value as object, 'delegate')) checkRoute(route, path, report);
  return route;
};

function checkRoute(route: HttpRoute, path: Path, report: Report): void {
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

function checkWeights(destinations: readonly HttpDestination[], path: Path, report: Report): void {
  if (destinations.length < 2) return;
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) report.error(path, 'the weights sum up to 0', 'give each destination its weight');
}

const spec: Decoder<VirtualServiceSpec> = object(
  {
    hosts: required(list(hostName, 1)),
    gateways: defaulted(list(nonEmptyText), ['mesh']),
    http: defaulted(list(httpRoute), []),
    tcp: unsupported('adds'),
    tls: unsupported('closes'),
    exportTo,
  },
  ({ hosts, gateways }, path, report) => {
    const everything = hosts.indexOf('*');
    if (everything < 0 || !gateways.includes('mesh')) return;
    report.error(
      [...path, 'hosts', everything],
      'the host * would take every call in the mesh',
      'name gateways',
    );
  },
);

export const virtualServiceKind: KindDefinition<VirtualService> = {
  kind: 'VirtualService',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  fields: { spec: required(spec), status: meaningless() },
  annotations: { [faultScopeAnnotation]: oneOf(faultScopes) },
};
