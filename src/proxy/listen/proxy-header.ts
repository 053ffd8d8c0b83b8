/**
 * The header of the PROXY protocol, versions 1 and 2, as it is read
 * (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt). What Envoy refuses is refused.
 */
import { formatIp, type IpBytes, parseIp } from '#core/ip-address.ts';

/** A value of a version 2 header, by its type. */
export interface Tlv {
  readonly type: number;
  readonly value: Buffer;
}

export interface IpEndpoint {
  readonly ip: string;
  readonly port: number;
}

export interface ProxyHeader {
  /** Undefined where the header says nothing of a connection: LOCAL, UNKNOWN. */
  readonly source: IpEndpoint | undefined;
  readonly destination: IpEndpoint | undefined;
  /** In the order of the header. */
  readonly tlvs: readonly Tlv[];
}

/** What stands at the start of a connection. */
export type HeaderStart = 'v1' | 'v2' | 'none' | 'more';

export const SIGNATURE_V2: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const SIGNATURE_V1 = Buffer.from('PROXY ', 'latin1');
/** A version 2 header up to its addresses. */
export const HEAD_V2_BYTES = 16;
/** With its line feed; the protocol says 107, Envoy takes one more. */
const MAX_V1_BYTES = 108;

const noTlvs: readonly Tlv[] = [];
const noAddresses: ProxyHeader = { source: undefined, destination: undefined, tlvs: noTlvs };

/** @returns `more` while the bytes are the start of a signature that goes on. */
export function headerStart(bytes: Buffer): HeaderStart {
  if (beginsWith(bytes, SIGNATURE_V1)) return bytes.length < SIGNATURE_V1.length ? 'more' : 'v1';
  if (beginsWith(bytes, SIGNATURE_V2)) return bytes.length < HEAD_V2_BYTES ? 'more' : 'v2';
  return 'none';
}

/** Whether one is the start of the other. */
function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  const common = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, common, 0, common) === 0;
}

/** How many bytes a header of version 1 has; undefined: it is too long; 0: more are needed. */
export function lengthV1(bytes: Buffer): number | undefined {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf('\r\n', SIGNATURE_V1.length, 'latin1');
  if (end !== -1) return end + 2;
  return bytes.length < MAX_V1_BYTES ? 0 : undefined;
}

/** How many bytes a header of version 2 has. */
export function lengthV2(bytes: Buffer): number {
  return HEAD_V2_BYTES + bytes.readUInt16BE(14);
}

/** @param line with its line feed. @returns undefined where it is malformed. */
export function parseV1(line: Buffer): ProxyHeader | undefined {
  const [, protocol, source = '', destination = '', ...ports] = line
    .toString('latin1', 0, line.length - 2)
    .trimEnd()
    .split(' ');
  if (protocol === 'UNKNOWN') return noAddresses;
  if ((protocol !== 'TCP4' && protocol !== 'TCP6') || ports.length !== 2) return undefined;
  const bytes = protocol === 'TCP4' ? 4 : 16;
  const from = endpoint(parseIp(source), bytes, portOf(ports[0]!));
  const to = endpoint(parseIp(destination), bytes, portOf(ports[1]!));
  return from && to && { source: from, destination: to, tlvs: noTlvs };
}

/** As the function Envoy reads it with (`absl::SimpleAtoi`): blanks around it and a plus sign do no harm. */
function portOf(text: string): number {
  const digits = /^[\t\n\v\f\r ]*\+?(\d+)[\t\n\v\f\r ]*$/.exec(text)?.[1];
  const port = digits === undefined ? -1 : Number(digits);
  return port <= 65_535 ? port : -1;
}

function endpoint(ip: IpBytes | undefined, bytes: number, port: number): IpEndpoint | undefined {
  if (ip?.length !== bytes || port === -1 || !isUnicast(ip)) return undefined;
  return { ip: formatIp(ip), port };
}

function isUnicast(ip: IpBytes): boolean {
  const first = ip[0]!;
  if (ip.every((byte) => byte === 0)) return false;
  if (ip.length === 16) return first !== 0xff;
  return (first & 0xf0) !== 0xe0 && !ip.every((byte) => byte === 0xff);
}

const LOCAL = 0x20;
const PROXY = 0x21;
const STREAM = 1;
const DATAGRAM = 2;
const addressBytes: Readonly<Record<number, number>> = { 1: 4, 2: 16 };

/** Whether the first {@link HEAD_V2_BYTES} may begin a header, whatever follows. */
export function isHeadV2(head: Buffer): boolean {
  return head[12] === LOCAL || (head[12] === PROXY && lengthV2(head) >= endOfAddresses(head));
}

/** Infinity where the header has no addresses that are understood. */
function endOfAddresses(head: Buffer): number {
  const bytes = addressBytes[head[13]! >> 4];
  const transport = head[13]! & 0x0f;
  if (bytes === undefined || (transport !== STREAM && transport !== DATAGRAM))
    return Number.POSITIVE_INFINITY;
  return HEAD_V2_BYTES + 2 * bytes + 4;
}

/** @param header whole. @returns undefined where it is malformed. */
export function parseV2(header: Buffer): ProxyHeader | undefined {
  if (!isHeadV2(header)) return undefined;
  if (header[12] === LOCAL) return noAddresses;
  const end = endOfAddresses(header);
  const bytes = (end - HEAD_V2_BYTES - 4) / 2;
  const at = HEAD_V2_BYTES + bytes;
  const source = endpoint([...header.subarray(HEAD_V2_BYTES, at)], bytes, header.readUInt16BE(end - 4));
  const destination = endpoint([...header.subarray(at, at + bytes)], bytes, header.readUInt16BE(end - 2));
  const tlvs = parseTlvs(header.subarray(end));
  return source && destination && tlvs && { source, destination, tlvs };
}

/** @returns undefined where a value is cut off. */
function parseTlvs(bytes: Buffer): readonly Tlv[] | undefined {
  if (bytes.length === 0) return noTlvs;
  const tlvs: Tlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) return undefined;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return undefined;
    // Copied: it outlives the read it came with.
    tlvs.push({ type: bytes[at]!, value: Buffer.from(bytes.subarray(at + 3, end)) });
    at = end;
  }
  return tlvs;
}
