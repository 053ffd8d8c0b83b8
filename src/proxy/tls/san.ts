/** Names a peer's certificate must carry, one of them (`match_typed_subject_alt_names`). */
import type { TextMatcher } from '#core/matcher.ts';
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType as SanType,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { Findings } from '../findings.ts';
import { textMatcher } from '../route/header-match.ts';

/** The names in a certificate, by kind. */
export interface SubjectAltNames {
  readonly uri: readonly string[];
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly email: readonly string[];
}

export type SanMatch = (names: SubjectAltNames) => boolean;

const kinds: Readonly<Record<number, keyof SubjectAltNames>> = {
  [SanType.EMAIL]: 'email',
  [SanType.DNS]: 'dns',
  [SanType.URI]: 'uri',
  [SanType.IP_ADDRESS]: 'ip',
};

/** Undefined where any name will do. */
export function compileSanMatch(
  context: CertificateValidationContext,
  path: string,
  findings: Findings,
): SanMatch | undefined {
  const matchers: { readonly kind: keyof SubjectAltNames | undefined; readonly matches: TextMatcher }[] = [];
  context.matchTypedSubjectAltNames.forEach(({ sanType, matcher }, i) => {
    const at = `${path}.match_typed_subject_alt_names[${i}]`;
    const kind = kinds[sanType];
    if (kind === undefined) findings.error(`${at}.san_type`, 'is not supported');
    if (matcher === undefined) findings.error(`${at}.matcher`, 'is missing');
    else matchers.push({ kind: kind ?? 'uri', matches: textMatcher(matcher, `${at}.matcher`, findings) });
  });
  context.matchSubjectAltNames.forEach((matcher, i) => {
    matchers.push({
      kind: undefined,
      matches: textMatcher(matcher, `${path}.match_subject_alt_names[${i}]`, findings),
    });
  });
  if (matchers.length === 0) return undefined;
  return (names) =>
    matchers.some(({ kind, matches }) =>
      (kind === undefined ? [...names.uri, ...names.dns, ...names.ip] : names[kind]).some(matches),
    );
}

/**
 * The names in Node's text form, such as `URI:spiffe://a, DNS:b`. Names that Node had to quote
 * (they hold a comma or a quote) are decoded from JSON.
 */
export function parseSubjectAltNames(text: string | undefined): SubjectAltNames {
  const names = { uri: [] as string[], dns: [] as string[], ip: [] as string[], email: [] as string[] };
  for (const [, label, quoted, plain] of (text ?? '').matchAll(
    /([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g,
  )) {
    const value = quoted === undefined ? plain! : unquote(quoted);
    if (label === 'URI') names.uri.push(value);
    else if (label === 'DNS') names.dns.push(value);
    else if (label === 'IP Address') names.ip.push(value);
    else if (label === 'email') names.email.push(value);
  }
  return names;
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return '';
  }
}
