/** Keys and records against RFC 8448 §3, "Simple 1-RTT Handshake". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knowsSuite, TrafficKeys } from './traffic-keys.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');

const SUITE = 'TLS_AES_128_GCM_SHA256';
const clientSecret = bytes('9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5');
const sealed = bytes(`
  17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 19
  a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4`);
/** 50 bytes of data, and their type. */
const inner = Buffer.from([...Array.from({ length: 50 }, (_, i) => i), 23]);

test('the first record of a client', () => {
  assert.deepEqual(new TrafficKeys(SUITE, clientSecret).seal(inner), sealed);
  assert.deepEqual(new TrafficKeys(SUITE, clientSecret).open(sealed), inner);
});

test('a record is opened once, in its turn', () => {
  const keys = new TrafficKeys(SUITE, clientSecret);
  keys.open(sealed);
  assert.throws(() => keys.open(sealed), 'again');
  const late = new TrafficKeys(SUITE, clientSecret);
  late.seal(inner);
  assert.throws(() => late.open(sealed), 'as the second');
});

test('not a bit of a record may change', () => {
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const spoilt = Buffer.from(sealed);
    spoilt[bit >> 3] = spoilt[bit >> 3]! ^ (1 << (bit & 7));
    assert.throws(() => new TrafficKeys(SUITE, clientSecret).open(spoilt), `bit ${bit}`);
  }
});

for (const [suite, secretBytes] of [
  [SUITE, 32],
  ['TLS_AES_256_GCM_SHA384', 48],
  ['TLS_CHACHA20_POLY1305_SHA256', 32],
] as const) {
  test(`${suite}: both ends go on together, over new keys too`, () => {
    assert.ok(knowsSuite(suite));
    const secret = Buffer.alloc(secretBytes, 7);
    const [sending, receiving] = [new TrafficKeys(suite, secret), new TrafficKeys(suite, secret)];
    const seen = new Set<string>();
    for (let generation = 0; generation < 3; generation++) {
      for (let i = 0; i < 300; i++) {
        const record = sending.seal(inner);
        assert.ok(!seen.has(record.toString('latin1')), 'no two records are alike');
        seen.add(record.toString('latin1'));
        assert.deepEqual(receiving.open(record), inner);
      }
      assert.equal(sending.records, 300);
      sending.update();
      receiving.update();
    }
  });
}

test('keys that were erased seal and open nothing, and leave the secret to its owner', () => {
  const secret = Buffer.from(clientSecret);
  const keys = new TrafficKeys(SUITE, secret);
  keys.erase();
  assert.throws(() => keys.seal(inner), /gone/);
  assert.throws(() => keys.open(sealed), /gone/);
  assert.deepEqual(secret, clientSecret);
});

test('other suites are not known', () => {
  assert.equal(knowsSuite('ECDHE-RSA-AES128-GCM-SHA256'), false);
  assert.equal(knowsSuite(''), false);
});
