/**
 * What calls of gRPC are known to be is matched here, and the rest written so that each of its clients understands it
 * alike. None of them has pseudo headers or queries to look at (gRFC A28).
 */
import { compileRegex } from '#core/regex.ts';
import type {
  HeaderMatcher,
  HeaderMatcherSchema,
  RouteMatch,
  RouteMatchSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcher } from '#xds/gen/envoy/type/matcher/v3/string_pb.js';
import type { Init } from './message.ts';

type RouteMatchInit = Init<typeof RouteMatchSchema>;
type HeaderMatcherInit = Init<typeof HeaderMatcherSchema>;

/** Each value that may be missing doubles the routes: above this they are left to the client. */
const MAX_DOUBLED = 6;

export function asksForAuthority({ headers }: RouteMatch): boolean {
  return headers.some(({ name }) => name === ':authority');
}

/**
 * Matches any of which is the match for calls to `authority`; empty where no call of gRPC matches.
 *
 * @param authority as the client was told to call it: `name:port`
 */
export function grpcMatches(match: RouteMatch, authority: string): RouteMatchInit[] {
  const { headers, queryParameters, pathSpecifier, caseSensitive } = match;
  if (queryParameters.length > 0) return [];
  const known = new Map([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', authority],
  ]);
  const isMet = headers.every((header) => {
    const value = known.get(header.name);
    return value === undefined || matchesValue(header, value);
  });
  if (!isMet) return [];
  return waysToMatch(headers.filter(({ name }) => !known.has(name))).map((ways) => ({
    pathSpecifier:
      pathSpecifier.case === 'safeRegex'
        ? { case: 'safeRegex', value: { regex: whole(pathSpecifier.value.regex) } }
        : pathSpecifier,
    ...(caseSensitive === false && { caseSensitive }),
    headers: ways,
  }));
}

/** A client that has no such header says that it does not match, whatever is asked for: its absence is a match of its own. */
function waysToMatch(headers: readonly HeaderMatcher[]): HeaderMatcherInit[][] {
  const doubled = headers.filter(maybeMissing).length;
  return headers.reduce<HeaderMatcherInit[][]>(
    (ways, header) => {
      const one = ways.map((way) => [...way, asGrpcReads(header)]);
      if (!maybeMissing(header) || doubled > MAX_DOUBLED) return one;
      return [...one, ...ways.map((way) => [...way, absent(header.name)])];
    },
    [[]],
  );
}

function maybeMissing(header: HeaderMatcher): boolean {
  return header.treatMissingHeaderAsEmpty && matchesValue(header, '');
}

function absent(name: string): HeaderMatcherInit {
  return { name, headerMatchSpecifier: { case: 'presentMatch', value: true }, invertMatch: true };
}

function asGrpcReads({ name, headerMatchSpecifier, invertMatch }: HeaderMatcher): HeaderMatcherInit {
  const common = { name, ...(invertMatch && { invertMatch }) };
  const pattern = headerMatchSpecifier.case === 'stringMatch' && headerMatchSpecifier.value.matchPattern;
  if (pattern === false || pattern.case !== 'safeRegex') return { ...common, headerMatchSpecifier };
  const safeRegex = { case: 'safeRegex' as const, value: { regex: whole(pattern.value.regex) } };
  return { ...common, headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: safeRegex } } };
}

/** Node's client puts `^` and `$` around the text, which hold for the first and the last alternative alone. */
function whole(regex: string): string {
  return regex.includes('|') ? `(?:${regex})` : regex;
}

function matchesValue({ headerMatchSpecifier, invertMatch }: HeaderMatcher, value: string): boolean {
  if (headerMatchSpecifier.case !== 'stringMatch') return !invertMatch;
  return matchesText(headerMatchSpecifier.value, value) !== invertMatch;
}

function matchesText({ matchPattern }: StringMatcher, value: string): boolean {
  if (matchPattern.case === 'exact') return value === matchPattern.value;
  if (matchPattern.case === 'prefix') return value.startsWith(matchPattern.value);
  if (matchPattern.case !== 'safeRegex') return false;
  const compiled = compileRegex(matchPattern.value.regex);
  return compiled.ok && compiled.regex.matches(value);
}
