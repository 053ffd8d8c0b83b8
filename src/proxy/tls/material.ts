/** A `CommonTlsContext`, read once. */
import type { SdsSecretConfig } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { CommonTlsContext } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { sharedSettings } from '../cluster/shared-settings.ts';
import type { Findings } from '../findings.ts';
import { readWantedSecret, type Wanted } from '../resource-source.ts';
import { type CertificateMaterial, readCertificate } from './certificate-material.ts';
import type { DataReader } from './data-source.ts';
import { type KeyLogSettings, readKeyLog } from './key-log.ts';
import { readTlsParameters, type TlsParameterSet } from './parameters.ts';
import {
  asksForCertificate,
  noRules,
  readValidationRules,
  type ValidationRules,
} from './validation-rules.ts';

export interface TlsMaterial {
  readonly parameters: TlsParameterSet;
  /** Given in the configuration itself. */
  readonly certificates: readonly CertificateMaterial[];
  /** Keys of those that come by SDS; never beside the others. */
  readonly certificateSecrets: readonly string[];
  /** Given in the configuration itself. */
  readonly rules: ValidationRules;
  /** Key of the rules that are added by SDS; '' for none. */
  readonly validationSecret: string;
  /** Whether the peer's certificate is to satisfy anything. */
  readonly verifies: boolean;
  readonly alpn: readonly string[];
  readonly keyLog: KeyLogSettings | undefined;
  /** How many secrets come from a server or a file, and not from the bootstrap. */
  readonly dynamicSecrets: number;
}

/** What reading a context needs besides the message. */
export interface MaterialReading {
  readonly side: 'client' | 'server';
  readonly reader: DataReader;
  readonly findings: Findings;
  /** Filled with the secrets that are named. */
  readonly secrets: Wanted[];
}

export function readTlsMaterial(
  context: CommonTlsContext | undefined,
  path: string,
  reading: MaterialReading,
): TlsMaterial {
  const { side, reader, findings } = reading;
  refuseUnsupported(context, path, findings);
  const inline = context?.tlsCertificates ?? [];
  const sds = context?.tlsCertificateSdsSecretConfigs ?? [];
  if (inline.length > 0 && sds.length > 0) {
    findings.error(`${path}.tls_certificates`, 'cannot stand beside tls_certificate_sds_secret_configs');
  }
  if (side === 'client' && Math.max(inline.length, sds.length) > 1) {
    const field = inline.length > 1 ? 'tls_certificates' : 'tls_certificate_sds_secret_configs';
    findings.error(`${path}.${field}`, 'a client shows one certificate');
  }
  const validation = readValidation(context, path, reading);
  const material: TlsMaterial = {
    parameters: sharedSettings(readTlsParameters(context?.tlsParams, side, `${path}.tls_params`, findings)),
    certificates: inline.flatMap((certificate, i) => {
      const at = `${path}.tls_certificates[${i}]`;
      if (certificate.watchedDirectory !== undefined) {
        findings.warn(`${at}.watched_directory`, 'has an effect in a secret only, as in Envoy');
      }
      return readCertificate(certificate, at, reader, findings) ?? [];
    }),
    certificateSecrets: sds.map((config, i) =>
      noteSecret(config, `${path}.tls_certificate_sds_secret_configs[${i}]`, reading),
    ),
    ...validation,
    alpn: sharedSettings(readAlpn(context, path, findings)),
    keyLog: readKeyLog(context?.keyLog, `${path}.key_log`, findings),
    dynamicSecrets: [...sds, validationSource(context)].filter((config) => config?.sdsConfig !== undefined)
      .length,
  };
  return hasTexts(material) ? material : sharedSettings(material);
}

/** Certificates and lists of them are long, and rarely the same. */
export function hasTexts({ certificates, rules }: TlsMaterial): boolean {
  const { trustedCaPem, crlPem, trustDomains } = rules;
  return certificates.length > 0 || trustedCaPem !== '' || crlPem !== '' || trustDomains.length > 0;
}

