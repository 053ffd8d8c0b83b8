/** IP addresses and ranges of them as bytes (RFC 4291 §2.2, RFC 5952, RFC 4632). */

/** Four bytes of IPv4 or sixteen of IPv6. */
export type IpBytes = readonly number[];

/** An address prefix. Bits behind `length` are zero. */
export interface IpRange {
  readonly bytes: IpBytes;
  /** Bits that count. */
  readonly length: number;
}

const V4_BYTES = 4;
const V6_BYTES = 16;

/** Undefined where the text is no IP address; zones (`fe80::1%eth0`) and leading zeros are none. */
export function parseIp(text: string): IpBytes | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== V4_BYTES) return undefined;
  const bytes: number[] = [];
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return undefined;
    const byte = Number(part);
    if (byte > 255) return undefined;
    bytes.push(byte);
  }
  return bytes;
}

function parseV6(text: string): number[] | undefined {
  const gap = text.indexOf('::');
  if (gap === -1) {
    const bytes = parseGroups(text);
    return bytes?.length === V6_BYTES ? bytes : undefined;
  }
  const before = parseGroups(text.slice(0, gap));
  const after = parseGroups(text.slice(gap + 2));
  if (before === undefined || after === undefined) return undefined;
  // The gap stands for one group at least.
  const missing = V6_BYTES - before.length - after.length;
  if (missing < 2 || (before.length > 0 && text.slice(0, gap).includes('.'))) return undefined;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

/** Groups between colons, the last of which may be an IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    if (i === groups.length - 1 && group.includes('.')) {
      const v4 = parseV4(group);
      if (v4 === undefined) return undefined;
      bytes.push(...v4);
      continue;
    }
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    const word = Number.parseInt(group, 16);
    bytes.push(word >> 8, word & 0xff);
  }
  return bytes;
}

/** As `inet_ntop` writes it: lower case, the longest run of zero groups cut out. */
export function formatIp(bytes: IpBytes): string {
  if (bytes.length === V4_BYTES) return bytes.join('.');
  if (isV4Mapped(bytes)) return `::ffff:${bytes.slice(12).join('.')}`;
  const groups: number[] = [];
  for (let i = 0; i < V6_BYTES; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  let start = -1;
  let length = 1; // a single group is not cut out (RFC 5952 §4.2.2)
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    if (end > i) i = end;
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (start === -1) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** Whether it is `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2). */
export function isV4Mapped(bytes: IpBytes): boolean {
  return (
    bytes.length === V6_BYTES &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff &&
    bytes.slice(0, 10).every((byte) => byte === 0)
  );
}

/** @param length above the width of the address is its width (Envoy, CidrRange). Undefined: no IP address. */
export function parseRange(address: string, length: number): IpRange | undefined {
  const bytes = parseIp(address);
  if (bytes === undefined || length < 0) return undefined;
  const bits = Math.min(length, bytes.length * 8);
  return { bytes: bytes.map((byte, i) => byte & maskOf(bits - i * 8)), length: bits };
}

/** Whether it is an address, or one with the length of its prefix, such as `10.0.0.0/8`. */
export function isIpRange(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const ip = parseIp(address);
  if (ip === undefined || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= ip.length * 8);
}

/** Whether the address is in the range; one of IPv4 is in none of IPv6. */
export function inRange({ bytes, length }: IpRange, address: IpBytes): boolean {
  if (bytes.length !== address.length) return false;
  for (let i = 0; i * 8 < length; i++) {
    if ((address[i]! & maskOf(length - i * 8)) !== bytes[i]) return false;
  }
  return true;
}

/** The mask of a byte of which the first `bits` count. */
function maskOf(bits: number): number {
  if (bits >= 8) return 0xff;
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

/** Such as `127.0.0.1` and `::1`. */
export function isLoopback(address: IpBytes): boolean {
  if (address.length === V4_BYTES) return address[0] === 127;
  return address[15] === 1 && address.slice(0, 15).every((byte) => byte === 0);
}

/** `127.0.0.1:80` or `[::1]:80`. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
