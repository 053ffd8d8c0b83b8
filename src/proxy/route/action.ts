/** What a route does with a request: forward it, redirect it or answer it. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { headerOf } from '#http/header-list.ts';
import { type DataSource, RoutingPriority } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type DirectResponseAction,
  RouteAction_ClusterNotFoundResponseCode as NotFound,
  type RedirectAction,
  RedirectAction_RedirectResponseCode as RedirectCode,
  type RouteAction,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { byteString, type Findings } from '../findings.ts';
import type { FilterOverrides } from './filter-config.ts';
import { compileHashPolicy, type RequestHash } from './hash-policy.ts';
import type { HeaderSource } from './header-match.ts';
import { compileMutation, type HeaderMutation } from './header-mutation.ts';
import { compileHedgePolicy } from './hedge-policy.ts';
import { compileCriteria, type MetadataCriteria, mergeCriteria } from './metadata-criteria.ts';
import type { MatchedPath } from './path-match.ts';
import { compilePathRewrite, compileTemplateRewrite, type PathRewrite } from './path-rewrite.ts';
import { compileRetryPolicy, type RetryRules, warnOfTypedPolicy } from './retry-policy.ts';
import { compileSubstitution } from './substitution.ts';
import { compileTimeouts, type RouteTimeouts } from './timeout.ts';

/** Which limits of its cluster a request counts against. */
export type RequestPriority = 'default' | 'high';

/** One of the clusters a route may choose. */
export interface Destination {
  /** '' when the name stands in a header. */
  readonly cluster: string;
  readonly clusterHeader: string;
  readonly weight: number;
  readonly request: HeaderMutation | undefined;
  readonly response: HeaderMutation | undefined;
  readonly hostRewrite: string;
  /** Of the metadata of endpoints. */
  readonly criteria: MetadataCriteria | undefined;
  /** What is said of filters here and around; undefined where nothing is said here. */
  readonly filters: FilterOverrides | undefined;
}

/** What a weighted cluster, with the levels around it, says of filters. @param path of the cluster, with its full stop */
export type DestinationFilters = (
  configs: Readonly<Record<string, Any>>,
  path: string,
) => FilterOverrides | undefined;

export interface Forward {
  readonly kind: 'forward';
  readonly destinations: readonly Destination[];
  readonly totalWeight: number;
  readonly clusterNotFoundStatus: number;
  readonly rewritePath: ((path: string) => string) | undefined;
  /** The new authority; undefined keeps the old one. */
  readonly rewriteHost: ((source: HeaderSource) => string | undefined) | undefined;
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  readonly timeouts: RouteTimeouts;
  readonly retry: RetryRules | undefined;
  /** Whether a try that takes long goes on while another begins; undefined: the virtual host says. */
  readonly hedges: boolean | undefined;
  /** What clusters that hash are asked with. */
  readonly hash: RequestHash | undefined;
  readonly priority: RequestPriority;
  /** Whether CONNECT ends here and its bytes go on as a plain connection. */
  readonly terminatesConnect: boolean;
  /** Whether POST is treated as such a CONNECT. */
  readonly terminatesPost: boolean;
  /** Upgrade types switched on or off for this route, lower case. */
  readonly upgrades: ReadonlyMap<string, boolean>;
}

export interface Redirect {
  readonly kind: 'redirect';
  readonly status: number;
  location(source: HeaderSource, secure: boolean): string;
}

export interface DirectResponse {
  readonly kind: 'direct';
  readonly status: number;
  /** A byte string. */
  readonly body: string;
}

export interface NoForwarding {
  readonly kind: 'none';
}

/** Envoy's default. */
const DEFAULT_BODY_BYTES = 4096;

