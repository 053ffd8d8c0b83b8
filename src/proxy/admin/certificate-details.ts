/** What certificates in a PEM text say. */
import { X509Certificate } from 'node:crypto';

export const DAY_MS = 86_400_000;

export function certificatesOf(pem: string | undefined): X509Certificate[] {
  const blocks = pem?.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** Whole days until it ends; below 0 where it has ended. */
export function daysLeft({ validToDate }: X509Certificate): number {
  return Math.floor((validToDate.getTime() - Date.now()) / DAY_MS);
}

/** When the first certificate of some texts ends, in milliseconds since 1970; infinite where there is none. */
export function firstEndMs(...pems: readonly (string | undefined)[]): number {
  return Math.min(...pems.flatMap(certificatesOf).map(({ validToDate }) => validToDate.getTime()));
}
