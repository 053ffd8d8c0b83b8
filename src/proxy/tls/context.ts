/** Options of OpenSSL's contexts, and the clients' contexts: made on first use, shared by equal content. */
import { createHash } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { pemBlocks } from '#identity/pem.ts';
import { type CertificateMaterial, identityOptions } from './certificate-material.ts';
import { cipherListOf, secureOptionsOf, type TlsParameterSet } from './parameters.ts';
import { rootsOf, type ValidationRules } from './validation-rules.ts';

export type { TlsPeer } from './peer.ts';

/**
 * Without roots nobody is trusted: the list is empty then, for absent it would be the system's.
 *
 * @param firstCipher of TLS 1.3, the one to take where both have it; 0: any
 */
export function contextOptions(
  parameters: TlsParameterSet,
  certificates: readonly CertificateMaterial[],
  rules: ValidationRules,
  firstCipher = 0,
): SecureContextOptions {
  const { minVersion, maxVersion, curves, signatures } = parameters;
  const { crlPem, leafCrlOnly } = rules;
  return {
    ...identityOptions(certificates),
    ca: rootsOf(rules),
    ...(crlPem === '' || leafCrlOnly ? {} : { crl: pemBlocks(crlPem, 'X509 CRL') }),
    minVersion,
    maxVersion,
    ciphers: cipherListOf(parameters, firstCipher),
    ecdhCurve: curves,
    sigalgs: signatures,
    secureOptions: secureOptionsOf(parameters),
  };
}

const MAX_SHARED = 256;
const shared = new Map<string, SecureContext>();

/** @throws OpenSSL's error for a certificate or key that cannot be used. */
export function clientContext(
  parameters: TlsParameterSet,
  certificates: readonly CertificateMaterial[],
  rules: ValidationRules,
): SecureContext {
  const key = digestOf([parameters, certificates, rules]);
  let context = shared.get(key);
  if (context === undefined) {
    context = createSecureContext({
      ...contextOptions(parameters, certificates, rules),
      // Whoever is named as trusted is, and need not be a root.
      allowPartialTrustChain: true,
    });
    if (shared.size >= MAX_SHARED) shared.delete(shared.keys().next().value!);
    shared.set(key, context);
  }
  return context;
}

/** Equal for equal content; of plain data. */
export function digestOf(content: unknown): string {
  const text = JSON.stringify(content, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  );
  return createHash('sha256').update(text).digest('base64');
}
