/** Routes that forward: where a request goes, and what is made of it. */
import { headerOf } from '#http/header-list.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import { RoutingPriority } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  RouteAction_ClusterNotFoundResponseCode as NotFound,
  type RouteAction,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { byteString, type Findings } from '../findings.ts';
import {
  type ChooseDestination,
  compileDestinations,
  type Destination,
  type DestinationFilters,
} from './destinations.ts';
import { compileHashPolicy, type RequestHash } from './hash-policy.ts';
import type { HeaderSource } from './header-match.ts';
import { compileValueFormat } from './header-mutation.ts';
import { compileHedgePolicy } from './hedge-policy.ts';
import { compileInternalRedirects, type InternalRedirects } from './internal-redirect.ts';
import type { HostContext } from './level.ts';
import { compileMirrors, type MirrorPolicy } from './mirror-policy.ts';
import type { MatchedPath } from './path-match.ts';
import {
  compileFormattedPath,
  compilePathRewrite,
  compileTemplateRewrite,
  type FormattedPath,
} from './path-rewrite.ts';
import { compileRetryPolicy, type RetryRules, warnOfTypedPolicy } from './retry-policy.ts';
import { compileSubstitution } from './substitution.ts';
import { compileTimeouts, type RouteTimeouts } from './timeout.ts';

/** Which limits of its cluster a request counts against. */
export type RequestPriority = 'default' | 'high';

export interface Forward {
  readonly kind: 'forward';
  readonly destinations: readonly Destination[];
  readonly choose: ChooseDestination;
  readonly clusterNotFoundStatus: number;
  readonly rewritePath: FormattedPath | undefined;
  /** The new authority; undefined keeps the old one. */
  readonly rewriteHost: ((source: HeaderSource & AccessRecord) => string | undefined) | undefined;
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  readonly timeouts: RouteTimeouts;
  readonly retry: RetryRules | undefined;
  /** Whether a try that takes long goes on while another begins; undefined: the virtual host says. */
  readonly hedges: boolean | undefined;
  /** Who gets copies of requests: of this route, or around it. */
  readonly mirrors: readonly MirrorPolicy[];
  /** Undefined where no redirect of the upstream is followed. */
  readonly redirects: InternalRedirects | undefined;
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

export interface NoForwarding {
  readonly kind: 'none';
}

export function compileForward(
  action: RouteAction,
  matched: MatchedPath,
  filtersOf: DestinationFilters,
  path: string,
  context: HostContext,
): Forward {
  const { findings, runtime } = context;
  refuseUnsupported(action, path, findings);
  const hash = compileHashPolicy(action.hashPolicy, `${path}.hash_policy`, findings);
  const { list: destinations, choose } = compileDestinations(action, hash, path, { ...context, filtersOf });
  warnOfTypedPolicy(action.retryPolicyTypedConfig, path, findings);
  const upgrades = new Map<string, boolean>();
  let terminatesConnect = false;
  let terminatesPost = false;
  action.upgradeConfigs.forEach((upgrade, i) => {
    const type = upgrade.upgradeType.toLowerCase();
    const at = `${path}.upgrade_configs[${i}]`;
    upgrades.set(type, upgrade.enabled ?? true);
    findings.refuse(
      `${at}.connect_config.proxy_protocol_config`,
      upgrade.connectConfig?.proxyProtocolConfig !== undefined,
    );
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
    choose,
    clusterNotFoundStatus: status[action.clusterNotFoundResponseCode] ?? 503,
    rewritePath: compileRewrite(action, matched, path, findings),
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
    mirrors: compileMirrors(action.requestMirrorPolicies, context.mirrors, `${path}.`, runtime, findings),
    redirects: compileInternalRedirects(action, path, findings),
    hash,
    terminatesConnect,
    terminatesPost,
    upgrades,
  };
}

/** What Envoy does of a route and this proxy does not. */
function refuseUnsupported(action: RouteAction, path: string, findings: Findings): void {
  if (action.rateLimits.length > 0)
    findings.error(
      `${path}.rate_limits`,
      'is not supported: give the filter local_ratelimit rate_limits of its own',
    );
  findings.refuse(`${path}.include_vh_rate_limits`, action.includeVhRateLimits === true);
  if (action.cors !== undefined)
    findings.error(`${path}.cors`, 'is not supported: use typed_per_filter_config with a CorsPolicy');
  if (action.earlyDataPolicy !== undefined)
    findings.warn(`${path}.early_data_policy`, 'has no effect: no early data is sent');
}

function compileRewrite(
  action: RouteAction,
  matched: MatchedPath,
  path: string,
  findings: Findings,
): FormattedPath | undefined {
  if (action.pathRewrite !== '') {
    if (
      action.prefixRewrite !== '' ||
      action.regexRewrite !== undefined ||
      action.pathRewritePolicy !== undefined
    )
      findings.error(path, 'has path_rewrite beside prefix_rewrite, regex_rewrite or path_rewrite_policy');
    return compileFormattedPath(action.pathRewrite, `${path}.path_rewrite`, findings);
  }
  return action.pathRewritePolicy === undefined
    ? compilePathRewrite(action.prefixRewrite, action.regexRewrite, matched, path, findings)
    : compileTemplateRewrite(action, matched.template, path, findings);
}

function compileHostRewrite(
  action: RouteAction,
  path: string,
  findings: Findings,
): ((source: HeaderSource & AccessRecord) => string | undefined) | undefined {
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
    case 'hostRewrite':
      // As Envoy 1.40 has it, which is not so for paths.
      return compileValueFormat(specifier.value, `${path}.host_rewrite`, findings, '-');
    default:
      return undefined;
  }
}
