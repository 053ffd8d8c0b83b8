/** Reading certificates: validity and the names that say who they belong to (X.509-SVID §5.2). */
import { X509Certificate } from 'node:crypto';
import { pemBlocks } from './pem.ts';
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts';

export interface CertificateFacts {
  /** Lower-case hexadecimal, without separators. */
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Every URI among the subject alternative names. */
  readonly uris: readonly string[];
}

/** Validity and names of one certificate. */
export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  return {
    serialNumber: certificate.serialNumber.toLowerCase(),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    uris: subjectUris(certificate),
  };
}

/**
 * The one SPIFFE id a certificate carries. Undefined where there is none, more than one URI of any
 * kind, or a URI that is not a SPIFFE id: such a certificate names nobody.
 */
export function spiffeIdOf(certificate: X509Certificate): SpiffeId | undefined {
  const uris = subjectUris(certificate);
  const [uri] = uris;
  return uri === undefined || uris.length !== 1 ? undefined : parseSpiffeId(uri);
}

/** The certificates of a PEM text in order; throws the `Error` of `X509Certificate` on a bad one. */
export function certificatesFromPem(text: string): X509Certificate[] {
  return pemBlocks(text, 'CERTIFICATE').map((pem) => new X509Certificate(pem));
}

function subjectUris(certificate: X509Certificate): string[] {
  const uris: string[] = [];
  for (const name of splitAltNames(certificate.subjectAltName ?? '')) {
    if (name.startsWith('URI:')) uris.push(unquote(name.slice('URI:'.length)));
  }
  return uris;
}

/**
 * `subjectAltName` is one text, `DNS:a, URI:b`; a value holding a comma or a quote is written as a
 * JSON string, so only commas outside quotes separate names.
 */
function splitAltNames(text: string): string[] {
  const names: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quoted && char === '\\') at++;
    else if (char === '"') quoted = !quoted;
    else if (char === ',' && !quoted) {
      names.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  names.push(text.slice(start).trim());
  return names;
}

function unquote(value: string): string {
  return value.startsWith('"') ? (JSON.parse(value) as string) : value;
}
