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
type PathSpecifier = RouteMatch['pathSpecifier'];

/** Each value that may be missing doubles the routes: with more of them than that nobody can look at them. */
export const MAX_DOUBLED = 6;

/** Written by clients after they have chosen a route. */
const writtenLater: ReadonlySet<string> = new Set([
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-timeout',
  'host',
  'user-agent',
]);

/** Whether clients choose routes without a look at it. @param name in lower case */
export function isUnseenHeader(name: string): boolean {
  return name.endsWith('-bin') || writtenLater.has(name);
}

export function asksForAuthority({ headers }: RouteMatch): boolean {
  return headers.some(({ name }) => name === ':authority');
}

/**
 * Matches any of which is the match for calls to `authority`; empty where no call of gRPC matches.
 *
 * @param authority as the client was told to call it: `name:port`
 * @param unseen whether conditions hold that no client can look at
 */
export function grpcMatches(match: RouteMatch, authority: string, unseen: boolean): RouteMatchInit[] {
  if (match.queryParameters.length > 0) return [];
  const { path, headers } = withPath(match);
  const known = new Map([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', authority],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...(path.case === 'path' && match.caseSensitive !== false ? [[':path', path.value] as const] : []),
  ]);
  const isMet = headers.every((header) => {
    const value = known.get(header.name);
    return value === undefined || matchesValue(header, value);
  });
  if (!isMet) return [];
  const asked = headers.filter(({ name }) => !known.has(name));
  const seen = seenOf(asked);
  if (seen.length < asked.length && !unseen) return [];
  return waysToMatch(seen).map((ways) => ({
    pathSpecifier:
      path.case === 'safeRegex'
        ? { case: 'safeRegex', value: { regex: whole(path.value.regex) } }
        : (path as NonNullable<RouteMatchInit['pathSpecifier']>),
    ...(match.caseSensitive === false && { caseSensitive: false }),
    headers: ways,
  }));
}

/** A condition on the header `:path` where there is no other on the path. */
function withPath(match: RouteMatch): {
  readonly path: PathSpecifier;
  readonly headers: readonly HeaderMatcher[];
} {
  const { pathSpecifier } = match;
  const headers = match.headers.filter((header) => !asksForAnyPath(header));
  const takesAll = pathSpecifier.case === 'prefix' && pathSpecifier.value === '/';
  const moved = takesAll ? headers.find((header) => pathOf(header) !== undefined) : undefined;
  if (moved === undefined) return { path: pathSpecifier, headers };
  return { path: pathOf(moved)!, headers: headers.filter((header) => header !== moved) };
}

/** Every call has one. */
function asksForAnyPath({ name, headerMatchSpecifier, invertMatch }: HeaderMatcher): boolean {
  return name === ':path' && headerMatchSpecifier.case === 'presentMatch' && !invertMatch;
}

function pathOf({ name, headerMatchSpecifier, invertMatch }: HeaderMatcher): PathSpecifier | undefined {
  if (name !== ':path' || invertMatch || headerMatchSpecifier.case !== 'stringMatch') return undefined;
  const { matchPattern } = headerMatchSpecifier.value;
  if (matchPattern.case === 'exact') return { case: 'path', value: matchPattern.value };
  if (matchPattern.case === 'prefix') return { case: 'prefix', value: matchPattern.value };
  return matchPattern.case === 'safeRegex' ? { case: 'safeRegex', value: matchPattern.value } : undefined;
}

function seenOf(headers: readonly HeaderMatcher[]): readonly HeaderMatcher[] {
  const seen = headers.filter(({ name }) => name !== ':path' && !isUnseenHeader(name));
  const doubling = seen.filter(maybeMissing);
  return doubling.length > MAX_DOUBLED ? seen.filter((header) => !doubling.includes(header)) : seen;
}

/** A client that has no such header says that it does not match, whatever is asked for: its absence is a match of its own. */
function waysToMatch(headers: readonly HeaderMatcher[]): HeaderMatcherInit[][] {
  return headers.reduce<HeaderMatcherInit[][]>(
    (ways, header) => {
      const one = ways.map((way) => [...way, asGrpcReads(header)]);
      if (!maybeMissing(header)) return one;
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
