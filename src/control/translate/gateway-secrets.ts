/**
 * What Gateways and DestinationRules call certificates -> the secrets that proxies ask for by SDS, over the stream
 * everything comes on.
 */
import { create } from '@bufbuild/protobuf';
import { type ClientTls, configMapPrefix } from '#model/client-tls.ts';
import { asksForCertificate, certificateFilesOf, credentialsOf, type ServerTls } from '#model/gateway-tls.ts';
import { type Secret, SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { authoritiesOf, type Found, keyPairOf } from '../store/tls-secret.ts';
import type { Init } from './message.ts';

/** What a server's certificates are called on the wire (Istio's names), and what is behind the names. */
export interface ServerSecrets {
  readonly certificates: readonly string[];
  readonly authorities: string | undefined;
  readonly messages: readonly Secret[];
}

type SecretInit = Init<typeof SecretSchema>;
type Named = Found<Secret>;

const authoritySuffix = '-cacert';

/**
 * The secrets of a server that ends TLS with certificates that somebody wrote.
 *
 * @param namespace of the gateway's Pod, where Secrets are looked for
 */
export function serverSecrets(tls: ServerTls, namespace: string, index: ResourceIndex): Found<ServerSecrets> {
  const credentials = credentialsOf(tls);
  const certificates: readonly Named[] =
    credentials.length > 0
      ? credentials.map((name) => certificateSecret(name, namespace, index))
      : certificateFilesOf(tls).map(certificateFiles);
  const authorities = asksForCertificate(tls) ? [authoritySecret(tls, namespace, index)] : [];
  const all = [...certificates, ...authorities];
  const broken = all.filter((one) => !one.ok);
  if (broken.length > 0) return { ok: false, reason: broken.map(({ reason }) => reason).join('; ') };
  const messages = all.flatMap((one) => (one.ok ? [one.value] : []));
  const names = messages.map(({ name }) => name);
  return {
    ok: true,
    value: {
      certificates: names.slice(0, certificates.length),
      authorities: names[certificates.length],
      messages,
    },
  };
}

/** What the secrets of a caller are called on the wire: its own certificate, and those that it trusts. */
export function clientSecretNames({ mode, credentialName = '', insecureSkipVerify }: ClientTls): {
  readonly certificate: string | undefined;
  readonly authorities: string | undefined;
} {
  const name = plainName(credentialName);
  return {
    certificate: mode === 'MUTUAL' ? `kubernetes://${name}` : undefined,
    authorities: insecureSkipVerify === true ? undefined : `kubernetes://${name}${authoritySuffix}`,
  };
}

/** The secrets of one that calls with `credentialName`. @param namespace of the caller */
export function clientSecrets(
  tls: ClientTls,
  namespace: string,
  index: ResourceIndex,
): Found<readonly Secret[]> {
  const name = plainName(tls.credentialName ?? '');
  const { certificate, authorities } = clientSecretNames(tls);
  const all = [
    ...(certificate === undefined ? [] : [certificateSecret(name, namespace, index)]),
    ...(authorities === undefined ? [] : [authoritiesNamed(name, namespace, index)]),
  ];
  const broken = all.filter((one) => !one.ok);
  if (broken.length > 0) return { ok: false, reason: broken.map(({ reason }) => reason).join('; ') };
  return { ok: true, value: all.flatMap((one) => (one.ok ? [one.value] : [])) };
}

const plainName = (written: string): string =>
  written.startsWith(configMapPrefix) ? written.slice(configMapPrefix.length) : written;

function certificateSecret(credential: string, namespace: string, index: ResourceIndex): Named {
  const secret = index.secret(namespace, credential);
  if (secret === undefined) return missing(credential, namespace, index);
  const pair = keyPairOf(secret);
  if (!pair.ok) return broken(credential, namespace, pair.reason);
  const { chain, key } = pair.value;
  return made({
    name: `kubernetes://${credential}`,
    type: {
      case: 'tlsCertificate',
      value: { certificateChain: inline(chain), privateKey: inline(key) },
    },
  });
}

/** Of files: their own; else of `NAME-cacert`, or of the Secret with the certificate itself (Istio). */
function authoritySecret(tls: ServerTls, namespace: string, index: ResourceIndex): Named {
  const [credential] = credentialsOf(tls);
  const written = tls.caCertCredentialName || credential;
  return written === undefined ? authorityFiles(tls) : authoritiesNamed(written, namespace, index);
}

function authoritiesNamed(written: string, namespace: string, index: ResourceIndex): Named {
  const base = written.endsWith(authoritySuffix) ? written.slice(0, -authoritySuffix.length) : written;
  const source =
    index.secret(namespace, `${base}${authoritySuffix}`) ??
    index.secret(namespace, base) ??
    index.configMap(namespace, base);
  if (source === undefined) return missing(written, namespace, index);
  const found = authoritiesOf(source);
  if (!found.ok) return broken(source.metadata.name, namespace, found.reason);
  const { roots, lists } = found.value;
  return made({
    name: `kubernetes://${base}${authoritySuffix}`,
    type: {
      case: 'validationContext',
      value: { trustedCa: inline(roots), ...(lists !== '' && { crl: inline(lists) }) },
    },
  });
}

/** The proxy reads them, and again when they change. */
function certificateFiles({
  serverCertificate,
  privateKey,
}: Pick<ServerTls, 'serverCertificate' | 'privateKey'>): Named {
  return made({
    name: `file-cert:${serverCertificate}~${privateKey}`,
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: file(serverCertificate),
        privateKey: file(privateKey),
        watchedDirectory: { path: folderOf(serverCertificate) },
      },
    },
  });
}

function authorityFiles(tls: ServerTls): Named {
  const own = tls.caCertificates;
  const path =
    own === '' ? (tls.tlsCertificates.find((one) => one.caCertificates !== '')?.caCertificates ?? '') : own;
  return made({
    name: `file-root:${path}${tls.caCrl === '' ? '' : `~${tls.caCrl}`}`,
    type: {
      case: 'validationContext',
      value: {
        trustedCa: file(path),
        ...(tls.caCrl !== '' && { crl: file(tls.caCrl) }),
        watchedDirectory: { path: folderOf(path) },
      },
    },
  });
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash) || '/';
}

function made(init: SecretInit): Named {
  return { ok: true, value: create(SecretSchema, init) };
}

function missing(name: string, namespace: string, index: ResourceIndex): Named {
  const elsewhere = index.secretsNamed(name).map(({ metadata }) => metadata.namespace);
  const where = elsewhere.length === 0 ? '' : ` (there is one in ${elsewhere.join(', ')})`;
  return {
    ok: false,
    reason: `there is no Secret ${name} in the namespace ${namespace} of the proxy${where}`,
  };
}

function broken(name: string, namespace: string, reason: string): Named {
  return { ok: false, reason: `the Secret ${namespace}/${name} is of no use: ${reason}` };
}

function inline(text: string) {
  return { specifier: { case: 'inlineBytes' as const, value: new TextEncoder().encode(text) } };
}

function file(path: string) {
  return { specifier: { case: 'filename' as const, value: path } };
}