function refuseUnsupported(context: CommonTlsContext | undefined, path: string, findings: Findings): void {
  if (context === undefined) return;
  const refuse = (field: string, value: unknown): void =>
    findings.refuse(`${path}.${field}`, value !== undefined);
  refuse('tls_certificate_provider_instance', context.tlsCertificateProviderInstance);
  refuse('tls_certificate_certificate_provider', context.tlsCertificateCertificateProvider);
  refuse('tls_certificate_certificate_provider_instance', context.tlsCertificateCertificateProviderInstance);
  refuse('custom_tls_certificate_selector', context.customTlsCertificateSelector);
  refuse('custom_handshaker', context.customHandshaker);
  const { validationContextType: type } = context;
  findings.refuse(
    `${path}.validation_context_certificate_provider`,
    type.case === 'validationContextCertificateProvider',
  );
  findings.refuse(
    `${path}.validation_context_certificate_provider_instance`,
    type.case === 'validationContextCertificateProviderInstance',
  );
  if (type.case !== 'combinedValidationContext') return;
  const combined = 'combined_validation_context';
  refuse(
    `${combined}.validation_context_certificate_provider`,
    type.value.validationContextCertificateProvider,
  );
  refuse(
    `${combined}.validation_context_certificate_provider_instance`,
    type.value.validationContextCertificateProviderInstance,
  );
}

/** RFC 7301: one byte says how long a name is. */
const MAX_PROTOCOL_BYTES = 255;

function readAlpn(
  context: CommonTlsContext | undefined,
  path: string,
  findings: Findings,
): readonly string[] {
  // Envoy leaves empty ones out.
  const protocols = (context?.alpnProtocols ?? []).filter((name) => name !== '');
  protocols.forEach((name, i) => {
    if (name.length > MAX_PROTOCOL_BYTES) findings.error(`${path}.alpn_protocols[${i}]`, 'is too long');
  });
  return protocols;
}

type Validation = Pick<TlsMaterial, 'rules' | 'validationSecret' | 'verifies'>;

function readValidation(
  context: CommonTlsContext | undefined,
  path: string,
  reading: MaterialReading,
): Validation {
  const { reader, findings } = reading;
  const type = context?.validationContextType;
  switch (type?.case) {
    case 'validationContext': {
      const rules = readValidationRules(type.value, `${path}.validation_context`, reader, findings);
      warnOfFolder(type.value.watchedDirectory, `${path}.validation_context`, findings);
      return { rules, validationSecret: '', verifies: asksForCertificate(rules) };
    }
    case 'validationContextSdsSecretConfig':
      return {
        rules: noRules,
        validationSecret: noteSecret(type.value, `${path}.validation_context_sds_secret_config`, reading),
        verifies: true,
      };
    case 'combinedValidationContext': {
      const { defaultValidationContext: own, validationContextSdsSecretConfig: sds } = type.value;
      const at = `${path}.combined_validation_context`;
      if (sds === undefined) findings.error(`${at}.validation_context_sds_secret_config`, 'is missing');
      const rules =
        own === undefined
          ? noRules
          : readValidationRules(own, `${at}.default_validation_context`, reader, findings, true);
      return {
        rules,
        validationSecret:
          sds === undefined ? '' : noteSecret(sds, `${at}.validation_context_sds_secret_config`, reading),
        verifies: true,
      };
    }
    default:
      return { rules: noRules, validationSecret: '', verifies: false };
  }
}

function warnOfFolder(folder: unknown, path: string, findings: Findings): void {
  if (folder !== undefined)
    findings.warn(`${path}.watched_directory`, 'has an effect in a secret only, as in Envoy');
}

function validationSource(context: CommonTlsContext | undefined): SdsSecretConfig | undefined {
  const type = context?.validationContextType;
  if (type?.case === 'validationContextSdsSecretConfig') return type.value;
  return type?.case === 'combinedValidationContext' ? type.value.validationContextSdsSecretConfig : undefined;
}

/** @returns what the secret is called in here. */
export function noteSecret(
  config: SdsSecretConfig,
  path: string,
  { findings, secrets }: Pick<MaterialReading, 'findings' | 'secrets'>,
): string {
  const wanted = readWantedSecret(config, path, findings);
  secrets.push(wanted);
  return wanted.key;
}
