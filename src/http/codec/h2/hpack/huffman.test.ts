import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodedBytesAtMost, decodeHuffman, encodeHuffman, huffmanBytes, wordBits } from './huffman.ts';

function encode(text: string): string {
  const to = Buffer.alloc(huffmanBytes(text) + 1, 0xee);
  const end = encodeHuffman(text, to, 0);
  assert.equal(end, huffmanBytes(text));
  assert.equal(to[end], 0xee, 'nothing beyond the end is touched');
  return to.toString('hex', 0, end);
}

function decode(hex: string): string | undefined {
  const coded = Buffer.from(hex, 'hex');
  const to = Buffer.alloc(decodedBytesAtMost(coded.length));
  const length = decodeHuffman(coded, 0, coded.length, to);
  return length === -1 ? undefined : to.toString('latin1', 0, length);
}

describe('strings of RFC 7541, Appendix C', () => {
  const cases: [text: string, hex: string][] = [
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['custom-key', '25a849e95ba97d7f'],
    ['custom-value', '25a849e95bb8e8b4bf'],
    ['302', '6402'],
    ['private', 'aec3771a4b'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3'],
    ['307', '640eff'],
    ['gzip', '9bd9ab'],
    [
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
    ['', ''],
  ];
  for (const [text, hex] of cases) {
    test(JSON.stringify(text), () => {
      assert.equal(encode(text), hex);
      assert.equal(decode(hex), text);
    });
  }
});

describe('the code', () => {
  test('is complete: every sequence of bits means something (Kraft)', () => {
    const total = [...wordBits, 30].reduce((sum, bits) => sum + 2 ** -bits, 0);
    assert.equal(total, 1);
  });
  test('words of RFC 7541, Appendix B', () => {
    // One of each end of each length, as the table of the RFC has them, filled up with ones.
    for (const [byte, hex] of [
      [48, '07'],
      [116, '4f'],
      [32, '53'],
      [117, 'b7'],
      [58, 'b9'],
      [122, 'f7'],
      [38, 'f8'],
      [90, 'fd'],
      [33, 'fe3f'],
      [63, 'ff3f'],
      [0, 'ffc7'],
      [94, 'fff3'],
      [92, 'fffe1f'],
      [195, 'fffe3f'],
      [9, 'ffffea'],
      [1, 'ffffb1'],
      [249, 'ffffffef'],
      [10, 'fffffff3'],
      [22, 'fffffffb'],
    ] as const) {
      assert.equal(encode(String.fromCharCode(byte)), hex, String(byte));
    }
  });
});

describe('strings that are none', () => {
  const cases: [hex: string, why: string][] = [
    ['ff', 'eight ones: padding of a whole byte'],
    ['1fff', 'a byte too many of padding'],
    ['18', 'padding that is not of ones: a, then 000'],
    ['00', 'padding of zeros after 0'],
    ['ffffffff', 'the end-of-string word'],
    ['fffffffc', 'the end-of-string word and padding'],
    ['1ffffffffff8', 'the end-of-string word after an a'],
    ['ffffffffffff', 'ones for ever'],
  ];
  for (const [hex, why] of cases) test(why, () => assert.equal(decode(hex), undefined));
});

describe('properties', () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('latin1'));
  test('what was encoded is decoded', () => {
    fc.assert(fc.property(bytes, (text) => decode(encode(text)) === text));
  });
  test('what is decoded is the only coding of it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (coded) => {
        const hex = Buffer.from(coded).toString('hex');
        const text = decode(hex);
        assert.ok(text === undefined || encode(text) === hex);
      }),
    );
  });
  test('every byte, alone and beside every other', () => {
    for (let a = 0; a < 256; a++) {
      for (let b = 0; b < 256; b++) {
        const text = String.fromCharCode(a, b);
        if (decode(encode(text)) !== text) assert.fail(`${a} ${b}`);
      }
    }
  });
});
