/** A `RouteMatch`, compiled: which requests a route takes. */
import type { RouteMatch } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import {
  compileCookieMatch,
  compileHeaderMatch,
  compileQueryMatch,
  type HeaderMatch,
  type HeaderSource,
} from './header-match.ts';
import { compilePath, type MatchedPath } from './path-match.ts';
import { anyPath, type PathKey } from './route-index.ts';
import { compileFilterStateMatch, compileMetadataMatch, type Noted } from './value-match.ts';

/** What is known of a request when its route is looked for. */
export interface RouteRequest extends HeaderSource, Noted {
  readonly isGrpc: boolean;
  /** Whether the client showed a certificate, and whether it was verified. */
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  /** Decides about all fractions and weights of one request: an integer, 0 to 2^53 - 1. */
  readonly randomValue: number;
}

interface CompiledMatch {
  readonly key: PathKey;
  readonly matched: MatchedPath;
  matches(request: RouteRequest, path: string): boolean;
}

export function compileMatch(
  match: RouteMatch | undefined,
  path: string,
  runtime: RuntimeValues,
  findings: Findings,
): CompiledMatch {
  if (match === undefined) {
    findings.error(path, 'is missing');
    return { key: anyPath, matched: { prefix: undefined }, matches: () => false };
  }
  const { key, test, ...matched } = compilePath(match, path, findings);
  const rest = compileConditions(match, path, runtime, findings);
  if (rest.length === 0) return { key, matched, matches: test };
  return {
    key,
    matched,
    matches(request, plain) {
      if (!test(request, plain)) return false;
      for (let i = 0; i < rest.length; i++) if (!rest[i]!(request)) return false;
      return true;
    },
  };
}

/** What must hold besides the path. */
function compileConditions(
  match: RouteMatch,
  path: string,
  runtime: RuntimeValues,
  findings: Findings,
): ((request: RouteRequest) => boolean)[] {
  const conditions: ((request: RouteRequest) => boolean)[] = [
    ...match.headers.map(
      (matcher, i): HeaderMatch => compileHeaderMatch(matcher, `${path}.headers[${i}]`, findings),
    ),
    ...match.queryParameters.map((matcher, i) =>
      compileQueryMatch(matcher, `${path}.query_parameters[${i}]`, findings),
    ),
    ...match.cookies.map((matcher, i) => compileCookieMatch(matcher, `${path}.cookies[${i}]`, findings)),
    ...match.dynamicMetadata.map((matcher, i) =>
      compileMetadataMatch(matcher, `${path}.dynamic_metadata[${i}]`, findings),
    ),
    ...match.filterState.map((matcher, i) =>
      compileFilterStateMatch(matcher, `${path}.filter_state[${i}]`, findings),
    ),
  ];
  if (match.grpc !== undefined) conditions.push((request) => request.isGrpc);
  const { runtimeFraction, tlsContext } = match;
  if (tlsContext?.presented !== undefined)
    conditions.push((request) => request.peerPresented === tlsContext.presented);
  if (tlsContext?.validated !== undefined)
    conditions.push((request) => request.peerValidated === tlsContext.validated);
  if (runtimeFraction !== undefined) {
    const { defaultValue, runtimeKey } = runtimeFraction;
    if (defaultValue === undefined) findings.error(`${path}.runtime_fraction.default_value`, 'is missing');
    else conditions.push((request) => runtime.isEnabled(runtimeKey, defaultValue, request.randomValue));
  }
  return conditions;
}
