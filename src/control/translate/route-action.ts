/** What a matched request meets: a destination, a redirect or a reply. */

import type { Destination } from '#model/destination.ts';
import type { HttpDirectResponse, HttpRedirect } from '#model/http-action.ts';
import type { HttpDestination, HttpMirror, HttpRoute } from '#model/http-route.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import {
  RedirectAction_RedirectResponseCode,
  type RedirectAction_RedirectResponseCode as RedirectCode,
  type RouteAction_RequestMirrorPolicySchema,
  type RouteActionSchema,
  type RouteSchema,
  type WeightedCluster_ClusterWeightSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { authorityFrom, type HeaderMutations, joinMutations, translateHeaders } from './header-mutation.ts';
import { duration, type Init, millionths } from './message.ts';
import { outboundClusterName } from './names.ts';
import type { ProxyNode } from './node.ts';
import { translateRetry } from './retry.ts';

export type RouteInit = Init<typeof RouteSchema>;
type RouteActionInit = Init<typeof RouteActionSchema>;
type MirrorInit = Init<typeof RouteAction_RequestMirrorPolicySchema>;
type ClusterWeight = Init<typeof WeightedCluster_ClusterWeightSchema>;

/** For whom and where a route is made. */
export interface RouteContext {
  readonly index: ResourceIndex;
  /** Namespace of the VirtualService: short names are relative to it. */
  readonly namespace: string;
  /** The port that the request addressed. */
  readonly port: number;
  readonly client: ProxyNode['client'];
}

/** The parts of a route that its action decides; undefined if it has none that is supported. */
export function translateAction(
  route: HttpRoute,
  context: RouteContext,
): ({ readonly action: NonNullable<RouteInit['action']> } & HeaderMutations) | undefined {
  const headers = translateHeaders(route.headers);
  if (route.redirect !== undefined) {
    return { action: { case: 'redirect', value: redirectAction(route.redirect, context.port) }, ...headers };
  }
  if (route.directResponse !== undefined) {
    return { action: { case: 'directResponse', value: directResponse(route.directResponse) }, ...headers };
  }
  const weighted = route.route.length > 1 ? route.route.filter(({ weight }) => weight > 0) : route.route;
  const [only, ...others] = weighted;
  if (only === undefined) return undefined;
  const common = commonAction(route, context);
  if (others.length > 0) {
    const clusters = weighted.map((destination) => clusterWeight(destination, context));
    const value: RouteActionInit = {
      ...common,
      clusterSpecifier: { case: 'weightedClusters', value: { clusters } },
    };
    return { action: { case: 'route', value }, ...headers };
  }
  const authority = authorityFrom(only.headers);
  const value: RouteActionInit = {
    ...common,
    ...(authority !== undefined && hostRewrite(authority)),
    clusterSpecifier: { case: 'cluster', value: destinationCluster(only.destination, context) },
  };
  return { action: { case: 'route', value }, ...joinMutations(headers, translateHeaders(only.headers)) };
}

/** The route of a service that no VirtualService speaks of. */
export function defaultAction(
  cluster: string,
  { defaultRetry }: MeshSettings,
): { readonly case: 'route'; readonly value: RouteActionInit } {
  const retryPolicy = translateRetry(defaultRetry);
  const value: RouteActionInit = {
    ...plainAction(cluster).value,
    ...(retryPolicy !== undefined && { retryPolicy }),
  };
  return { case: 'route', value };
}

/** To the cluster, without time limit and without retries. */
export function plainAction(cluster: string): { readonly case: 'route'; readonly value: RouteActionInit } {
  return {
    case: 'route',
    value: { clusterSpecifier: { case: 'cluster', value: cluster }, timeout: duration(0) },
  };
}

