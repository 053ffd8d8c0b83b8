/** What `x-forwarded-client-cert` can tell of a TLS connection. */
import type { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../hcm/client-cert.ts';
import { parseSubjectAltNames } from '../tls/san.ts';

export function clientCertificateOf(socket: TLSSocket, ownUri: string): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const names = parseSubjectAltNames(certificate.subjectAltName);
  return {
    ownUri,
    hash: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    // RFC 4514: the most specific name first, on one line.
    subject: (certificate.subject ?? '').split('\n').reverse().join(',').replaceAll('"', '\\"'),
    pem: encodeURIComponent(certificate.toString()),
    chainPem: '',
    uris: names.uri,
    dns: names.dns,
  };
}
