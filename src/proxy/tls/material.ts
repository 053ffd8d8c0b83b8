/** Certificates, keys and roots of a TLS context, from where the configuration says they are. */
import type { DataSource } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { ConfigSource } from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
import type {
  CertificateValidationContext,
  TlsCertificate,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { CertificateValidationContext_TrustChainVerification as Trust } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { SdsSecretConfig } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { CommonTlsContext } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { Findings } from '../findings.ts';
import { compileSanMatch, type SanMatch } from './san.ts';

/** What is needed to make a SecureContext; a part may come by SDS and not be there yet. */
export interface TlsMaterial {
  readonly certificateSecret: string;
  readonly validationSecret: string;
  /** PEM texts given in the configuration itself. */
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly trustedCaPem: string;
  /** Whether the peer's chain is to be verified. */
  readonly verifies: boolean;
  readonly acceptUntrusted: boolean;
  readonly sanMatch: SanMatch | undefined;
  readonly alpn: readonly string[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly ciphers: string;
  readonly curves: string;
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface NamedSecret {
  readonly name: string;
  readonly sdsCluster: string;
}

export function readTlsMaterial(
  context: CommonTlsContext | undefined,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
  secrets: NamedSecret[],
): TlsMaterial {
  const certificates = context?.tlsCertificates ?? [];
  if (certificates.length > 1)
    findings.error(`${path}.tls_certificates`, 'more than one certificate is not supported');
  const sds = context?.tlsCertificateSdsSecretConfigs ?? [];
  if (sds.length > 1)
    findings.error(`${path}.tls_certificate_sds_secret_configs`, 'more than one is not supported');
  findings.refuse(
    `${path}.tls_certificate_provider_instance`,
    context?.tlsCertificateProviderInstance !== undefined,
  );
  findings.refuse(
    `${path}.tls_certificate_certificate_provider_instance`,
    context?.tlsCertificateCertificateProviderInstance !== undefined,
  );
  const certificate =
    certificates[0] && readCertificate(certificates[0], `${path}.tls_certificates[0]`, deps, findings);
  const validation = readValidation(context, path, deps, findings, secrets);
  const params = context?.tlsParams;
  findings.refuse(`${path}.tls_params.signature_algorithms`, (params?.signatureAlgorithms.length ?? 0) > 0);
  const version = (value: number | undefined, otherwise: TlsVersion, name: string): TlsVersion => {
    if (value === undefined || value === 0) return otherwise;
    if (value === 1 || value === 2)
      findings.error(`${path}.tls_params.${name}`, 'TLS before 1.2 is not supported');
    return value === 4 ? 'TLSv1.3' : 'TLSv1.2';
  };
  return {
    certificateSecret: sds[0] === undefined ? '' : noteSecret(sds[0], secrets),
    certificateChainPem: certificate?.chain ?? '',
    privateKeyPem: certificate?.key ?? '',
    ...validation,
    alpn: context?.alpnProtocols ?? [],
    minVersion: version(params?.tlsMinimumProtocolVersion, 'TLSv1.2', 'tls_minimum_protocol_version'),
    maxVersion: version(params?.tlsMaximumProtocolVersion, 'TLSv1.3', 'tls_maximum_protocol_version'),
    ciphers:
      params?.cipherSuites.map((suite) => suite.replace(/^\[|\]$/g, '').replaceAll('|', ':')).join(':') ?? '',
    curves: params?.ecdhCurves.join(':') ?? '',
  };
}

type Validation = Pick<
  TlsMaterial,
  'validationSecret' | 'trustedCaPem' | 'verifies' | 'acceptUntrusted' | 'sanMatch'
>;

function readValidation(
  context: CommonTlsContext | undefined,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
  secrets: NamedSecret[],
): Validation {
  const none = {
    validationSecret: '',
    trustedCaPem: '',
    verifies: false,
    acceptUntrusted: false,
    sanMatch: undefined,
  };
  const { validationContextType: type } = context ?? {};
  switch (type?.case) {
    case 'validationContext':
      return {
        ...none,
        ...readValidationContext(type.value, `${path}.validation_context`, deps, findings, false),
      };
    case 'validationContextSdsSecretConfig':
      return { ...none, verifies: true, validationSecret: noteSecret(type.value, secrets) };
    case 'combinedValidationContext': {
      const { defaultValidationContext: own, validationContextSdsSecretConfig: sds } = type.value;
      const at = `${path}.combined_validation_context`;
      const read =
        own === undefined
          ? {}
          : readValidationContext(own, `${at}.default_validation_context`, deps, findings, true);
      if (sds === undefined) findings.error(`${at}.validation_context_sds_secret_config`, 'is missing');
      return {
        ...none,
        ...read,
        verifies: true,
        validationSecret: sds === undefined ? '' : noteSecret(sds, secrets),
      };
    }
    default:
      return none;
  }
}

function readValidationContext(
  context: CertificateValidationContext,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
  combined: boolean,
): Partial<Validation> {
  findings.refuse(`${path}.verify_certificate_spki`, context.verifyCertificateSpki.length > 0);
  findings.refuse(`${path}.verify_certificate_hash`, context.verifyCertificateHash.length > 0);
  findings.refuse(`${path}.allow_expired_certificate`, context.allowExpiredCertificate);
  findings.refuse(
    `${path}.ca_certificate_provider_instance`,
    context.caCertificateProviderInstance !== undefined,
  );
  const trustedCaPem =
    context.trustedCa === undefined
      ? ''
      : readSource(context.trustedCa, `${path}.trusted_ca`, deps, findings);
  const sanMatch = compileSanMatch(context, path, findings);
  if (sanMatch !== undefined && trustedCaPem === '' && !combined) {
    findings.error(
      `${path}.trusted_ca`,
      'is missing: names in certificates that nobody vouches for mean nothing',
    );
  }
  return {
    trustedCaPem,
    verifies: trustedCaPem !== '',
    acceptUntrusted: context.trustChainVerification === Trust.ACCEPT_UNTRUSTED,
    sanMatch,
  };
}

function readCertificate(
  certificate: TlsCertificate,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
): { chain: string; key: string } {
  if (certificate.certificateChain === undefined) findings.error(`${path}.certificate_chain`, 'is missing');
  if (certificate.privateKey === undefined) findings.error(`${path}.private_key`, 'is missing');
  return {
    chain: readSource(certificate.certificateChain, `${path}.certificate_chain`, deps, findings),
    key: readSource(certificate.privateKey, `${path}.private_key`, deps, findings),
  };
}

function readSource(
  source: DataSource | undefined,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
): string {
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  try {
    switch (source?.specifier.case) {
      case undefined:
        return '';
      case 'inlineString':
        return source.specifier.value;
      case 'inlineBytes':
        return decode(source.specifier.value);
      case 'filename':
        return decode(deps.readFile(source.specifier.value));
      case 'environmentVariable': {
        const value = deps.environment(source.specifier.value);
        if (value === undefined)
          findings.error(path, `environment variable ${source.specifier.value} is not set`);
        return value ?? '';
      }
    }
  } catch (error) {
    findings.error(path, error instanceof Error ? error.message : String(error));
    return '';
  }
}

function noteSecret(config: SdsSecretConfig, secrets: NamedSecret[]): string {
  secrets.push({ name: config.name, sdsCluster: sdsClusterOf(config.sdsConfig) });
  return config.name;
}

/** The cluster an SDS secret comes from; '' for ADS. */
function sdsClusterOf(source: ConfigSource | undefined): string {
  if (source?.configSourceSpecifier.case !== 'apiConfigSource') return '';
  const [service] = source.configSourceSpecifier.value.grpcServices;
  return service?.targetSpecifier.case === 'envoyGrpc' ? service.targetSpecifier.value.clusterName : '';
}