function commonAction(route: HttpRoute, context: RouteContext): RouteActionInit {
  const { client } = context;
  const { rewrite, timeoutMs, retries, mirrors } = route;
  const retryPolicy = translateRetry(retries ?? context.index.settings.defaultRetry);
  const authority = rewrite?.authority ?? authorityFrom(route.headers);
  const regexRewrite = rewrite?.uriRegexRewrite;
  const copied = mirrors.filter(({ percent }) => percent > 0);
  return {
    // 0 switches Envoy's default of 15 seconds off.
    timeout: duration(timeoutMs ?? 0),
    ...(client === 'grpc' &&
      timeoutMs !== undefined && { maxStreamDuration: { maxStreamDuration: duration(timeoutMs) } }),
    ...(retryPolicy !== undefined && { retryPolicy }),
    // gRPC's clients make no copies.
    ...(client !== 'grpc' &&
      copied.length > 0 && {
        requestMirrorPolicies: copied.map((mirror) => mirrorPolicy(mirror, context)),
      }),
    ...(rewrite?.uri !== undefined && { prefixRewrite: rewrite.uri }),
    ...(regexRewrite !== undefined && {
      regexRewrite: { pattern: { regex: regexRewrite.match }, substitution: regexRewrite.rewrite },
    }),
    ...(authority !== undefined && hostRewrite(authority)),
  };
}

/** As Istio has it: no trace of its own. */
function mirrorPolicy({ destination, percent }: HttpMirror, context: RouteContext): MirrorInit {
  return {
    cluster: destinationCluster(destination, context),
    runtimeFraction: { defaultValue: millionths(percent) },
    traceSampled: false,
  };
}

function hostRewrite(value: string): Pick<RouteActionInit, 'hostRewriteSpecifier'> {
  return { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value } };
}

function clusterWeight(
  { destination, weight, headers }: HttpDestination,
  context: RouteContext,
): ClusterWeight {
  const authority = authorityFrom(headers);
  return {
    name: destinationCluster(destination, context),
    weight,
    ...translateHeaders(headers),
    ...(authority !== undefined && {
      hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority },
    }),
  };
}

/** The cluster need not be there: then the request is answered 503, and its share goes nowhere else. */
export function destinationCluster(
  { host, subset, port }: Destination,
  context: Pick<RouteContext, 'index' | 'namespace' | 'port'>,
): string {
  const full = context.index.fullName(host, context.namespace);
  const ports = context.index.portsOf(full);
  const only = ports.length === 1 ? ports[0]?.port : undefined;
  return outboundClusterName(port?.number ?? only ?? context.port, subset ?? '', full);
}

const redirectCodes: Readonly<Record<number, RedirectCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

const matchedPrefix = '%PREFIX()%';

type RedirectInit = Extract<NonNullable<RouteInit['action']>, { case: 'redirect' }>['value'];
type DirectResponseInit = Extract<NonNullable<RouteInit['action']>, { case: 'directResponse' }>['value'];

function redirectAction(redirect: HttpRedirect, requestPort: number): RedirectInit {
  const { uri, prefixRewrite, authority, port, derivePort, scheme, redirectCode = 301 } = redirect;
  const derived = derivePort === 'FROM_REQUEST_PORT' ? requestPort : undefined;
  // Istio's way to say that the rest of the path stays.
  const prefix = uri?.startsWith(matchedPrefix) ? uri.slice(matchedPrefix.length) : prefixRewrite;
  return {
    responseCode: redirectCodes[redirectCode]!,
    ...(authority !== undefined && { hostRedirect: authority }),
    ...(scheme !== undefined && { schemeRewriteSpecifier: { case: 'schemeRedirect', value: scheme } }),
    ...((port ?? derived) !== undefined && { portRedirect: port ?? derived! }),
    ...(uri !== undefined && { pathRewriteSpecifier: { case: 'pathRedirect', value: uri } }),
    ...(prefix !== undefined && { pathRewriteSpecifier: { case: 'prefixRewrite', value: prefix } }),
  };
}

function directResponse({ status, body }: HttpDirectResponse): DirectResponseInit {
  if (body?.string !== undefined) {
    return { status, body: { specifier: { case: 'inlineString', value: body.string } } };
  }
  if (body?.bytes === undefined) return { status };
  return { status, body: { specifier: { case: 'inlineBytes', value: base64Bytes(body.bytes) } } };
}

function base64Bytes(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
