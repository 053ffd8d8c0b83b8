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

  test('spread over more records than any client makes', () => {
    const body = hello.subarray(5);
    const records = [...body].flatMap((byte) => [0x16, 3, 1, 0, 1, byte]);
    assert.equal(readClientHello(Buffer.from(records)), 'none');
  });

  test('record versions of old and new clients', () => {
    for (const minor of [0, 1, 2, 3, 4, 5]) {
      const bytes = Buffer.from(hello);
      bytes[2] = minor;
      assert.deepEqual(readClientHello(bytes), found);
    }
  });

  const notHello: [bytes: readonly number[], why: string][] = [
    [[0x16, 4, 0], 'another major version'],
    [[0x15, 3, 1, 0, 2, 2, 0x28], 'an alert'],
    [[0x16, 3, 1, 0, 5, 2, 0, 0, 1, 0], 'a ServerHello'],
    [[0x16, 3, 1, 0, 9, 1, 0, 0, 5, 1, 2, 3, 4, 5], 'a message without what a ClientHello has'],
    [[0x16, 3, 1, 0xff, 0xff, 1], 'a record larger than any'],
    [[0x16, 3, 1, 0, 9, 1, 0, 0x4e, 0x20, 1, 2, 3, 4, 5], 'a message larger than any'],
    [[0x80, 0x2e, 1, 3, 1], 'SSL 2'],
  ];
  for (const [bytes, why] of notHello) {
    test(`not one: ${why}`, () => assert.equal(readClientHello(Buffer.from(bytes)), 'none'));
  }

  test('records without a byte ask for more', () => {
    assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 0])), 'more');
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
