/** `HeaderMatcher`, `QueryParameterMatcher` and `CookieMatcher`, compiled to functions. */
import { compileStringMatcher, type StringMatcherShape, type TextMatcher } from '#core/matcher.ts';
import { compileRegex } from '#core/regex.ts';
import { hasHeader, joinedHeaderOf } from '#http/header-list.ts';
import type {
  CookieMatcher,
  HeaderMatcher,
  QueryParameterMatcher,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';

/** What a matcher of headers reads: fields, and those that stand in the request line. */
export interface HeaderSource {
  readonly requestHeaders: readonly string[];
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly scheme: string;
}

export type HeaderMatch = (source: HeaderSource) => boolean;

export function compileHeaderMatch(matcher: HeaderMatcher, path: string, findings: Findings): HeaderMatch {
  const name = matcher.name.toLowerCase();
  if (name === '') findings.error(`${path}.name`, 'is missing');
  const { headerMatchSpecifier: specifier, invertMatch, treatMissingHeaderAsEmpty } = matcher;
  const pseudo = pseudoHeader(name);
  if (specifier.case === undefined || specifier.case === 'presentMatch') {
    const wanted = (specifier.case === undefined || specifier.value) !== invertMatch;
    if (pseudo !== undefined) return () => wanted;
    return (source) => (treatMissingHeaderAsEmpty || hasHeader(source.requestHeaders, name)) === wanted;
  }
  const matches = valueMatcher(specifier, path, findings);
  if (pseudo !== undefined) return (source) => matches(pseudo(source)) !== invertMatch;
  const matchesEmpty = treatMissingHeaderAsEmpty && matches('') !== invertMatch;
  return ({ requestHeaders }) => {
    let isThere = false;
    for (let i = 0; i < requestHeaders.length; i += 2) {
      if (requestHeaders[i] !== name) continue;
      // Each value is looked at by itself, and one is enough.
      if (matches(requestHeaders[i + 1]!)) return !invertMatch;
      isThere = true;
    }
    // Without a value there is nothing to be inverted: Envoy 1.40 lets no matcher of values match.
    return isThere ? invertMatch : matchesEmpty;
  };
}

/** Reads a field of requests, its values joined, or what stands for a part of their line. */
export function headerReader(name: string): (source: HeaderSource) => string | undefined {
  return pseudoHeader(name) ?? ((source) => joinedHeaderOf(source.requestHeaders, name));
}

/** Of the request line; undefined for a field. */
export function pseudoHeader(name: string): ((source: HeaderSource) => string) | undefined {
  switch (name) {
    case ':method':
      return (source) => source.method;
    case ':path':
      return (source) => source.path;
    case ':authority':
    case 'host':
      return (source) => source.authority;
    case ':scheme':
      return (source) => source.scheme;
    default:
      return undefined;
  }
}

type Specifier = Exclude<
  HeaderMatcher['headerMatchSpecifier'],
  { case: undefined } | { case: 'presentMatch' }
>;

function valueMatcher(specifier: Specifier, path: string, findings: Findings): TextMatcher {
  switch (specifier.case) {
    case 'stringMatch':
      return textMatcher(specifier.value, `${path}.string_match`, findings);
    case 'safeRegexMatch': {
      const compiled = compileRegex(specifier.value.regex);
      if (compiled.ok) return (text) => compiled.regex.matches(text);
      findings.error(`${path}.safe_regex_match.regex`, compiled.reason);
      return () => false;
    }
    case 'rangeMatch': {
      const { start, end } = specifier.value;
      return (text) => /^[+-]?\d{1,18}$/.test(text) && BigInt(text) >= start && BigInt(text) < end;
    }
    case 'exactMatch':
      return (text) => text === specifier.value;
    case 'prefixMatch':
      return (text) => text.startsWith(specifier.value);
    case 'suffixMatch':
      return (text) => text.endsWith(specifier.value);
    case 'containsMatch':
      return (text) => text.includes(specifier.value);
  }
}

export function textMatcher(shape: StringMatcherShape, path: string, findings: Findings): TextMatcher {
  const compiled = compileStringMatcher(shape);
  if (compiled.ok) return compiled.matches;
  findings.error(path, compiled.reason);
  return () => false;
}

export function compileQueryMatch(
  matcher: QueryParameterMatcher,
  path: string,
  findings: Findings,
): HeaderMatch {
  const { name, queryParameterMatchSpecifier: specifier } = matcher;
  if (specifier.case === 'stringMatch') {
    const matches = textMatcher(specifier.value, `${path}.string_match`, findings);
    return (source) => {
      const value = queryValue(source.path, name);
      return value !== undefined && matches(value);
    };
  }
  const wanted = specifier.case === undefined || specifier.value;
  return (source) => (queryValue(source.path, name) !== undefined) === wanted;
}

/** The first value of a parameter, as it stands there; '' for one without `=`. */
export function queryValue(path: string, name: string): string | undefined {
  const question = path.indexOf('?');
  if (question === -1) return undefined;
  const hash = path.indexOf('#', question);
  for (const pair of path.slice(question + 1, hash === -1 ? undefined : hash).split('&')) {
    const equals = pair.indexOf('=');
    if ((equals === -1 ? pair : pair.slice(0, equals)) === name)
      return equals === -1 ? '' : pair.slice(equals + 1);
  }
  return undefined;
}

export function compileCookieMatch(matcher: CookieMatcher, path: string, findings: Findings): HeaderMatch {
  const { name, invertMatch } = matcher;
  if (matcher.stringMatch === undefined) {
    findings.error(`${path}.string_match`, 'is missing');
    return () => false;
  }
  const matches = textMatcher(matcher.stringMatch, `${path}.string_match`, findings);
  return (source) => {
    const value = cookieValue(source.requestHeaders, name);
    return value === undefined ? invertMatch : matches(value) !== invertMatch;
  };
}

/** The value of the first cookie of that name, without quotes. */
export function cookieValue(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    for (const pair of headers[i + 1]!.split(';')) {
      const equals = pair.indexOf('=');
      if (equals !== -1 && pair.slice(0, equals).trim() === name) {
        return pair
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1');
      }
    }
  }
  return undefined;
}
