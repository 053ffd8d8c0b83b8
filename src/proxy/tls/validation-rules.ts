/** What a certificate of the other side must satisfy: a `CertificateValidationContext`, read once. */
import type { StringMatcherShape } from '#core/matcher.ts';
import { pemBlocks } from '#identity/pem.ts';
import { revocationLists } from '#identity/revocation-list.ts';
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcher,
  CertificateValidationContext_TrustChainVerification as Trust,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SPIFFECertValidatorConfigSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import type { StringMatcher } from '#xds/gen/envoy/type/matcher/v3/string_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';
import { textMatcher } from '../route/header-match.ts';
import { certificatesIn } from './certificate-material.ts';
import { type DataReader, readText } from './data-source.ts';

/** `any`: of the deprecated matchers, which do not say. */
export type SanKind = 'email' | 'dns' | 'uri' | 'ip' | 'other' | 'any';

export interface SanRule {
  readonly kind: SanKind;
  /** Of the name; only for `other`. */
  readonly oid: string;
  readonly matcher: StringMatcherShape;
}

/** The roots that vouch for one trust domain and for no other. */
export interface TrustDomainRoots {
  readonly name: string;
  readonly rootsPem: string;
}

/** Plain data: it goes to other threads. */
export interface ValidationRules {
  /** '' where no chain is verified. */
  readonly trustedCaPem: string;
  /** '' for none. */
  readonly crlPem: string;
  readonly leafCrlOnly: boolean;
  /** One of them must match, if there are any. */
  readonly names: readonly SanRule[];
  /** SHA-256 of certificates in lower-case hexadecimal, and of public keys in Base64; one of all must match. */
  readonly certificateHashes: readonly string[];
  readonly publicKeyHashes: readonly string[];
  readonly allowExpired: boolean;
  /** Whoever fails is let in all the same. */
  readonly acceptUntrusted: boolean;
  /** Authorities between leaf and root; undefined: as OpenSSL has it. */
  readonly maxDepth: number | undefined;
  /** Of the SPIFFE validator, which has these instead of `trustedCaPem`; empty without it. */
  readonly trustDomains: readonly TrustDomainRoots[];
}

export const noRules: ValidationRules = {
  trustedCaPem: '',
  crlPem: '',
  leafCrlOnly: false,
  names: [],
  certificateHashes: [],
  publicKeyHashes: [],
  allowExpired: false,
  acceptUntrusted: false,
  maxDepth: undefined,
  trustDomains: [],
};

/** @param isPart whether more rules are added to these, so that they need no roots of their own. */
export function readValidationRules(
  context: CertificateValidationContext,
  path: string,
  reader: DataReader,
  findings: Findings,
  isPart = false,
): ValidationRules {
  refuseUnsupported(context, path, findings);
  const text = (source: CertificateValidationContext['trustedCa'], at: string): string =>
    source === undefined ? '' : (readText(source, at, reader, findings) ?? '');
  const trustedCaPem = text(context.trustedCa, `${path}.trusted_ca`);
  if (trustedCaPem !== '') certificatesIn(trustedCaPem, `${path}.trusted_ca`, findings);
  const crlPem = text(context.crl, `${path}.crl`);
  if (crlPem !== '') checkRevocationLists(crlPem, `${path}.crl`, findings);
  const rules: ValidationRules = {
    trustedCaPem,
    crlPem,
    leafCrlOnly: context.onlyVerifyLeafCertCrl,
    names: readNames(context, path, findings).slice(),
    certificateHashes: readCertificateHashes(context.verifyCertificateHash, path, findings),
    publicKeyHashes: readPublicKeyHashes(context.verifyCertificateSpki, path, findings),
    allowExpired: context.allowExpiredCertificate,
    acceptUntrusted: context.trustChainVerification === Trust.ACCEPT_UNTRUSTED,
    maxDepth: context.maxVerifyDepth,
    trustDomains: readTrustDomains(context, path, reader, findings),
  };
  if (!isPart) checkRules(rules, path, findings);
  return rules;
}

