/** What a TLS context comes to when every secret it names is there. */
import type { SecretMaterial, SecretStore } from '../contract.ts';
import { Findings } from '../findings.ts';
import type { CertificateMaterial } from './certificate-material.ts';
import type { TlsMaterial } from './material.ts';
import { checkRules, mergeRules, noRules, type ValidationRules } from './validation-rules.ts';

export interface ResolvedMaterial {
  readonly certificates: readonly CertificateMaterial[];
  readonly rules: ValidationRules;
}

/** Undefined while a secret is missing, or is of another kind than it should be. */
export function resolveMaterial(material: TlsMaterial, secrets: SecretStore): ResolvedMaterial | undefined {
  const certificates = [...material.certificates];
  for (const name of material.certificateSecrets) {
    const certificate = certificateOf(secrets.get(name));
    if (certificate === undefined) return undefined;
    certificates.push(certificate);
  }
  if (material.validationSecret === '') return { certificates, rules: material.rules };
  const added = rulesOf(secrets.get(material.validationSecret));
  if (added === undefined) return undefined;
  const rules = mergeRules(material.rules, added);
  // Together they may ask for names in certificates that nobody vouches for.
  const findings = new Findings();
  checkRules(rules, '', findings);
  return findings.failed ? undefined : { certificates, rules };
}

/** The secrets it is made of, as they are now: the same objects while nothing changes. */
export function secretsOf(
  { certificateSecrets, validationSecret }: TlsMaterial,
  secrets: SecretStore,
): readonly (SecretMaterial | undefined)[] {
  const found = certificateSecrets.map((name) => secrets.get(name));
  if (validationSecret !== '') found.push(secrets.get(validationSecret));
  return found;
}

/** Whether a secret with that name is part of it. */
export function namesSecret(material: TlsMaterial, name: string): boolean {
  return material.validationSecret === name || material.certificateSecrets.includes(name);
}

export function secretKeysOf({ validationSecret, certificateSecrets }: TlsMaterial): readonly string[] {
  return validationSecret === '' ? certificateSecrets : [...certificateSecrets, validationSecret];
}

const certificatesOfPem = new WeakMap<SecretMaterial, CertificateMaterial>();

/** One object for each secret: what is known of a certificate is kept by it. */
function certificateOf(secret: SecretMaterial | undefined): CertificateMaterial | undefined {
  if (secret?.certificate !== undefined) return secret.certificate;
  const { certificateChainPem: chainPem, privateKeyPem: keyPem } = secret ?? {};
  if (secret === undefined || chainPem === undefined || keyPem === undefined) return undefined;
  let certificate = certificatesOfPem.get(secret);
  if (certificate === undefined) {
    certificate = { chainPem, keyPem, password: '', pkcs12: undefined, ocspStaple: undefined };
    certificatesOfPem.set(secret, certificate);
  }
  return certificate;
}

function rulesOf(secret: SecretMaterial | undefined): ValidationRules | undefined {
  if (secret?.validation !== undefined) return secret.validation;
  return secret?.trustedCaPem === undefined ? undefined : { ...noRules, trustedCaPem: secret.trustedCaPem };
}
