import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { readClientHello } from './client-hello.ts';

/** The first bytes OpenSSL sends. */
function helloOf(servername: string, ALPNProtocols: string[]): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    connect({ socket: wire, servername, ALPNProtocols }).on('error', () => {});
  });
}

describe('ClientHello', () => {
  let hello: Buffer;
  before(async () => {
    hello = await helloOf('Reviews.Default', ['istio', 'h2']);
  });
  const found = { serverName: 'reviews.default', applicationProtocols: ['istio', 'h2'] };

  test('server name and protocols', () => assert.deepEqual(readClientHello(hello), found));

  test('every beginning asks for more', () => {
    for (let end = 0; end < hello.length; end++)
      assert.equal(readClientHello(hello.subarray(0, end)), 'more', String(end));
  });

  test('spread over two records', () => {
    const body = hello.subarray(5);
    const record = (piece: Buffer): Buffer =>
      Buffer.concat([Buffer.from([0x16, 3, 1, piece.length >> 8, piece.length & 0xff]), piece]);
    assert.deepEqual(
      readClientHello(Buffer.concat([record(body.subarray(0, 50)), record(body.subarray(50))])),
      found,
    );
  });

  test('lengths that lie are not followed', () => {
    for (let i = 9; i < hello.length; i++) {
      const broken = Buffer.from(hello);
      broken[i] = 0xff;
      readClientHello(broken);
    }
  });

  test('HTTP is not TLS', () => assert.equal(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')), 'none'));
});
