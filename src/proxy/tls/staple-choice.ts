/** Whether the OCSP response of a certificate is shown, and the certificate with it (RFC 6066 §8). */
import { type CertificateMaterial, leafOf } from './certificate-material.ts';
import type { StaplePolicy } from './downstream-settings.ts';
import { ocspResponseEndMs } from './ocsp-response.ts';

/** `fail`: the certificate is not to be shown. */
export type StapleChoice = 'staple' | 'omit' | 'fail';

/** For a client that takes a response; to others a certificate is shown without. */
export function stapleChoice(
  certificate: CertificateMaterial,
  policy: StaplePolicy,
  nowMs: number,
): StapleChoice {
  const { ocspStaple } = certificate;
  if (ocspStaple !== undefined && ocspResponseEndMs(ocspStaple) > nowMs) return 'staple';
  const isRequired = policy === 'must' || leafOf(certificate).details.mustStaple;
  return isRequired || (policy === 'strict' && ocspStaple !== undefined) ? 'fail' : 'omit';
}
