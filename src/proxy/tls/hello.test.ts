/** ClientHellos of a real client, whole and spoilt. */
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { before, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { clientHelloBody } from '../listen/client-hello.ts';
import { agreedCurve, curveNumbers } from './curves.ts';
import { noHello, readHello } from './hello.ts';

async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      resolve(bytes);
      done();
    },
  });
  const socket = connect({ socket: wire, ca: [], ...options });
  socket.on('error', () => {});
  const bytes = await promise;
  socket.destroy();
  const body = clientHelloBody(bytes);
  assert.ok(typeof body !== 'string', body.toString());
  return body;
}

let body: Buffer;
before(async () => {
  body = await helloOf({
    servername: 'Web.Test',
    ALPNProtocols: ['h2', 'http/1.1'],
    ecdhCurve: 'X25519:P-256',
    sigalgs: 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256',
    ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256',
  });
});

test('everything a server needs to choose', () => {
  const hello = readHello(body);
  assert.equal(hello.serverName, 'web.test');
  assert.deepEqual(hello.applicationProtocols, ['h2', 'http/1.1']);
  assert.deepEqual(hello.groups, [29, 23]);
  assert.deepEqual(hello.keyShares, [29]);
  assert.deepEqual(hello.signatures, [0x0403, 0x0804]);
  assert.ok(hello.ciphers.includes(0x1301) && hello.ciphers.includes(0xc02f));
  assert.equal(hello.speaksTls13, true);
  assert.equal(hello.takesStaple, false);
  assert.equal(hello.ticketName, undefined);
});

test('a client of TLS 1.2 that says little', async () => {
  const hello = readHello(await helloOf({ maxVersion: 'TLSv1.2', ecdhCurve: 'P-256' }));
  assert.equal(hello.serverName, '');
  assert.deepEqual(hello.applicationProtocols, []);
  assert.deepEqual(hello.groups, [23]);
  assert.equal(hello.speaksTls13, false);
});

test('bytes cut short or spoilt never throw', () => {
  assert.deepEqual(readHello(Buffer.alloc(0)), noHello);
  for (let length = 0; length < body.length; length++) readHello(body.subarray(0, length));
  for (let at = 0; at < body.length; at++) {
    const spoilt = Buffer.from(body);
    spoilt[at] = spoilt[at]! ^ 0xff;
    readHello(spoilt);
  }
});

const tls13 = { ...noHello, speaksTls13: true };
const curves = [
  ['X25519:P-256', { ...tls13, groups: [23, 29], keyShares: [23, 29] }, 'X25519', 'the server chooses'],
  ['X25519:P-256', { ...tls13, groups: [29, 23], keyShares: [23] }, 'P-256', 'among keys that are there'],
  ['P-384:P-256', { ...tls13, groups: [29, 24], keyShares: [29] }, 'P-384', 'or asks for another one'],
  ['X25519:P-256', { ...noHello, groups: [23] }, 'P-256', 'TLS 1.2 has no keys yet'],
  ['X25519', { ...noHello, groups: [23] }, '', 'none in common'],
  ['prime256v1', { ...tls13, groups: [23], keyShares: [23] }, 'P-256', 'by its other name'],
] as const;

for (const [ours, hello, curve, why] of curves) {
  test(`${ours}: ${why}`, () => assert.equal(agreedCurve(curveNumbers(ours), hello), curve));
}
