/** `tls` of a traffic policy: whether and how callers encrypt. */
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { boolean, nonEmptyText, oneOf, text } from './decode/scalar.ts';

/** Paths are of files beside the caller's proxy. */
export interface ClientTls {
  /** `DISABLE`: plain text; `ISTIO_MUTUAL`: the mesh's own certificates. */
  readonly mode: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL';
  readonly clientCertificate?: string;
  readonly privateKey?: string;
  /** Absent: the roots of the system. */
  readonly caCertificates?: string;
  readonly caCrl?: string;
  /** Name of a Secret, or `configmap://NAME`, in the caller's namespace: in place of the files. */
  readonly credentialName?: string;
  readonly insecureSkipVerify?: boolean;
  /** Of which the server must have one; none: the name that is asked for. */
  readonly subjectAltNames: readonly string[];
  readonly sni?: string;
}

const files = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;

export const configMapPrefix = 'configmap://';

/** As Istio checks it. */
function checkCredential(tls: ClientTls, path: Path, report: Report): void {
  for (const name of files)
    if (tls[name] !== undefined) report.error([...path, name], 'stands beside credentialName: choose one');
  if (tls.mode === 'MUTUAL' && tls.credentialName?.startsWith(configMapPrefix) === true)
    report.error([...path, 'credentialName'], 'a ConfigMap has no key, which MUTUAL needs', 'name a Secret');
  if (tls.mode === 'SIMPLE' && tls.insecureSkipVerify === true)
    report.error([...path, 'credentialName'], 'has no effect beside insecureSkipVerify: choose one');
}

export const clientTls: Decoder<ClientTls> = object(
  {
    mode: defaulted(
      oneOf(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']),
      'DISABLE',
      'Plain text, TLS, TLS with a certificate of the caller, or the mutual TLS of the mesh.',
    ),
    clientCertificate: optional(nonEmptyText, 'File with the chain of the caller (`MUTUAL`).'),
    privateKey: optional(nonEmptyText, 'File with its key (`MUTUAL`).'),
    caCertificates: optional(
      nonEmptyText,
      'File with the roots to trust; without it those of the system are.',
    ),
    caCrl: optional(nonEmptyText, 'File with certificates that are revoked.'),
    credentialName: optional(
      nonEmptyText,
      'Secret in the namespace of the caller, in place of files: of gateways, and of the sidecars that the `workloadSelector` of the rule names. `configmap://NAME`: roots from a ConfigMap, for any caller. Who may not have it, or finds none, reaches nobody.',
    ),
    insecureSkipVerify: optional(boolean, 'Neither the chain nor the name of the server is looked at.'),
    subjectAltNames: defaulted(list(text), [], 'Names of which the certificate of the server must have one.'),
    sni: optional(text, "Name to ask for; without it that of the request's host."),
  },
  (tls, path, report) => {
    const isOwn = tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL';
    if (isOwn && tls.credentialName !== undefined) checkCredential(tls, path, report);
    else if (tls.mode === 'MUTUAL') {
      for (const name of ['clientCertificate', 'privateKey'] as const)
        if (tls[name] === undefined) report.error([...path, 'mode'], `MUTUAL needs ${name}`);
    }
    if (!isOwn) {
      for (const name of [...files, 'credentialName', 'insecureSkipVerify'] as const)
        if (tls[name] !== undefined && tls[name] !== false)
          report.warning([...path, name], `has no effect with the mode ${tls.mode}`);
    }
    if (tls.mode === 'DISABLE' && (tls.sni !== undefined || tls.subjectAltNames.length > 0))
      report.warning([...path, 'mode'], 'DISABLE: there is no TLS, and the other fields have no effect');
    if (isOwn && tls.insecureSkipVerify === true) {
      for (const name of ['caCertificates', 'caCrl'] as const)
        if (tls[name] !== undefined)
          report.warning([...path, name], 'has no effect beside insecureSkipVerify');
    }
  },
);
