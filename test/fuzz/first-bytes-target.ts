/** What listeners read before anything else: ClientHello, PROXY protocol, the start of HTTP. More bytes change no verdict. */
import assert from 'node:assert/strict';
import { MessageReader } from '#http/grpc-message.ts';
import { Base64Reader } from '#proxy/filter/grpc-web/framing.ts';
import { readClientHello } from '#proxy/listen/client-hello.ts';
import { readHttpStart } from '#proxy/listen/http-start.ts';
import { headerStart, lengthV1, lengthV2, parseV1, parseV2 } from '#proxy/listen/proxy-header.ts';
import type { FuzzTarget } from './target.ts';

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

/** The first verdict that is not `more`. */
function decide(pieces: readonly Buffer[], read: (bytes: Buffer) => unknown): string {
  let held: Buffer = Buffer.alloc(0);
  for (const piece of pieces) {
    held = Buffer.concat([held, piece]);
    const verdict = read(held);
    if (verdict !== 'more') return JSON.stringify(verdict);
  }
  return 'more';
}

/** A ClientHello with SNI `a.b` and ALPN `h2`. */
function clientHello(): Buffer {
  const extensions = text('\0\0\0\x08\0\x06\0\0\x03a.b\0\x10\0\x05\0\x03\x02h2');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(extensions.length);
  const body = Buffer.concat([
    text('\x03\x03'),
    Buffer.alloc(32),
    text('\0\0\x02\x13\x01\x01\0'),
    length,
    extensions,
  ]);
  const record = Buffer.alloc(9);
  record.set([0x16, 3, 1]);
  record.writeUInt16BE(body.length + 4, 3);
  record[5] = 1;
  record.writeUIntBE(body.length, 6, 3);
  return Buffer.concat([record, body]);
}

export const clientHelloTarget: FuzzTarget = {
  name: 'client-hello',
  seeds: [clientHello(), text('GET / HTTP/1.1\r\n\r\n')],
  run: (pieces) => decide(pieces, readClientHello),
};

export const httpStartTarget: FuzzTarget = {
  name: 'http-start',
  seeds: [
    text('GET / HTTP/1.1\r\n\r\n'),
    text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    text('POST /a b HTTP/1.0\r\n'),
  ],
  run: (pieces) => decide(pieces, readHttpStart),
};

export const proxyHeaderTarget: FuzzTarget = {
  name: 'proxy-header',
  seeds: [
    text('PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\nGET /'),
    text('PROXY TCP6 ::1 ::2 1000 80\r\n'),
    text('PROXY UNKNOWN\r\n'),
    text('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x03\xe8\0\x50'),
    text('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\x01\x02\x03\x04\x05\x06\x07\x08\x03\xe8\0\x50\xea\0\x02ab'),
    text('\r\n\r\n\0\r\nQUIT\n\x20\0\0\0'),
  ],
  run: (pieces) =>
    decide(pieces, (bytes) => {
      const start = headerStart(bytes);
      if (start === 'v1') {
        const length = lengthV1(bytes);
        if (length === 0) return 'more';
        return length === undefined ? 'too long' : (parseV1(bytes.subarray(0, length)) ?? 'wrong');
      }
      if (start !== 'v2') return start;
      const length = lengthV2(bytes);
      if (bytes.length < length) return 'more';
      return parseV2(bytes.subarray(0, length)) ?? 'wrong';
    }),
};

/** What is read of bodies. */
export const grpcTarget: FuzzTarget = {
  name: 'grpc-body',
  seeds: [
    text('\0\0\0\0\x05hello\0\0\0\0\0'),
    text('AAAAAAVoZWxsbw=='),
    text('\x80\0\0\0\x0fgrpc-status:0\r\n'),
  ],
  run(pieces) {
    const reader = new MessageReader(10_000);
    const base64 = new Base64Reader();
    const said: string[] = [];
    let decoded = '';
    for (const piece of pieces) {
      const wrong = reader.read(piece, (message) => said.push(`message ${message.length}`));
      if (wrong !== '') {
        said.push(wrong);
        break;
      }
    }
    let valid = true;
    for (const piece of pieces) {
      const bytes: Buffer | undefined = valid ? base64.read(piece) : undefined;
      valid &&= bytes !== undefined;
      if (bytes !== undefined) decoded += bytes.toString('latin1');
    }
    assert.ok(decoded.length <= pieces.reduce((sum, piece) => sum + piece.length, 0));
    // What comes before a wrong piece is given out or not, as the pieces fall.
    return [...said, valid ? `base64 ${decoded}` : 'no base64'].join('\n');
  },
};
