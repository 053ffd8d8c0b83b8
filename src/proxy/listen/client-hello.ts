/** What a TLS ClientHello tells before the handshake: server name and protocols (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301). */

export interface ClientHello {
  /** Lower case; '' for none. */
  readonly serverName: string;
  /** In the order of the client. */
  readonly applicationProtocols: readonly string[];
}

/** `more`: too few bytes yet; `none`: this is no ClientHello. */
export type HelloVerdict = ClientHello | 'more' | 'none';

const HANDSHAKE = 0x16;
const TLS_MAJOR = 3;
const CLIENT_HELLO = 1;
const RECORD_HEAD = 5;
const MESSAGE_HEAD = 4;
/** RFC 8446 §5.2: 2^14 and 256 for the cipher, which no server lets a ClientHello have. */
const MAX_RECORD_BYTES = 16 * 1024 + 256;
/** A ClientHello is not larger than this (BoringSSL). */
const MAX_HELLO_BYTES = 16 * 1024;
/** No client cuts its hello into more: each is looked at again whenever bytes come. */
const MAX_RECORDS = 32;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const ALPN = 16;

export function readClientHello(bytes: Buffer): HelloVerdict {
  const body = clientHelloBody(bytes);
  return body === 'more' || body === 'none' ? body : parseHello(body);
}

/** The message without its head (RFC 8446 §4.1.2). */
export function clientHelloBody(bytes: Buffer): Buffer | 'more' | 'none' {
  let at = 0;
  let have = 0;
  let wanted = MESSAGE_HEAD;
  const pieces: Buffer[] = [];
  // The message may be spread over several records.
  while (have < wanted) {
    if (at < bytes.length && bytes[at] !== HANDSHAKE) return 'none';
    if (at + 1 < bytes.length && bytes[at + 1] !== TLS_MAJOR) return 'none';
    if (bytes.length < at + RECORD_HEAD) return 'more';
    const length = bytes.readUInt16BE(at + 3);
    if (length > MAX_RECORD_BYTES) return 'none';
    const piece = bytes.subarray(at + RECORD_HEAD, at + RECORD_HEAD + length);
    if (piece.length > 0 && pieces.push(piece) > MAX_RECORDS) return 'none';
    have += piece.length;
    if (have > 0 && pieces[0]![0] !== CLIENT_HELLO) return 'none';
    if (wanted === MESSAGE_HEAD && have >= MESSAGE_HEAD) {
      wanted += join(pieces).readUIntBE(1, 3);
      if (wanted > MESSAGE_HEAD + MAX_HELLO_BYTES) return 'none';
    }
    if (piece.length < length && have < wanted) return 'more';
    at += RECORD_HEAD + length;
  }
  return join(pieces).subarray(MESSAGE_HEAD, wanted);
}

function join(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** Random and legacy version. */
const FIXED_BYTES = 2 + 32;

function parseHello(body: Buffer): HelloVerdict {
  // Session id, cipher suites, compression methods.
  const session = skip(body, FIXED_BYTES, 1);
  const ciphers = skip(body, session, 2);
  const compression = skip(body, ciphers, 1);
  if (compression === -1) return 'none';
  let serverName = '';
  let applicationProtocols: readonly string[] = [];
  if (compression === body.length) return { serverName, applicationProtocols };
  const end = skip(body, compression, 2);
  if (end !== body.length) return 'none';
  for (let at = compression + 2; at < end; ) {
    const next = skip(body, at + 2, 2);
    if (next === -1) return 'none';
    const data = body.subarray(at + 4, next);
    const type = body.readUInt16BE(at);
    if (type === SERVER_NAME) serverName = readServerName(data);
    else if (type === ALPN) applicationProtocols = readProtocols(data);
    at = next;
  }
  return { serverName, applicationProtocols };
}

/** @returns where a vector that begins at `at` with a length of `lengthBytes` ends; -1: outside. */
function skip(body: Buffer, at: number, lengthBytes: 1 | 2): number {
  if (at === -1 || at + lengthBytes > body.length) return -1;
  const end = at + lengthBytes + body.readUIntBE(at, lengthBytes);
  return end > body.length ? -1 : end;
}

function readServerName(data: Buffer): string {
  if (data.length < 5 || data[2] !== HOST_NAME) return '';
  const end = skip(data, 3, 2);
  return end === -1 ? '' : data.toString('latin1', 5, end).toLowerCase();
}

function readProtocols(data: Buffer): readonly string[] {
  const protocols: string[] = [];
  for (let at = 2; at < data.length; ) {
    const end = skip(data, at, 1);
    if (end === -1) return [];
    protocols.push(data.toString('latin1', at + 1, end));
    at = end;
  }
  return protocols;
}