export function compileForward(
  action: RouteAction,
  matched: MatchedPath,
  filtersOf: DestinationFilters,
  path: string,
  findings: Findings,
): Forward {
  const destinations = compileDestinations(action, filtersOf, path, findings);
  warnOfTypedPolicy(action.retryPolicyTypedConfig, path, findings);
  const upgrades = new Map<string, boolean>();
  let terminatesConnect = false;
  let terminatesPost = false;
  action.upgradeConfigs.forEach((upgrade, i) => {
    const type = upgrade.upgradeType.toLowerCase();
    const at = `${path}.upgrade_configs[${i}]`;
    upgrades.set(type, upgrade.enabled ?? true);
    if (upgrade.connectConfig !== undefined && type !== 'connect') {
      findings.error(`${at}.connect_config`, 'is only for upgrade_type CONNECT');
    } else if (upgrade.connectConfig !== undefined) {
      terminatesConnect = true;
      terminatesPost = upgrade.connectConfig.allowPost;
    }
  });
  const status = {
    [NotFound.SERVICE_UNAVAILABLE]: 503,
    [NotFound.NOT_FOUND]: 404,
    [NotFound.INTERNAL_SERVER_ERROR]: 500,
  };
  return {
    kind: 'forward',
    priority: action.priority === RoutingPriority.HIGH ? 'high' : 'default',
    destinations,
    totalWeight: destinations.reduce((sum, { weight }) => sum + weight, 0),
    clusterNotFoundStatus: status[action.clusterNotFoundResponseCode] ?? 503,
    rewritePath:
      action.pathRewritePolicy === undefined
        ? compilePathRewrite(action.prefixRewrite, action.regexRewrite, matched, path, findings)
        : compileTemplateRewrite(action, matched.template, path, findings),
    rewriteHost: compileHostRewrite(action, path, findings),
    autoHostRewrite:
      action.hostRewriteSpecifier.case === 'autoHostRewrite' && action.hostRewriteSpecifier.value.value,
    appendForwardedHost: action.appendXForwardedHost,
    timeouts: compileTimeouts(action, path, findings),
    retry:
      action.retryPolicy === undefined
        ? undefined
        : compileRetryPolicy(action.retryPolicy, `${path}.retry_policy`, findings),
    hedges: compileHedgePolicy(action.hedgePolicy, `${path}.hedge_policy`, findings),
    hash: compileHashPolicy(action.hashPolicy, `${path}.hash_policy`, findings),

    terminatesConnect,
    terminatesPost,
    upgrades,
  };
}

function compileDestinations(
  action: RouteAction,
  filtersOf: DestinationFilters,
  path: string,
  findings: Findings,
): Destination[] {
  const { clusterSpecifier: specifier } = action;
  const criteria = compileCriteria(action.metadataMatch);
  const plain = {
    weight: 1,
    request: undefined,
    response: undefined,
    hostRewrite: '',
    criteria,
    filters: undefined,
  };
  switch (specifier.case) {
    case 'cluster':
      return [{ ...plain, cluster: specifier.value, clusterHeader: '' }];
    case 'clusterHeader':
      return [{ ...plain, cluster: '', clusterHeader: specifier.value.toLowerCase() }];
    case 'weightedClusters': {
      const at = `${path}.weighted_clusters`;
      findings.refuse(`${at}.header_name`, specifier.value.randomValueSpecifier.case === 'headerName');
      const destinations = specifier.value.clusters.map((entry, i): Destination => {
        const here = `${at}.clusters[${i}]`;
        if (entry.name === '' && entry.clusterHeader === '') findings.error(`${here}.name`, 'is missing');
        const mutation = (kind: 'request' | 'response'): HeaderMutation | undefined =>
          kind === 'request'
            ? compileMutation(
                entry.requestHeadersToAdd,
                entry.requestHeadersToRemove,
                `${here}.`,
                kind,
                findings,
              )
            : compileMutation(
                entry.responseHeadersToAdd,
                entry.responseHeadersToRemove,
                `${here}.`,
                kind,
                findings,
              );
        return {
          cluster: entry.name,
          clusterHeader: entry.clusterHeader.toLowerCase(),
          weight: entry.weight ?? 0,
          request: mutation('request'),
          response: mutation('response'),
          hostRewrite:
            entry.hostRewriteSpecifier.case === 'hostRewriteLiteral' ? entry.hostRewriteSpecifier.value : '',
          criteria: mergeCriteria(criteria, compileCriteria(entry.metadataMatch)),
          filters:
            Object.keys(entry.typedPerFilterConfig).length === 0
              ? undefined
              : filtersOf(entry.typedPerFilterConfig, `${here}.`),
        };
      });
      if (destinations.every(({ weight }) => weight === 0)) {
        findings.error(`${at}.clusters`, 'the sum of the weights must be at least 1');
      }
      return destinations;
    }
    default:
      findings.error(path, 'names no cluster');
      return [];
  }
}

