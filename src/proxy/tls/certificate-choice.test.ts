/** Envoy's choice among several certificates, row by row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateChoice, type ChoosableCertificate } from './certificate-choice.ts';
import { type HelloFacts, noHello } from './hello.ts';

function certificate(kind: 'ec' | 'rsa', dns: readonly string[], commonName = ''): ChoosableCertificate {
  const names = { dns, uri: [], ip: [], email: [], other: [] };
  return {
    keyKind: kind,
    keyCurve: kind === 'ec' ? 'prime256v1' : '',
    names,
    details: { allNames: dns, commonName, names },
  } as unknown as ChoosableCertificate;
}

const certificates = [
  certificate('rsa', ['first.test']),
  certificate('rsa', ['both.test', '*.wild.test']),
  certificate('ec', ['both.test']),
  certificate('ec', ['ec.test']),
  certificate('rsa', [], 'common.test'),
  certificate('ec', ['both.test']),
];

const modern: HelloFacts = { ...noHello, ciphers: [0x1301], groups: [29, 23], signatures: [0x0403, 0x0804] };
const rsaOnly: HelloFacts = { ...modern, signatures: [0x0804] };
const oldCiphers: HelloFacts = { ...modern, ciphers: [0xc02f] };

const rows: readonly (readonly [
  hello: HelloFacts,
  name: string,
  scans: boolean,
  place: number,
  why: string,
])[] = [
  [modern, 'first.test', false, 0, 'the name decides'],
  [modern, 'both.test', false, 2, 'ECDSA where the client reads it'],
  [rsaOnly, 'both.test', false, 1, 'RSA where it does not'],
  [oldCiphers, 'both.test', false, 1, 'nor has ciphers for it'],
  [modern, 'a.wild.test', false, 1, 'a wildcard for one level'],
  [modern, 'a.b.wild.test', false, 0, 'and not for two'],
  [modern, 'wild.test', false, 0, 'nor for itself'],
  [modern, 'common.test', false, 4, 'the common name where there is no other'],
  [modern, 'nobody.test', false, 0, 'the first where no name fits'],
  [modern, 'nobody.test', true, 2, 'or the first the client likes, of all'],
  [rsaOnly, 'nobody.test', true, 0, 'of those it reads'],
  [modern, '', false, 2, 'without a name all are looked at'],
  [rsaOnly, '', false, 0, 'for what the client reads'],
  [rsaOnly, 'ec.test', false, 0, 'the first where the one with the name cannot be read'],
];

for (const [hello, serverName, scans, place, why] of rows) {
  test(`${serverName === '' ? 'no name' : serverName}: ${why}`, () => {
    const choice = new CertificateChoice(certificates, scans);
    assert.equal(
      choice.choose({ ...hello, serverName }, () => true),
      place,
    );
  });
}

test('one that may not be shown now is passed over', () => {
  const choice = new CertificateChoice(certificates, false);
  assert.equal(
    choice.choose({ ...modern, serverName: 'both.test' }, (i) => i !== 2),
    5,
  );
  assert.equal(
    choice.choose({ ...modern, serverName: 'ec.test' }, (i) => i !== 3),
    0,
    'the first is the last resort',
  );
});