/** What only makes sense where a chain is verified, and what the SPIFFE validator does not look at. */
export function checkRules(rules: ValidationRules, path: string, findings: Findings): void {
  if (rules.trustDomains.length > 0) {
    checkSpiffeRules(rules, path, findings);
    return;
  }
  if (rules.allowExpired && rules.crlPem !== '') {
    findings.error(`${path}.allow_expired_certificate`, 'is not supported beside crl');
  }
  if (rules.trustedCaPem !== '') return;
  const missing = (why: string): void => findings.error(`${path}.trusted_ca`, `is missing: ${why}`);
  if (rules.names.length > 0) missing('names in certificates that nobody vouches for mean nothing');
  if (rules.allowExpired) missing('without it no certificate expires');
  if (rules.crlPem !== '') missing('revocation lists are of an authority that is trusted');
}

function checkSpiffeRules(rules: ValidationRules, path: string, findings: Findings): void {
  const refuse = (field: string, isSet: boolean): void => {
    if (isSet) findings.error(`${path}.${field}`, 'is not looked at by the SPIFFE validator');
  };
  refuse('trusted_ca', rules.trustedCaPem !== '');
  refuse('crl', rules.crlPem !== '');
  refuse('verify_certificate_hash', rules.certificateHashes.length > 0);
  refuse('verify_certificate_spki', rules.publicKeyHashes.length > 0);
  refuse('max_verify_depth', rules.maxDepth !== undefined);
  refuse('trust_chain_verification', rules.acceptUntrusted);
  refuse(
    'match_typed_subject_alt_names',
    rules.names.some(({ kind }) => kind !== 'uri'),
  );
}

/** As Envoy merges the context of a secret into the default one: lists are joined, what is set wins. */
export function mergeRules(base: ValidationRules, added: ValidationRules): ValidationRules {
  return {
    trustedCaPem: added.trustedCaPem || base.trustedCaPem,
    crlPem: added.crlPem || base.crlPem,
    leafCrlOnly: added.leafCrlOnly || base.leafCrlOnly,
    names: [...base.names, ...added.names],
    certificateHashes: [...base.certificateHashes, ...added.certificateHashes],
    publicKeyHashes: [...base.publicKeyHashes, ...added.publicKeyHashes],
    allowExpired: added.allowExpired || base.allowExpired,
    acceptUntrusted: added.acceptUntrusted || base.acceptUntrusted,
    maxDepth: added.maxDepth ?? base.maxDepth,
    trustDomains: added.trustDomains.length > 0 ? added.trustDomains : base.trustDomains,
  };
}

/** Whether the other side has to satisfy anything. */
export function asksForCertificate(rules: ValidationRules): boolean {
  return (
    rules.trustedCaPem !== '' ||
    rules.trustDomains.length > 0 ||
    rules.certificateHashes.length + rules.publicKeyHashes.length > 0
  );
}

function refuseUnsupported(context: CertificateValidationContext, path: string, findings: Findings): void {
  const { caCertificateProviderInstance, systemRootCerts, requireSignedCertificateTimestamp } = context;
  findings.refuse(`${path}.ca_certificate_provider_instance`, caCertificateProviderInstance !== undefined);
  findings.refuse(`${path}.system_root_certs`, systemRootCerts !== undefined);
  findings.refuse(
    `${path}.require_signed_certificate_timestamp`,
    requireSignedCertificateTimestamp !== undefined,
  );
  findings.refuse(`${path}.suppress_client_ca_list`, context.suppressClientCaList);
}

function checkRevocationLists(pem: string, path: string, findings: Findings): void {
  try {
    revocationLists(pem);
  } catch (error) {
    findings.error(path, error instanceof Error ? error.message : String(error));
  }
}

const kinds: Readonly<Record<number, SanKind>> = {
  [SanType.EMAIL]: 'email',
  [SanType.DNS]: 'dns',
  [SanType.URI]: 'uri',
  [SanType.IP_ADDRESS]: 'ip',
  [SanType.OTHER_NAME]: 'other',
};

const OID = /^[0-2](?:\.(?:0|[1-9]\d*))+$/;

