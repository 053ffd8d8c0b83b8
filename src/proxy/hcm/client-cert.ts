/** `x-forwarded-client-cert`: what the client's certificate says, told to the application (Envoy, "x-forwarded-client-cert"). */
import { type HeaderList, headerOf, removeHeader, setHeader } from '#http/header-list.ts';

export type ForwardCert =
  | 'sanitize'
  | 'forward-only'
  | 'append-forward'
  | 'sanitize-set'
  | 'always-forward-only';

export interface ClientCertRules {
  readonly forward: ForwardCert;
  readonly subject: boolean;
  readonly cert: boolean;
  readonly chain: boolean;
  readonly dns: boolean;
  readonly uri: boolean;
  readonly issuer: boolean;
}

/** What is told of a connection's certificates; made once per connection. */
export interface ClientCertificate {
  readonly ownUri: string;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly hash: string;
  readonly subject: string;
  readonly issuer: string;
  /** URL-encoded PEM. */
  readonly pem: string;
  readonly chainPem: string;
  readonly uris: readonly string[];
  readonly dns: readonly string[];
}

const NAME = 'x-forwarded-client-cert';

/** @param certificate undefined without mutual TLS. */
export function forwardClientCert(
  headers: HeaderList,
  rules: ClientCertRules,
  certificate: ClientCertificate | undefined,
): void {
  const { forward } = rules;
  if (forward === 'always-forward-only') return;
  if (forward === 'sanitize' || certificate === undefined) {
    removeHeader(headers, NAME);
    return;
  }
  if (forward === 'forward-only') return;
  const own = elementOf(rules, certificate);
  const before = headerOf(headers, NAME);
  setHeader(headers, NAME, forward === 'append-forward' && before !== undefined ? `${before},${own}` : own);
}

function elementOf(rules: ClientCertRules, certificate: ClientCertificate): string {
  const parts: string[] = [];
  if (certificate.ownUri !== '') parts.push(`By=${certificate.ownUri}`);
  parts.push(`Hash=${certificate.hash}`);
  if (rules.cert) parts.push(`Cert="${certificate.pem}"`);
  if (rules.chain) parts.push(`Chain="${certificate.chainPem}"`);
  if (rules.subject) parts.push(`Subject="${certificate.subject}"`);
  if (rules.uri) {
    if (certificate.uris.length === 0) parts.push('URI=');
    for (const uri of certificate.uris) parts.push(`URI=${uri}`);
  }
  if (rules.dns) for (const name of certificate.dns) parts.push(`DNS=${name}`);
  if (rules.issuer) parts.push(`Issuer="${certificate.issuer}"`);
  return parts.join(';');
}
