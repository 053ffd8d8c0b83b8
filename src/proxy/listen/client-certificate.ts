/** What `x-forwarded-client-cert` can tell of a TLS connection; one object for each certificate. */
import type { PeerCertificate } from '#identity/peer-certificate.ts';
import type { ClientCertificate } from '../hcm/client-cert.ts';
import type { TlsPeer } from '../tls/peer.ts';

const told = new WeakMap<PeerCertificate, Map<string, ClientCertificate>>();

/** Undefined where the client showed none. */
export function clientCertificateOf({
  certificate,
  chainPem = '',
  ownUri,
}: TlsPeer): ClientCertificate | undefined {
  if (certificate === undefined) return undefined;
  const known = told.get(certificate) ?? new Map<string, ClientCertificate>();
  told.set(certificate, known);
  const key = `${ownUri}\n${chainPem}`;
  let facts = known.get(key);
  if (facts === undefined) {
    facts = {
      ownUri,
      hash: certificate.sha256,
      subject: certificate.details.subject,
      issuer: certificate.details.issuer,
      pem: encodeURIComponent(certificate.pem),
      chainPem: encodeURIComponent(chainPem),
      uris: certificate.names.uri,
      dns: certificate.names.dns,
    };
    known.set(key, facts);
  }
  return facts;
}
