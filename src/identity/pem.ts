/** PEM texts (RFC 7468): taken apart and put together. */

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;
const LINE_LENGTH = 64;

/** Every block with the label, such as `CERTIFICATE`, in order, each ending in a newline. */
export function pemBlocks(text: string, label: string): string[] {
  const blocks: string[] = [];
  for (const match of text.matchAll(BLOCK)) {
    if (match[1] === label) blocks.push(`${match[0]}\n`);
  }
  return blocks;
}

/** One PEM block around DER bytes. */
export function pemFromDer(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64');
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += LINE_LENGTH) lines.push(base64.slice(at, at + LINE_LENGTH));
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
