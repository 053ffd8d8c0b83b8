/** `tls` of a Gateway's server: who terminates TLS, with which certificates, and what clients have to show. */
import { atMost } from './decode/at-most.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { boolean, oneOf, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

const modes = [
  'PASSTHROUGH',
  'SIMPLE',
  'MUTUAL',
  'AUTO_PASSTHROUGH',
  'ISTIO_MUTUAL',
  'OPTIONAL_MUTUAL',
] as const;
const versions = ['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'] as const;

export type ServerTlsMode = (typeof modes)[number];
export type TlsVersion = (typeof versions)[number];

/** Paths where the gateway runs. Of what is not written the text is empty. */
export interface CertificateFiles {
  readonly serverCertificate: string;
  readonly privateKey: string;
  readonly caCertificates: string;
}

export interface ServerTls extends CertificateFiles {
  /** Of a server without TLS: everything is answered with a redirect to https. */
  readonly httpsRedirect: boolean;
  readonly mode: ServerTlsMode;
  readonly caCrl: string;
  /** Secrets in the gateway's namespace; at most one of both is written. */
  readonly credentialName: string;
  readonly credentialNames: readonly string[];
  /** Takes the place of `CREDENTIAL-cacert`. */
  readonly caCertCredentialName: string;
  readonly tlsCertificates: readonly CertificateFiles[];
  /** One of which a client's certificate must have, if there are any. */
  readonly subjectAltNames: readonly string[];
  /** SHA-256 of public keys, Base64, and of certificates, hexadecimal; one of all must match, if there are any. */
  readonly verifyCertificateSpki: readonly string[];
  readonly verifyCertificateHash: readonly string[];
  readonly minProtocolVersion: TlsVersion;
  readonly maxProtocolVersion: TlsVersion;
  /** Of TLS 1.2, as BoringSSL calls them; unknown ones are taken out. */
  readonly cipherSuites: readonly string[];
  readonly insecureSkipVerify: boolean;
}

/** All that are worth something in Istio (`security.ValidCipherSuites`). */
const cipherSuites: readonly string[] = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
];

/** In BoringSSL and not in the runtime of our own proxy. */
const onlyForEnvoy: readonly string[] = ['DES-CBC3-SHA'];

const files = {
  serverCertificate: defaulted(text, '', 'Path of the certificate chain, PEM, where the gateway runs.'),
  privateKey: defaulted(text, '', 'Path of its key.'),
  caCertificates: defaulted(text, '', 'Path of the authorities of clients. For MUTUAL and OPTIONAL_MUTUAL.'),
} as const;

const written = object({
  ...files,
  httpsRedirect: defaulted(boolean, false, 'Answers every request of a plain server with 301 to https.'),
  mode: defaulted(
    oneOf(modes),
    'PASSTHROUGH',
    'PASSTHROUGH and AUTO_PASSTHROUGH lead connections on by their SNI, the others end TLS here.',
  ),
  caCrl: defaulted(text, '', 'Path of revocation lists, beside caCertificates.'),
  credentialName: defaulted(text, '', "Secret in the gateway's namespace with certificate and key."),
  credentialNames: optional(atMost(2, list(text, 1)), 'Two of them, for keys of two kinds.'),
  caCertCredentialName: defaulted(text, '', 'Secret or ConfigMap with the authorities of clients.'),
  tlsCertificates: optional(atMost(2, list(object(files), 1)), 'Files for keys of two kinds.'),
  subjectAltNames: defaulted(list(text), [], "One of which a client's certificate must have."),
  verifyCertificateSpki: defaulted(list(text), [], "SHA-256 of clients' public keys, Base64."),
  verifyCertificateHash: defaulted(list(text), [], "SHA-256 of clients' certificates, hexadecimal."),
  minProtocolVersion: defaulted(oneOf(versions), 'TLS_AUTO', 'TLS_AUTO is TLSV1_2.'),
  maxProtocolVersion: defaulted(oneOf(versions), 'TLS_AUTO', 'TLS_AUTO is TLSV1_3.'),
  cipherSuites: defaulted(list(text), [], 'Of TLS 1.2; unknown ones are left out.'),
  insecureSkipVerify: defaulted(boolean, false, 'Asks for certificates of clients and lets any pass.'),
});

export const serverTls: Decoder<ServerTls> = refined(written, (decoded, path, report) => {
  const tls: ServerTls = { credentialNames: [], tlsCertificates: [], ...decoded };
  checkVersions(tls, path, report);
  checkHashes(tls, path, report);
  checkCertificates(tls, path, report);
  return { ...tls, cipherSuites: knownCiphers(tls.cipherSuites, [...path, 'cipherSuites'], report) };
});

/** Whether the gateway does the handshake itself. */
export function terminatesTls({ mode }: ServerTls): boolean {
  return mode !== 'PASSTHROUGH' && mode !== 'AUTO_PASSTHROUGH';
}

/** Whether clients are asked for a certificate of an authority that was written. */
export function asksForCertificate({ mode }: ServerTls): boolean {
  return mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
}

/** Names of the Secrets with certificate and key; empty where they are files. */
export function credentialsOf({ credentialName, credentialNames }: ServerTls): readonly string[] {
  return credentialName === '' ? credentialNames : [credentialName];
}

/** Certificate and key, where they are files; several for keys of several kinds. */
export function certificateFilesOf(tls: ServerTls): readonly CertificateFiles[] {
  if (tls.tlsCertificates.length > 0) return tls.tlsCertificates;
  return tls.serverCertificate === '' ? [] : [tls];
}