function compileHostRewrite(
  action: RouteAction,
  path: string,
  findings: Findings,
): ((source: HeaderSource) => string | undefined) | undefined {
  const { hostRewriteSpecifier: specifier } = action;
  switch (specifier.case) {
    case 'hostRewriteLiteral': {
      const literal = byteString(specifier.value);
      return () => literal;
    }
    case 'hostRewriteHeader': {
      const name = specifier.value.toLowerCase();
      // The first value; an empty one changes nothing.
      return (source) => headerOf(source.requestHeaders, name) || undefined;
    }
    case 'hostRewritePathRegex': {
      const regex = compileSubstitution(specifier.value, `${path}.host_rewrite_path_regex`, findings);
      const substitution = byteString(specifier.value.substitution);
      if (regex === undefined) return undefined;
      return (source) => regex.replaceAll(source.path.split('?', 1)[0]!, substitution);
    }
    default:
      return undefined;
  }
}

const redirectStatus: Readonly<Record<number, number>> = {
  [RedirectCode.MOVED_PERMANENTLY]: 301,
  [RedirectCode.FOUND]: 302,
  [RedirectCode.SEE_OTHER]: 303,
  [RedirectCode.TEMPORARY_REDIRECT]: 307,
  [RedirectCode.PERMANENT_REDIRECT]: 308,
};

export function compileRedirect(
  action: RedirectAction,
  matched: MatchedPath,
  path: string,
  findings: Findings,
): Redirect {
  const { schemeRewriteSpecifier: scheme, pathRewriteSpecifier: to } = action;
  let newPath: PathRewrite | undefined;
  if (to.case === 'prefixRewrite') newPath = compilePathRewrite(to.value, undefined, matched, path, findings);
  else if (to.case === 'regexRewrite') newPath = compilePathRewrite('', to.value, matched, path, findings);
  else if (to.case === 'pathRewrite') findings.error(`${path}.path_rewrite`, 'is not supported');
  const pathRedirect = to.case === 'pathRedirect' ? byteString(to.value) : undefined;
  return {
    kind: 'redirect',
    status: redirectStatus[action.responseCode] ?? 301,
    location(source, secure) {
      const old = secure ? 'https' : 'http';
      const next =
        scheme.case === 'httpsRedirect' && scheme.value
          ? 'https'
          : scheme.case === 'schemeRedirect' && scheme.value !== ''
            ? scheme.value
            : old;
      const host = redirectHost(action, source.authority, old, next);
      let target = source.path;
      const question = target.indexOf('?');
      const query = question === -1 ? '' : target.slice(question);
      if (pathRedirect !== undefined && pathRedirect !== '') {
        target = pathRedirect.includes('?') || query === '' ? pathRedirect : pathRedirect + query;
      } else if (newPath !== undefined) target = newPath(target);
      if (action.stripQuery && (pathRedirect === undefined || !pathRedirect.includes('?')))
        target = target.split('?', 1)[0]!;
      return `${next}://${host}${target}`;
    },
  };
}

function redirectHost(
  action: RedirectAction,
  authority: string,
  oldScheme: string,
  newScheme: string,
): string {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon !== -1 && authority.indexOf(']', colon) === -1;
  let host = action.hostRedirect === '' ? authority : byteString(action.hostRedirect);
  if (action.portRedirect !== 0) {
    const at = host.lastIndexOf(':');
    if (at !== -1 && host.indexOf(']', at) === -1) host = host.slice(0, at);
    return `${host}:${action.portRedirect}`;
  }
  if (action.hostRedirect !== '' || !hasPort || oldScheme === newScheme) return host;
  // The default port of the old scheme means nothing in the new one.
  const port = authority.slice(colon + 1);
  return port === (oldScheme === 'http' ? '80' : '443') ? authority.slice(0, colon) : host;
}

export function compileDirectResponse(
  action: DirectResponseAction,
  maxBodyBytes: number | undefined,
  path: string,
  findings: Findings,
): DirectResponse {
  const { status } = action;
  if (status < 200 || status > 599) findings.error(`${path}.status`, 'must be from 200 to 599');
  const body = inlineText(action.body, `${path}.body`, findings);
  if (body.length > (maxBodyBytes ?? DEFAULT_BODY_BYTES)) {
    findings.error(
      `${path}.body`,
      `is ${body.length} bytes long, more than ${maxBodyBytes ?? DEFAULT_BODY_BYTES}`,
    );
  }
  return { kind: 'direct', status, body };
}

/** Text given inline, as a byte string. */
export function inlineText(source: DataSource | undefined, path: string, findings: Findings): string {
  switch (source?.specifier.case) {
    case undefined:
      return '';
    case 'inlineString':
      return byteString(source.specifier.value);
    case 'inlineBytes': {
      let bytes = '';
      for (const byte of source.specifier.value) bytes += String.fromCharCode(byte);
      return bytes;
    }
    default:
      findings.error(path, 'must be given inline');
      return '';
  }
}