function readNames(
  context: CertificateValidationContext,
  path: string,
  findings: Findings,
): readonly SanRule[] {
  const rules: SanRule[] = [];
  context.matchTypedSubjectAltNames.forEach((given, i) => {
    const rule = readSanRule(given, `${path}.match_typed_subject_alt_names[${i}]`, findings);
    if (rule !== undefined) rules.push(rule);
  });
  context.matchSubjectAltNames.forEach((matcher, i) => {
    rules.push(sanRule('any', '', matcher, `${path}.match_subject_alt_names[${i}]`, findings));
  });
  return rules;
}

/** Undefined, with an error, where there is nothing to compare with. */
export function readSanRule(
  { sanType, matcher, oid }: SubjectAltNameMatcher,
  at: string,
  findings: Findings,
): SanRule | undefined {
  const kind = kinds[sanType];
  if (kind === undefined) findings.error(`${at}.san_type`, 'is missing');
  if (kind === 'other' && !OID.test(oid)) findings.error(`${at}.oid`, 'must name the kind of OTHER_NAME');
  if (matcher === undefined) {
    findings.error(`${at}.matcher`, 'is missing');
    return undefined;
  }
  return sanRule(kind ?? 'any', oid, matcher, `${at}.matcher`, findings);
}

function sanRule(
  kind: SanKind,
  oid: string,
  matcher: StringMatcher,
  at: string,
  findings: Findings,
): SanRule {
  textMatcher(matcher, at, findings);
  const { matchPattern, ignoreCase } = matcher;
  return { kind, oid, matcher: { matchPattern, ignoreCase } as StringMatcherShape };
}

function readCertificateHashes(hashes: readonly string[], path: string, findings: Findings): string[] {
  return hashes.map((given, i) => {
    const hash = given.replaceAll(':', '').toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(hash)) {
      findings.error(`${path}.verify_certificate_hash[${i}]`, 'is no SHA-256 in hexadecimal');
    }
    return hash;
  });
}

function readPublicKeyHashes(hashes: readonly string[], path: string, findings: Findings): readonly string[] {
  hashes.forEach((hash, i) => {
    if (!/^[A-Za-z0-9+/]{43}=$/.test(hash)) {
      findings.error(`${path}.verify_certificate_spki[${i}]`, 'is no SHA-256 in Base64');
    }
  });
  return hashes;
}

function readTrustDomains(
  { customValidatorConfig: custom }: CertificateValidationContext,
  path: string,
  reader: DataReader,
  findings: Findings,
): readonly TrustDomainRoots[] {
  if (custom === undefined) return [];
  const at = `${path}.custom_validator_config.typed_config`;
  if (typeNameOf(custom.typedConfig) !== SPIFFECertValidatorConfigSchema.typeName) {
    findings.error(at, `validator ${custom.typedConfig?.typeUrl ?? custom.name} is not supported`);
    return [];
  }
  const config = findings.unpack(at, custom.typedConfig, SPIFFECertValidatorConfigSchema);
  findings.refuse(`${at}.trust_bundles`, config?.trustBundles !== undefined);
  if (config?.trustDomains.length === 0) findings.error(`${at}.trust_domains`, 'is missing');
  const names = new Set<string>();
  return (config?.trustDomains ?? []).map(({ name, trustBundle, workloadTrustDomain }, i) => {
    const each = `${at}.trust_domains[${i}]`;
    findings.refuse(`${each}.workload_trust_domain`, workloadTrustDomain !== '');
    if (name === '') findings.error(`${each}.name`, 'is missing');
    if (names.has(name)) findings.error(`${each}.name`, 'stands twice');
    names.add(name);
    const rootsPem = readText(trustBundle, `${each}.trust_bundle`, reader, findings) ?? '';
    if (rootsPem !== '') certificatesIn(rootsPem, `${each}.trust_bundle`, findings);
    return { name, rootsPem };
  });
}

/** Every root by itself, for OpenSSL. */
export function rootsOf({ trustedCaPem, trustDomains }: ValidationRules): string[] {
  const texts = trustDomains.length === 0 ? [trustedCaPem] : trustDomains.map(({ rootsPem }) => rootsPem);
  return texts.flatMap((text) => pemBlocks(text, 'CERTIFICATE'));
}
