/** PROXY protocol (haproxy's `doc/proxy-protocol.txt`), both versions, right and wrong. */
import { isIPv6 } from 'node:net';

export interface Ends {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

export function proxyV1({ from, fromPort, to, toPort }: Ends): Buffer {
  return Buffer.from(`PROXY TCP${isIPv6(from) ? 6 : 4} ${from} ${to} ${fromPort} ${toPort}\r\n`);
}

export interface V2Options {
  /** LOCAL where false. */
  readonly proxied?: boolean;
  readonly tlvs?: readonly (readonly [type: number, value: string])[];
  /** Of the header, instead of the right one. */
  readonly length?: number;
  readonly version?: number;
  readonly family?: number;
}

export function proxyV2(ends: Ends, { proxied = true, tlvs = [], ...odd }: V2Options = {}): Buffer {
  const six = isIPv6(ends.from);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(ends.fromPort, 0);
  ports.writeUInt16BE(ends.toPort, 2);
  const fields = tlvs.map(([type, value]) =>
    Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), Buffer.from(value, 'latin1')]),
  );
  const body = Buffer.concat([addressBytes(ends.from), addressBytes(ends.to), ports, ...fields]);
  const head = Buffer.from([
    ((odd.version ?? 2) << 4) | (proxied ? 1 : 0),
    odd.family ?? (six ? 0x21 : 0x11),
    0,
    0,
  ]);
  head.writeUInt16BE(odd.length ?? body.length, 2);
  return Buffer.concat([SIGNATURE, head, body]);
}

function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail)];
  const all = address.includes('::')
    ? [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
    : before;
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** What an upstream got before the bytes of its protocol, told in words; `rest` is what follows. */
export function readProxyHeader(bytes: Buffer): { readonly told: string; readonly rest: Buffer } | undefined {
  if (bytes.subarray(0, 12).equals(SIGNATURE)) {
    const length = bytes.readUInt16BE(14);
    const body = bytes.subarray(16, 16 + length);
    return {
      told: `PROXY v2 ${bytes.toString('hex', 12, 14)} ${v2Ends(bytes[13]!, body)}`,
      rest: bytes.subarray(16 + length),
    };
  }
  if (bytes.toString('latin1', 0, 6) !== 'PROXY ') return undefined;
  const end = bytes.indexOf('\r\n');
  return { told: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 2) };
}

function v2Ends(family: number, body: Buffer): string {
  const size = family >> 4 === 2 ? 16 : family >> 4 === 1 ? 4 : 0;
  if (size === 0) return `${body.length} bytes`;
  const shown = (at: number): string =>
    size === 4 ? body.subarray(at, at + 4).join('.') : body.toString('hex', at, at + 16);
  const ports = `${body.readUInt16BE(2 * size)} ${body.readUInt16BE(2 * size + 2)}`;
  const tlvs = body.length > 2 * size + 4 ? ` tlvs ${body.toString('hex', 2 * size + 4)}` : '';
  return `${shown(0)} ${shown(size)} ${ports}${tlvs}`;
}
