/** `InternalRedirectPolicy`: which redirects of the upstream the proxy follows itself (Envoy, "Internal redirects"). */
import type { RouteAction } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteAction_InternalRedirectAction as OldAction } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { AllowListedRoutesConfigSchema } from '#xds/gen/envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config_pb.js';
import { PreviousRoutesConfigSchema } from '#xds/gen/envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config_pb.js';
import { SafeCrossSchemeConfigSchema } from '#xds/gen/envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';
import { isName } from './header-mutation.ts';

/** A redirect, as predicates see it. */
export interface RedirectStep {
  /** Names of the route that the request took, and of the one it would take. */
  readonly from: string;
  readonly to: string;
  readonly fromSecure: boolean;
  readonly toSecure: boolean;
  /** Pairs of both that were taken before, for this request. */
  readonly taken: Set<string>;
}

export interface InternalRedirects {
  readonly max: number;
  readonly statuses: ReadonlySet<number>;
  readonly allowsCrossScheme: boolean;
  /** Names of headers of the response, lower case. */
  readonly copied: readonly string[];
  allows(step: RedirectStep): boolean;
}

type Predicate = (step: RedirectStep) => boolean;

/** Envoy's defaults. */
const FOUND = 302;
const MAX_REDIRECTS = 1;
const redirects: ReadonlySet<number> = new Set([301, FOUND, 303, 307, 308]);

/** Undefined where none is followed. */
export function compileInternalRedirects(
  action: RouteAction,
  path: string,
  findings: Findings,
): InternalRedirects | undefined {
  const { internalRedirectPolicy: policy } = action;
  if (policy === undefined) {
    if (action.internalRedirectAction !== OldAction.HANDLE_INTERNAL_REDIRECT) {
      if (action.maxInternalRedirects !== undefined)
        findings.warn(`${path}.max_internal_redirects`, 'has no effect: no redirect is followed');
      return undefined;
    }
    return {
      max: action.maxInternalRedirects ?? MAX_REDIRECTS,
      statuses: new Set([FOUND]),
      allowsCrossScheme: false,
      copied: [],
      allows: () => true,
    };
  }
  const at = `${path}.internal_redirect_policy`;
  const codes = policy.redirectResponseCodes.filter((code, i) => {
    if (!redirects.has(code))
      findings.warn(`${at}.redirect_response_codes[${i}]`, `${code} is no redirect, and is left out`);
    return redirects.has(code);
  });
  if (policy.redirectResponseCodes.length > 5)
    findings.error(`${at}.redirect_response_codes`, 'must have at most 5 codes');
  const copied = policy.responseHeadersToCopy.map((name, i) => {
    const lower = name.toLowerCase();
    if (!isName(lower) || lower === 'host')
      findings.error(`${at}.response_headers_to_copy[${i}]`, `"${name}" cannot be copied`);
    return lower;
  });
  const predicates = policy.predicates.map((predicate, i) =>
    compilePredicate(predicate.typedConfig, `${at}.predicates[${i}].typed_config`, findings),
  );
  return {
    max: policy.maxInternalRedirects ?? MAX_REDIRECTS,
    statuses: new Set(policy.redirectResponseCodes.length === 0 ? [FOUND] : codes),
    allowsCrossScheme: policy.allowCrossSchemeRedirect,
    copied,
    allows: (step) => predicates.every((allows) => allows(step)),
  };
}

function compilePredicate(
  any: Parameters<Findings['unpack']>[1],
  path: string,
  findings: Findings,
): Predicate {
  switch (typeNameOf(any)) {
    case PreviousRoutesConfigSchema.typeName:
      return ({ from, to, taken }) => {
        const pair = JSON.stringify([from, to]);
        if (taken.has(pair)) return false;
        taken.add(pair);
        return true;
      };
    case AllowListedRoutesConfigSchema.typeName: {
      const config = findings.unpack(path, any, AllowListedRoutesConfigSchema);
      const names = new Set(config?.allowedRouteNames);
      return ({ to }) => names.has(to);
    }
    case SafeCrossSchemeConfigSchema.typeName:
      return ({ fromSecure, toSecure }) => fromSecure || !toSecure;
    default:
      findings.error(
        path,
        `type ${any?.typeUrl ?? ''} is not supported: see docs/routing.md for those that are`,
      );
      return () => false;
  }
}
