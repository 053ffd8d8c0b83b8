/**
 * Versions, ciphers, curves and signatures of a TLS context. They are written as BoringSSL has them,
 * for that is what Envoy takes; what is not said is what Envoy does.
 */
import { constants } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { TlsParameters } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { Findings } from '../findings.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** In OpenSSL's words, as `tls.createSecureContext` takes them. */
export interface TlsParameterSet {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Of TLS 1.2. */
  readonly ciphers: string;
  readonly curves: string;
  readonly signatures: string;
  /** Where ChaCha20 stands beside AES and the client has no AES hardware, it is taken. */
  readonly chaChaForClientsThatPreferIt: boolean;
}

/** In the order of this side; a server takes the one the client likes best (BoringSSL, with hardware for AES). */
const tls13Ciphers: Readonly<Record<number, string>> = {
  4865: 'TLS_AES_128_GCM_SHA256',
  4866: 'TLS_AES_256_GCM_SHA384',
  4867: 'TLS_CHACHA20_POLY1305_SHA256',
};

/** Envoy's defaults. */
const DEFAULT_CIPHERS = [
  '[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]',
  '[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
const DEFAULT_CURVES = ['X25519MLKEM768', 'X25519', 'P-256'];
const DEFAULT_SIGNATURES = [
  'ecdsa_secp256r1_sha256',
  'rsa_pss_rsae_sha256',
  'rsa_pkcs1_sha256',
  'ecdsa_secp384r1_sha384',
  'rsa_pss_rsae_sha384',
  'rsa_pkcs1_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha512',
  'ed25519',
];

/** Ciphers of TLS 1.2 that both BoringSSL and this runtime have, and their names in the RFCs. */
const cipherNames: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
};
const ciphers: ReadonlySet<string> = new Set(Object.values(cipherNames));

/** Curves that both have; OpenSSL takes the same names. */
const curves: ReadonlySet<string> = new Set([
  'X25519',
  'P-256',
  'P-384',
  'P-521',
  'prime256v1',
  'X25519MLKEM768',
  'MLKEM1024',
]);

/** @param side whose defaults hold: a client speaks TLS 1.2 unless it is told otherwise. */
export function readTlsParameters(
  parameters: TlsParameters | undefined,
  side: 'client' | 'server',
  path: string,
  findings: Findings,
): TlsParameterSet {
  findings.refuse(`${path}.compliance_policies`, (parameters?.compliancePolicies.length ?? 0) > 0);
  const version = (value: number | undefined, otherwise: TlsVersion, name: string): TlsVersion => {
    if (value === undefined || value === 0) return otherwise;
    if (value < 3) findings.error(`${path}.${name}`, 'TLS before 1.2 is not supported');
    return value === 4 ? 'TLSv1.3' : 'TLSv1.2';
  };
  const newest = side === 'server' ? 'TLSv1.3' : 'TLSv1.2';
  const minVersion = version(
    parameters?.tlsMinimumProtocolVersion,
    'TLSv1.2',
    'tls_minimum_protocol_version',
  );
  const asked = version(parameters?.tlsMaximumProtocolVersion, newest, 'tls_maximum_protocol_version');
  const given = (list: readonly string[] | undefined, otherwise: readonly string[]): readonly string[] =>
    list === undefined || list.length === 0 ? otherwise : list;
  const suites = given(parameters?.cipherSuites, DEFAULT_CIPHERS);
  const groups = given(parameters?.ecdhCurves, DEFAULT_CURVES);
  const signatures = given(parameters?.signatureAlgorithms, DEFAULT_SIGNATURES);
  groups.forEach((curve, i) => {
    if (!curves.has(curve)) findings.error(`${path}.ecdh_curves[${i}]`, `curve ${curve} is not supported`);
  });
  signatures.forEach((name, i) => {
    if (!isSignature(name))
      findings.error(`${path}.signature_algorithms[${i}]`, `signature ${name} is not supported`);
  });
  return {
    minVersion,
    maxVersion: asked,
    ciphers: readCiphers(suites, `${path}.cipher_suites`, findings),
    curves: side === 'client' ? withKeyShares(groups) : groups.join(':'),
    signatures: signatures.join(':'),
    chaChaForClientsThatPreferIt: suites.some((suite) => suite.includes('|') && suite.includes('CHACHA20')),
  };
}

/** How many curves a client sends a key for at once, as BoringSSL does: one of the new kind and one of the old. */
const NEW_KIND = /MLKEM/;

/** In OpenSSL's words: a star stands before those a key is sent for. */
function withKeyShares(groups: readonly string[]): string {
  const second = groups.findIndex((group) => NEW_KIND.test(group) !== NEW_KIND.test(groups[0] ?? ''));
  return groups.map((group, i) => (i === 0 || i === second ? `*${group}` : group)).join(':');
}

/** `A:B`, and `[A|B]` for ciphers of one rank. */
function readCiphers(suites: readonly string[], path: string, findings: Findings): string {
  return suites
    .flatMap((suite, i) =>
      suite.split(':').flatMap((part) => {
        const group = part.startsWith('[') && part.endsWith(']') ? part.slice(1, -1).split('|') : [part];
        return group.map((name) => {
          const known = cipherNames[name] ?? name;
          if (!ciphers.has(known)) findings.error(`${path}[${i}]`, `cipher ${name} is not supported`);
          return known;
        });
      }),
    )
    .join(':');
}

const knownSignatures = new Map<string, boolean>(DEFAULT_SIGNATURES.map((name) => [name, true]));

/** Whether OpenSSL knows it by that name. */
function isSignature(name: string): boolean {
  let known = knownSignatures.get(name);
  if (known === undefined) {
    try {
      createSecureContext({ ca: [], sigalgs: name });
      known = !name.includes(':');
    } catch {
      known = false;
    }
    if (knownSignatures.size < 100) knownSignatures.set(name, known);
  }
  return known;
}

/** The first cipher of TLS 1.3 in a list of numbers; 0 for none. */
export function firstTls13Cipher(ciphers: readonly number[]): number {
  return ciphers.find((cipher) => tls13Ciphers[cipher] !== undefined) ?? 0;
}

/** All ciphers of a context, those of TLS 1.3 too, which cannot be configured. @param first of them; 0: any */
export function cipherListOf({ ciphers }: TlsParameterSet, first: number): string {
  const others = Object.entries(tls13Ciphers).filter(([number]) => Number(number) !== first);
  const names = others.map(([, name]) => name);
  const liked = tls13Ciphers[first];
  return [...(liked === undefined ? [] : [liked]), ...names, ciphers].join(':');
}

/** `secureOptions` of a context with these parameters. */
export function secureOptionsOf(set: TlsParameterSet): number {
  return (
    constants.SSL_OP_NO_RENEGOTIATION |
    (set.chaChaForClientsThatPreferIt ? constants.SSL_OP_PRIORITIZE_CHACHA : 0)
  );
}
