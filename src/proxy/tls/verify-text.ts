/** Why a chain was not accepted, in BoringSSL's words, by the code Node has for OpenSSL's. */
const texts: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  // OpenSSL goes on after the issuer was not found, and names what it finds last.
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to get local issuer certificate',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_HAS_EXPIRED: 'certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self signed certificate in certificate chain',
  CERT_CHAIN_TOO_LONG: 'certificate chain too long',
  INVALID_CA: 'invalid CA certificate',
  PATH_LENGTH_EXCEEDED: 'path length constraint exceeded',
  INVALID_PURPOSE: 'unsupported certificate purpose',
  CERT_UNTRUSTED: 'certificate not trusted',
  CERT_REJECTED: 'certificate rejected',
  CERT_REVOKED: 'certificate revoked',
  UNABLE_TO_GET_CRL: 'unable to get certificate CRL',
  CRL_SIGNATURE_FAILURE: 'CRL signature failure',
  CRL_NOT_YET_VALID: 'CRL is not yet valid',
  CRL_HAS_EXPIRED: 'CRL has expired',
};

const ofRevocation: ReadonlySet<string> = new Set([
  texts.CERT_REVOKED!,
  texts.UNABLE_TO_GET_CRL!,
  texts.CRL_SIGNATURE_FAILURE!,
  texts.CRL_NOT_YET_VALID!,
  texts.CRL_HAS_EXPIRED!,
]);

/** @param code such as `CERT_HAS_EXPIRED` */
export function chainRefusal(code: string): string {
  return chainRefusalOf(texts[code] ?? code.toLowerCase().replaceAll('_', ' '));
}

/** @param text such as `certificate has expired` */
export function chainRefusalOf(text: string): string {
  const why = ofRevocation.has(text)
    ? `certificate revocation check against provided CRLs failed: ${text}`
    : text;
  return `verify cert failed: X509_verify_cert: certificate verification error at depth 0: ${why}`;
}
