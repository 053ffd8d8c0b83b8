/** What a TLS ClientHello tells before the handshake: server name and protocols (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301). */

export interface ClientHello {
  /** Lower case; '' for none. */
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
}

/** `more`: too few bytes yet; `none`: this is no TLS. */
export type HelloVerdict = ClientHello | 'more' | 'none';

const HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const RECORD_HEAD = 5;
/** A ClientHello is not larger than this (Envoy, tls_inspector). */
export const MAX_HELLO_BYTES: number = 16 * 1024;
const SERVER_NAME = 0;
const ALPN = 16;

export function readClientHello(bytes: Buffer): HelloVerdict {
  if (bytes.length === 0) return 'more';
  if (bytes[0] !== HANDSHAKE) return 'none';
  if (bytes.length > 1 && bytes[1] !== 3) return 'none';
  const handshake: Buffer[] = [];
  let at = 0;
  let wanted = 4;
  let have = 0;
  // The message may be spread over several records.
  while (have < wanted) {
    if (bytes.length < at + RECORD_HEAD) return 'more';
    if (bytes[at] !== HANDSHAKE) return 'none';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0) return 'none';
    const piece = bytes.subarray(at + RECORD_HEAD, at + RECORD_HEAD + length);
    handshake.push(piece);
    have += piece.length;
    const start = Buffer.concat(handshake);
    if (start.length >= 1 && start[0] !== CLIENT_HELLO) return 'none';
    if (start.length >= 4) wanted = 4 + start.readUIntBE(1, 3);
    if (wanted > MAX_HELLO_BYTES) return 'none';
    if (piece.length < length) return have >= wanted ? parseHello(start.subarray(4, wanted)) : 'more';
    at += RECORD_HEAD + length;
  }
  return parseHello(Buffer.concat(handshake).subarray(4, wanted));
}

function parseHello(body: Buffer): HelloVerdict {
  try {
    let at = 2 + 32;
    at += 1 + body.readUInt8(at);
    at += 2 + body.readUInt16BE(at);
    at += 1 + body.readUInt8(at);
    if (at + 2 > body.length) return { serverName: '', applicationProtocols: [] };
    const end = Math.min(body.length, at + 2 + body.readUInt16BE(at));
    at += 2;
    let serverName = '';
    let applicationProtocols: string[] = [];
    while (at + 4 <= end) {
      const type = body.readUInt16BE(at);
      const data = body.subarray(at + 4, at + 4 + body.readUInt16BE(at + 2));
      at += 4 + data.length;
      if (type === SERVER_NAME && data.length > 5) {
        serverName = data.toString('latin1', 5, 5 + data.readUInt16BE(3)).toLowerCase();
      } else if (type === ALPN) applicationProtocols = readProtocols(data);
    }
    return { serverName, applicationProtocols };
  } catch {
    // A length that points outside: let the handshake say what is wrong.
    return { serverName: '', applicationProtocols: [] };
  }
}

function readProtocols(data: Buffer): string[] {
  const protocols: string[] = [];
  for (let at = 2; at < data.length; ) {
    const length = data.readUInt8(at);
    protocols.push(data.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return protocols;
}

/** Protocols of a plain connection by its first bytes (Envoy, http_inspector). */
export function sniffHttp(bytes: Buffer): readonly string[] {
  const text = bytes.toString('latin1', 0, 64);
  if ('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.startsWith(text.slice(0, 24)) && text.length >= 3) return ['h2c'];
  const line = /^[A-Z]+ \S*(?: HTTP\/1\.([01]))?/.exec(text);
  if (line === null) return [];
  return [line[1] === '0' ? 'http/1.0' : 'http/1.1'];
}
