/**
 * A `Secret` resource -> what TLS is made of, checked as far as a file or a server can be wrong: texts
 * that are no PEM, a key that is not the certificate's.
 */
import { create } from '@bufbuild/protobuf';
import type { Parsed } from '#core/problem.ts';
import type { DataSource, WatchedDirectory } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type {
  CertificateValidationContext,
  TlsCertificate,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { type Secret, SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  type SPIFFECertValidatorConfig,
  SPIFFECertValidatorConfigSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import { unpackAny } from '#xds/registry.ts';
import type { SecretMaterial } from '../contract.ts';
import { Findings } from '../findings.ts';
import { readCertificate } from '../tls/certificate-material.ts';
import type { DataReader } from '../tls/data-source.ts';
import { readTicketKeys } from '../tls/ticket-key-sources.ts';
import { readValidationRules } from '../tls/validation-rules.ts';

export type { DataReader } from '../tls/data-source.ts';

export function secretMaterial(secret: Secret, reader: DataReader): Parsed<SecretMaterial> {
  const findings = new Findings();
  return findings.result(readMaterial(secret, reader, findings) ?? {});
}

/** Undefined where the findings say why. */
function readMaterial({ type }: Secret, reader: DataReader, findings: Findings): SecretMaterial | undefined {
  switch (type.case) {
    case 'tlsCertificate': {
      const certificate = readCertificate(type.value, 'tls_certificate', reader, findings);
      if (certificate === undefined) return undefined;
      const { chainPem, keyPem } = certificate;
      return { certificate, certificateChainPem: chainPem, privateKeyPem: keyPem };
    }
    case 'validationContext': {
      // Whether roots are missing is seen where these rules meet those of a context.
      const validation = readValidationRules(type.value, 'validation_context', reader, findings, true);
      const { trustedCaPem } = validation;
      return trustedCaPem === '' ? { validation } : { validation, trustedCaPem };
    }
    case 'sessionTicketKeys':
      return { sessionTicketKeys: readTicketKeys(type.value, 'session_ticket_keys', reader, findings) };
    case 'genericSecret':
      findings.refuse('generic_secret', true);
      return undefined;
    default:
      findings.error('type', 'is missing: a secret is a certificate, a validation context or ticket keys');
      return undefined;
  }
}

/** The other way round, as bytes, which is where istioctl looks: for what shows secrets of this process. */
export function secretMessage(name: string, material: SecretMaterial): Secret {
  const { certificateChainPem, privateKeyPem, trustedCaPem } = material;
  const inline = (pem = '') => ({
    specifier: { case: 'inlineBytes' as const, value: new TextEncoder().encode(pem) },
  });
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
export function filesOf({ type }: Secret): string[] {
  switch (type.case) {
    case 'tlsCertificate':
      return certificateFiles(type.value);
    case 'validationContext':
      return validationFiles(type.value);
    case 'sessionTicketKeys':
      return pathsOf(type.value.keys);
    default:
      return [];
  }
}

function certificateFiles(certificate: TlsCertificate): string[] {
  const { certificateChain, privateKey, pkcs12, password, ocspStaple, watchedDirectory } = certificate;
  return [
    ...pathsOf([certificateChain, privateKey, pkcs12, password, ocspStaple]),
    ...entryOf(watchedDirectory),
  ];
}

function validationFiles(context: CertificateValidationContext): string[] {
  const { trustedCa, crl, customValidatorConfig, watchedDirectory } = context;
  const custom = customValidatorConfig?.typedConfig && unpackAny(customValidatorConfig.typedConfig);
  const bundles =
    custom?.ok && custom.schema.typeName === SPIFFECertValidatorConfigSchema.typeName
      ? (custom.message as SPIFFECertValidatorConfig).trustDomains
      : [];
  return [
    ...pathsOf([trustedCa, crl, ...bundles.map(({ trustBundle }) => trustBundle)]),
    ...entryOf(watchedDirectory),
  ];
}

function pathsOf(sources: readonly (DataSource | undefined)[]): string[] {
  return sources.flatMap((source) => (source?.specifier.case === 'filename' ? [source.specifier.value] : []));
}

/** A file in a folder that is watched stands for the folder. */
function entryOf(folder: WatchedDirectory | undefined): string[] {
  return folder === undefined ? [] : [`${folder.path}/.`];
}
