/** `heddle pc secrets`: RESOURCE NAME, TYPE, STATUS, VALID CERT, SERIAL NUMBER, NOT AFTER, NOT BEFORE. */
import { X509Certificate } from 'node:crypto';
import { object, text } from './config-dump.ts';
import type { View } from './view.ts';

export const secretsView: View<Readonly<Record<never, never>>> = {
  headers: ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'],
  rows({ dump }) {
    return dump.secrets.map((entry) => {
      const { name, state, secret } = entry;
      const chain = object(object(secret.tls_certificate).certificate_chain);
      const roots = object(object(secret.validation_context).trusted_ca);
      const isRoot = secret.validation_context !== undefined;
      const cells = certificateCells(isRoot ? roots : chain);
      return { resource: entry, cells: [name, isRoot ? 'CA' : 'Cert Chain', state, ...cells] };
    });
  },
};

/** Of the first certificate of a data source; empty cells where there is none to read. */
function certificateCells(source: ReturnType<typeof object>): readonly string[] {
  const bytes = text(source.inline_bytes);
  const pem = bytes === '' ? text(source.inline_string) : Buffer.from(bytes, 'base64').toString('utf8');
  try {
    const certificate = new X509Certificate(pem);
    const [from, to] = [certificate.validFromDate, certificate.validToDate];
    const now = Date.now();
    const valid = now >= from.getTime() && now <= to.getTime();
    return [String(valid), certificate.serialNumber.toLowerCase(), isoSeconds(to), isoSeconds(from)];
  } catch {
    return ['', '', '', ''];
  }
}

function isoSeconds(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}
