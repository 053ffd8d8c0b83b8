/**
 * A `Secret` resource -> PEM texts, checked as far as a file or a server can be wrong: texts that
 * are no PEM, a key that is not the certificate's.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import type { Parsed, Problem } from '#core/problem.ts';
import type { DataSource } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type {
  CertificateValidationContext,
  TlsCertificate,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { type Secret, SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { SecretMaterial } from '../contract.ts';

/** Where the bytes of a data source come from. */
export interface DataReader {
  /** @throws the error of the operating system. */
  readFile(path: string): Uint8Array;
  environment(name: string): string | undefined;
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

export function secretMaterial(secret: Secret, reader: DataReader): Parsed<SecretMaterial> {
  const { type } = secret;
  switch (type.case) {
    case 'tlsCertificate':
      return certificateMaterial(type.value, reader);
    case 'validationContext':
      return validationMaterial(type.value, reader);
    case 'genericSecret':
      return refused('generic_secret', 'is not supported');
    default:
      return refused('type', 'a secret is a tls_certificate or a validation_context');
  }
}

/** The other way round: for what shows secrets of this process. */
export function secretMessage(name: string, material: SecretMaterial): Secret {
  const { certificateChainPem, privateKeyPem, trustedCaPem } = material;
  const inline = (value = '') => ({ specifier: { case: 'inlineString' as const, value } });
  if (trustedCaPem !== undefined) {
    return create(SecretSchema, {
      name,
      type: { case: 'validationContext', value: { trustedCa: inline(trustedCaPem) } },
    });
  }
  const value = { certificateChain: inline(certificateChainPem), privateKey: inline(privateKeyPem) };
  return create(SecretSchema, { name, type: { case: 'tlsCertificate', value } });
}

/** Paths of the files `secret` reads, to be watched. */
export function filesOf(secret: Secret): string[] {
  const { type } = secret;
  const sources =
    type.case === 'tlsCertificate'
      ? [type.value.certificateChain, type.value.privateKey]
      : type.case === 'validationContext'
        ? [type.value.trustedCa]
        : [];
  return sources.flatMap((source) => (source?.specifier.case === 'filename' ? [source.specifier.value] : []));
}

function certificateMaterial(certificate: TlsCertificate, reader: DataReader): Parsed<SecretMaterial> {
  const problems: Problem[] = [];
  const certificateChainPem = read(
    certificate.certificateChain,
    'tls_certificate.certificate_chain',
    reader,
    problems,
  );
  const privateKeyPem = read(certificate.privateKey, 'tls_certificate.private_key', reader, problems);
  if (certificateChainPem === undefined || privateKeyPem === undefined) return { ok: false, problems };
  const leaf = certificatesIn(certificateChainPem, 'tls_certificate.certificate_chain', problems)[0];
  try {
    const key = createPrivateKey(privateKeyPem);
    if (leaf !== undefined && !leaf.checkPrivateKey(key)) {
      problems.push(problem('tls_certificate.private_key', 'is not the key of the certificate'));
    }
  } catch {
    // The reason is left out: it may quote the key.
    problems.push(problem('tls_certificate.private_key', 'is not a private key in PEM'));
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, value: { certificateChainPem, privateKeyPem }, problems };
}

function validationMaterial(
  context: CertificateValidationContext,
  reader: DataReader,
): Parsed<SecretMaterial> {
  const problems: Problem[] = [];
  const trustedCaPem = read(context.trustedCa, 'validation_context.trusted_ca', reader, problems);
  const pins = context.verifyCertificateHash.length + context.verifyCertificateSpki.length;
  const names = context.matchTypedSubjectAltNames.length + context.matchSubjectAltNames.length;
  if (pins + names > 0) {
    // What is checked comes with the TLS context, where the data path reads it; a secret gives the roots.
    problems.push(problem('validation_context', 'only trusted_ca is supported in a secret'));
  }
  if (trustedCaPem === undefined) return { ok: false, problems };
  certificatesIn(trustedCaPem, 'validation_context.trusted_ca', problems);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: { trustedCaPem }, problems };
}

function read(
  source: DataSource | undefined,
  path: string,
  reader: DataReader,
  problems: Problem[],
): string | undefined {
  const specifier = source?.specifier;
  try {
    switch (specifier?.case) {
      case 'inlineString':
        return specifier.value;
      case 'inlineBytes':
        return new TextDecoder().decode(specifier.value);
      case 'filename':
        return new TextDecoder().decode(reader.readFile(specifier.value));
      case 'environmentVariable': {
        const value = reader.environment(specifier.value);
        if (value === undefined)
          problems.push(problem(path, `environment variable ${specifier.value} is not set`));
        return value;
      }
      default:
        problems.push(problem(path, 'is missing'));
        return undefined;
    }
  } catch (error) {
    problems.push(problem(path, (error as Error).message));
    return undefined;
  }
}

function certificatesIn(pem: string, path: string, problems: Problem[]): X509Certificate[] {
  const blocks = pem.match(certificateBlock) ?? [];
  if (blocks.length === 0) problems.push(problem(path, 'holds no certificate in PEM'));
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch (error) {
      problems.push(problem(path, `is not a certificate: ${(error as Error).message}`));
      return [];
    }
  });
}

function problem(path: string, message: string): Problem {
  return { level: 'error', path, message };
}

function refused(path: string, message: string): Parsed<SecretMaterial> {
  return { ok: false, problems: [problem(path, message)] };
}