function checkVersions(
  { minProtocolVersion: min, maxProtocolVersion: max }: ServerTls,
  path: Path,
  report: Report,
): void {
  if (min !== 'TLS_AUTO' && max !== 'TLS_AUTO' && versions.indexOf(min) > versions.indexOf(max)) {
    report.error([...path, 'maxProtocolVersion'], `${max} is before ${min}, the oldest that is taken`);
  }
  if (min === 'TLSV1_0' || min === 'TLSV1_1') {
    const message = "Heddle's own gateway takes TLS 1.2 and newer; an Envoy takes what is written";
    report.warning([...path, 'minProtocolVersion'], message, 'write TLSV1_2');
  }
  if (max === 'TLSV1_0' || max === 'TLSV1_1') {
    report.error(
      [...path, 'maxProtocolVersion'],
      'TLS before 1.2 is broken (RFC 8996), and our gateway does not speak it',
      'write TLSV1_2 or TLSV1_3, or leave it out',
    );
  }
}

/** An entry that fits nothing would keep everybody out, and a proxy would refuse all of its listener. */
function checkHashes(tls: ServerTls, path: Path, report: Report): void {
  for (const [i, hash] of tls.verifyCertificateHash.entries()) {
    if (/^[0-9a-f]{64}$/i.test(hash.replaceAll(':', ''))) continue;
    const fix = 'openssl x509 -in CERTIFICATE -noout -fingerprint -sha256';
    report.error([...path, 'verifyCertificateHash', i], 'is not SHA-256 in hexadecimal', fix);
  }
  for (const [i, hash] of tls.verifyCertificateSpki.entries()) {
    if (/^[A-Za-z0-9+/]{43}=$/.test(hash)) continue;
    report.error([...path, 'verifyCertificateSpki', i], 'is not SHA-256 in Base64');
  }
}

/** Those of TLS 1.2 that our own proxy has too; others are told of, and it is an error if none is left. */
export function knownCiphers(suites: readonly string[], path: Path, report: Report): readonly string[] {
  const known = suites.filter((suite, i) => {
    if (!cipherSuites.includes(suite)) {
      report.warning([...path, i], `the cipher suite ${JSON.stringify(suite)} is unknown, and left out`);
      return false;
    }
    if (suites.indexOf(suite) === i) return true;
    report.warning([...path, i], `the cipher suite ${suite} is there twice`);
    return false;
  });
  const usable = known.filter((suite) => !onlyForEnvoy.includes(suite));
  if (suites.length > 0 && usable.length === 0) {
    report.error(
      path,
      'names no cipher suite that there is',
      `such as ${cipherSuites.slice(0, 2).join(', ')}`,
    );
  }
  return usable;
}

const certificateFields = [
  'credentialName',
  'credentialNames',
  'tlsCertificates',
  'serverCertificate',
  'privateKey',
  'caCertificates',
  'caCertCredentialName',
  'caCrl',
] as const;
const clientFields = ['subjectAltNames', 'verifyCertificateSpki', 'verifyCertificateHash'] as const;

function isWritten(value: string | readonly unknown[]): boolean {
  return value.length > 0;
}

function checkCertificates(tls: ServerTls, path: Path, report: Report): void {
  const sources = (['credentialName', 'credentialNames', 'tlsCertificates'] as const).filter((name) =>
    isWritten(tls[name]),
  );
  if (sources.length > 1) {
    report.error([...path, sources[1]!], `stands beside ${sources[0]!}: only one of them can be set`);
  }
  const there = certificateFields.filter((name) => isWritten(tls[name]));
  if (tls.mode === 'ISTIO_MUTUAL') {
    for (const name of there) {
      const message = 'ISTIO_MUTUAL takes the certificate of the mesh, and none that is written';
      report.error([...path, name], message, 'leave it out, or write MUTUAL');
    }
    return;
  }
  if (!terminatesTls(tls)) {
    for (const name of [...there, ...clientFields.filter((field) => isWritten(tls[field]))]) {
      report.warning([...path, name], `${tls.mode} does not use certificates: it is ignored`);
    }
    return;
  }
  checkTerminating(tls, path, report);
}

function checkTerminating(tls: ServerTls, path: Path, report: Report): void {
  const { mode } = tls;
  const asks = asksForCertificate(tls);
  if (!asks) {
    for (const name of clientFields.filter((field) => isWritten(tls[field]))) {
      const message = `${mode} asks clients for no certificate: it is not looked at`;
      report.warning([...path, name], message, 'write MUTUAL or OPTIONAL_MUTUAL');
    }
  }
  if (credentialsOf(tls).length > 0) {
    if (tls.caCrl !== '') {
      const message = 'is not looked at beside credentials: revocation lists come with them';
      report.error([...path, 'caCrl'], message, 'write it into the Secret, as ca.crl');
    }
    return;
  }
  const what = asks ? 'MUTUAL' : mode;
  const files = certificateFilesOf(tls);
  const lacks = (at: Path, name: keyof CertificateFiles, meant: string): void =>
    void report.error([...at, name], `${what} needs ${meant}`, 'or name a Secret: credentialName');
  if (files.length === 0) lacks(path, 'serverCertificate', 'a server certificate');
  for (const [i, file] of files.entries()) {
    const at = tls.tlsCertificates.length > 0 ? [...path, 'tlsCertificates', i] : path;
    if (file.serverCertificate === '') lacks(at, 'serverCertificate', 'a server certificate');
    if (file.privateKey === '') lacks(at, 'privateKey', 'a private key');
  }
  if (asks && tls.caCertificates === '' && files.every((file) => file.caCertificates === ''))
    lacks(path, 'caCertificates', 'the authorities of its clients');
}
