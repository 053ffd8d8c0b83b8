/** `match` of a VirtualService's HTTP route -> RouteMatch. */
import { type HttpMatch, ignoredHeaderNames } from '#model/http-match.ts';
import type { StringMatch } from '#model/string-match.ts';
import type {
  HeaderMatcherSchema,
  QueryParameterMatcherSchema,
  RouteMatchSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcherSchema } from '#xds/gen/envoy/type/matcher/v3/string_pb.js';
import type { Init } from './message.ts';

type RouteMatchInit = Init<typeof RouteMatchSchema>;
type HeaderMatcherInit = Init<typeof HeaderMatcherSchema>;
type QueryMatcherInit = Init<typeof QueryParameterMatcherSchema>;
type StringMatcherInit = Init<typeof StringMatcherSchema>;

export const matchEverything: RouteMatchInit = { pathSpecifier: { case: 'prefix', value: '/' } };

/** Only `CONNECT`, which the others never match. */
export const matchConnect: RouteMatchInit = { pathSpecifier: { case: 'connectMatcher', value: {} } };

export function translateMatch(match: HttpMatch): RouteMatchInit {
  return {
    pathSpecifier: pathSpecifier(match.uri),
    ...(match.ignoreUriCase && { caseSensitive: false }),
    headers: headerMatchers(match),
    queryParameters: Object.entries(match.queryParams).map(([name, value]) => queryMatcher(name, value)),
  };
}

function pathSpecifier(uri: StringMatch | undefined): NonNullable<RouteMatchInit['pathSpecifier']> {
  if (uri?.exact !== undefined) return { case: 'path', value: uri.exact };
  if (uri?.regex !== undefined) return { case: 'safeRegex', value: { regex: uri.regex } };
  return { case: 'prefix', value: uri?.prefix ?? '/' };
}

function headerMatchers(match: HttpMatch): HeaderMatcherInit[] {
  const { method, authority, scheme, headers, withoutHeaders } = match;
  const pseudo: [name: string, value: StringMatch | undefined][] = [
    [':method', method],
    [':authority', authority],
    [':scheme', scheme],
  ];
  return [
    ...pseudo.flatMap(([name, value]) => (value === undefined ? [] : [headerMatcher(name, value)])),
    ...matchable(headers).map(([name, value]) => headerMatcher(name, value)),
    ...matchable(withoutHeaders).map(([name, value]) => absenceMatcher(name, value)),
  ];
}

function matchable(headers: HttpMatch['headers']): [name: string, value: StringMatch][] {
  return Object.entries(headers).filter(([name]) => !ignoredHeaderNames.includes(name));
}

function headerMatcher(name: string, value: StringMatch): HeaderMatcherInit {
  const matcher = stringMatcher(value);
  return {
    name,
    headerMatchSpecifier:
      matcher === undefined ? { case: 'presentMatch', value: true } : { case: 'stringMatch', value: matcher },
  };
}

/** A header that is not there does not match a value, so it fulfils "without". */
function absenceMatcher(name: string, value: StringMatch): HeaderMatcherInit {
  const matcher = headerMatcher(name, value);
  const asksForValue = matcher.headerMatchSpecifier?.case === 'stringMatch';
  return { ...matcher, invertMatch: true, ...(asksForValue && { treatMissingHeaderAsEmpty: true }) };
}

function queryMatcher(name: string, value: StringMatch): QueryMatcherInit {
  const matcher = stringMatcher(value);
  return {
    name,
    queryParameterMatchSpecifier:
      matcher === undefined ? { case: 'presentMatch', value: true } : { case: 'stringMatch', value: matcher },
  };
}

/** Undefined for an empty match, which asks for presence. */
export function stringMatcher({ exact, prefix, regex }: StringMatch): StringMatcherInit | undefined {
  if (exact !== undefined) return { matchPattern: { case: 'exact', value: exact } };
  if (regex !== undefined) return { matchPattern: { case: 'safeRegex', value: { regex } } };
  // Envoy refuses an empty prefix; every value has it.
  if (prefix !== undefined && prefix !== '') return { matchPattern: { case: 'prefix', value: prefix } };
  return undefined;
}
