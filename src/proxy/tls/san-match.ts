/** Names a peer's certificate must carry, one of them (`match_typed_subject_alt_names`). */
import { compileStringMatcher, type TextMatcher } from '#core/matcher.ts';
import type { SubjectAltNames } from '#identity/certificate-details.ts';
import type { SanRule } from './validation-rules.ts';

export type SanMatch = (names: SubjectAltNames) => boolean;

/** Undefined where any name will do. A pattern that does not compile matches nothing. */
export function compileSanMatch(rules: readonly SanRule[]): SanMatch | undefined {
  if (rules.length === 0) return undefined;
  const matches = rules.map(compileRule);
  return (names) => matches.some((match) => match(names));
}

function compileRule({ kind, oid, matcher }: SanRule): SanMatch {
  const compiled = compileStringMatcher(matcher);
  const matches: TextMatcher = compiled.ok ? compiled.matches : () => false;
  const { matchPattern } = matcher;
  // A certificate may stand for a whole level of names, and their case does not count (RFC 6125 §6.4).
  const dns: TextMatcher =
    matchPattern.case === 'exact' ? (name) => coversDnsName(name, matchPattern.value) : matches;
  switch (kind) {
    case 'any':
      return ({ uri, dns: names, ip }) => uri.some(matches) || names.some(dns) || ip.some(matches);
    case 'other':
      return ({ other }) => other.some((name) => name.oid === oid && matches(name.value));
    case 'dns':
      return (names) => names.dns.some(dns);
    default:
      return (names) => names[kind].some(matches);
  }
}

/** One of these, whatever its kind (Envoy, `verify_subject_alt_name`). */
export function matchAnyOf(wanted: readonly string[]): SanMatch {
  return ({ dns, uri, ip }) =>
    wanted.some(
      (name) =>
        dns.some((pattern) => coversDnsName(pattern, name)) || uri.includes(name) || ip.includes(name),
    );
}

/** Whether a name in a certificate, such as `*.example.com`, is that of `host`. */
export function coversDnsName(name: string, host: string): boolean {
  const pattern = name.toLowerCase();
  const wanted = host.toLowerCase();
  if (pattern === wanted) return true;
  if (!pattern.startsWith('*.')) return false;
  const dot = wanted.indexOf('.');
  return dot > 0 && wanted.slice(dot) === pattern.slice(1) && pattern.length > 2;
}
