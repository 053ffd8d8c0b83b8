import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import {
  headerStart,
  lengthV1,
  lengthV2,
  type ProxyHeader,
  parseV1,
  parseV2,
  SIGNATURE_V2,
  type Tlv,
} from './proxy-header.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The addresses as `SOURCE > DESTINATION`, `-` where the header names none, undefined where it is refused. */
function shown(header: ProxyHeader | undefined): string | undefined {
  if (header === undefined) return undefined;
  const { source, destination } = header;
  if (source === undefined || destination === undefined) return '-';
  return `${source.ip} ${source.port} > ${destination.ip} ${destination.port}`;
}

describe('version 1', () => {
  const cases: [line: string, shown: string | undefined, why: string][] = [
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1000 80', '1.2.3.4 1000 > 5.6.7.8 80', 'IPv4'],
    ['PROXY TCP6 1:2:3::4 2001:DB8::A 1000 80', '1:2:3::4 1000 > 2001:db8::a 80', 'IPv6'],
    ['PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 1 2', '::ffff:1.2.3.4 1 > ::ffff:5.6.7.8 2', 'IPv4-mapped'],
    ['PROXY UNKNOWN', '-', 'nobody'],
    ['PROXY UNKNOWN a b c d e f g', '-', 'nobody, and what follows is not looked at'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 0 0', '1.2.3.4 0 > 5.6.7.8 0', 'ports may be 0'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 0001 080', '1.2.3.4 1 > 5.6.7.8 80', 'leading zeros, as Envoy takes them'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 80 ', '1.2.3.4 1 > 5.6.7.8 80', 'a space at the end, as Envoy takes it'],
    [
      'PROXY TCP4 1.2.3.4 5.6.7.8 \t+1\v \f80',
      '1.2.3.4 1 > 5.6.7.8 80',
      'blanks and a plus sign, as Envoy takes them',
    ],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 ++80', undefined, 'two signs'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 +', undefined, 'a sign alone'],
    ['PROXY TCP4 240.0.0.1 5.6.7.8 1 80', '240.0.0.1 1 > 5.6.7.8 80', 'reserved, and one address'],
    ['PROXY UNKNOWNX', undefined, 'another word'],
    ['PROXY tcp4 1.2.3.4 5.6.7.8 1 80', undefined, 'lower case'],
    ['PROXY UDP4 1.2.3.4 5.6.7.8 1 80', undefined, 'not TCP'],
    ['PROXY TCP4 1::1 2::2 1 80', undefined, 'IPv6 as IPv4'],
    ['PROXY TCP6 1.2.3.4 5.6.7.8 1 80', undefined, 'IPv4 as IPv6'],
    ['PROXY TCP4 1.2.3.4 1::1 1 80', undefined, 'one of each'],
    ['PROXY TCP4  1.2.3.4 5.6.7.8 1 80', undefined, 'two spaces'],
    ['PROXY TCP4\t1.2.3.4 5.6.7.8 1 80', undefined, 'a tab'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1', undefined, 'a port is missing'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 80 9', undefined, 'one part more'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 65536', undefined, 'no port'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 -1 80', undefined, 'a sign'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 x 80', undefined, 'no number'],
    ['PROXY TCP4 01.2.3.4 5.6.7.8 1 80', undefined, 'zeros in an address'],
    ['PROXY TCP4 256.2.3.4 5.6.7.8 1 80', undefined, 'no address'],
    ['PROXY TCP4 255.255.255.255 5.6.7.8 1 80', undefined, 'to all'],
    ['PROXY TCP4 1.2.3.4 0.0.0.0 1 80', undefined, 'to none'],
    ['PROXY TCP4 224.0.0.1 1.1.1.1 1 80', undefined, 'to many'],
    ['PROXY TCP6 :: 2::2 1 80', undefined, 'none of IPv6'],
    ['PROXY TCP6 ff02::1 2::2 1 80', undefined, 'many of IPv6'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 80\nGET', undefined, 'a line feed alone ends nothing'],
    ['PROXY ', undefined, 'nothing'],
  ];
  for (const [line, expected, why] of cases) {
    test(`${JSON.stringify(line)}: ${why}`, () => {
      assert.equal(shown(parseV1(bytes(`${line}\r\n`))), expected);
    });
  }

  test('ends within 108 bytes', () => {
    const unknown = (length: number): Buffer => bytes(`PROXY UNKNOWN ${'x'.repeat(length - 16)}\r\n`);
    assert.equal(lengthV1(unknown(108)), 108);
    assert.equal(lengthV1(unknown(109)), undefined);
    assert.equal(lengthV1(unknown(108).subarray(0, 107)), 0);
    assert.equal(lengthV1(bytes(`PROXY ${'x'.repeat(200)}`)), undefined);
    assert.equal(lengthV1(bytes('PROXY UNKNOWN\r\nPROXY')), 15);
  });
});

const v4 = [1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0, 0, 80];
const ip6 = (head: number, tail: number): number[] => [head, ...new Array<number>(14).fill(0), tail];
const v6 = [...ip6(0x20, 4), ...ip6(0x30, 8), 0x10, 0, 0, 80];
const tlv = (type: number, value: string): number[] => [
  type,
  value.length >> 8,
  value.length & 0xff,
  ...bytes(value),
];

function headerV2(command: number, family: number, payload: readonly number[]): Buffer {
  const length = [payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([SIGNATURE_V2, Buffer.from([command, family, ...length, ...payload])]);
}

describe('version 2', () => {
  const to4 = (first: readonly number[], second: readonly number[]): number[] => [
    ...first,
    ...second,
    0x10,
    0,
    0,
    80,
  ];
  const cases: [header: Buffer, shown: string | undefined, why: string][] = [
    [headerV2(0x21, 0x11, v4), '1.2.3.4 4096 > 5.6.7.8 80', 'TCP over IPv4'],
    [headerV2(0x21, 0x12, v4), '1.2.3.4 4096 > 5.6.7.8 80', 'datagrams too'],
    [headerV2(0x21, 0x21, v6), '2000::4 4096 > 3000::8 80', 'TCP over IPv6'],
    [headerV2(0x20, 0x00, []), '-', 'LOCAL'],
    [headerV2(0x20, 0x11, v4), '-', 'LOCAL with addresses, which do not count'],
    [headerV2(0x20, 0x31, new Array<number>(216).fill(0)), '-', 'LOCAL of a Unix socket'],
    [headerV2(0x20, 0xff, [1, 2, 3]), '-', 'LOCAL with anything'],
    [headerV2(0x21, 0x11, to4([240, 1, 1, 1], [1, 1, 1, 1])), '240.1.1.1 4096 > 1.1.1.1 80', 'reserved'],
    [headerV2(0x21, 0x10, v4), undefined, 'transport unspecified'],
    [headerV2(0x21, 0x1f, v4), undefined, 'unknown transport'],
    [headerV2(0x21, 0x00, []), undefined, 'unspecified'],
    [headerV2(0x21, 0x31, new Array<number>(216).fill(0)), undefined, 'Unix socket'],
    [headerV2(0x21, 0xf1, v4), undefined, 'unknown family'],
    [headerV2(0x22, 0x11, v4), undefined, 'unknown command'],
    [headerV2(0x11, 0x11, v4), undefined, 'version 1 in binary'],
    [headerV2(0x31, 0x11, v4), undefined, 'version 3'],
    [headerV2(0x21, 0x11, v4.slice(1)), undefined, 'IPv4 cut short'],
    [headerV2(0x21, 0x21, v6.slice(1)), undefined, 'IPv6 cut short'],
    [headerV2(0x21, 0x11, []), undefined, 'no addresses'],
    [headerV2(0x21, 0x11, to4([0, 0, 0, 0], [1, 1, 1, 1])), undefined, 'from none'],
    [headerV2(0x21, 0x11, to4([224, 1, 1, 1], [1, 1, 1, 1])), undefined, 'from many'],
    [headerV2(0x21, 0x11, to4([1, 1, 1, 1], [255, 255, 255, 255])), undefined, 'to all'],
    [headerV2(0x21, 0x21, [...ip6(0, 0), ...ip6(0x30, 8), 0, 1, 0, 2]), undefined, 'from none of IPv6'],
    [headerV2(0x21, 0x21, [...ip6(0xff, 1), ...ip6(0x30, 8), 0, 1, 0, 2]), undefined, 'from many of IPv6'],
    [headerV2(0x21, 0x11, [...v4, ...tlv(0xe0, 'hello').slice(0, -1)]), undefined, 'a value cut short'],
    [headerV2(0x21, 0x11, [...v4, 0xe0, 0]), undefined, 'a length cut short'],
    [headerV2(0x21, 0x11, [...v4, 0xe0]), undefined, 'a type alone'],
  ];
  for (const [header, expected, why] of cases) {
    test(why, () => {
      assert.equal(lengthV2(header), header.length);
      assert.equal(shown(parseV2(header)), expected);
    });
  }

  test('values keep their order, and outlive the bytes they came in', () => {
    const header = headerV2(0x21, 0x11, [...v4, ...tlv(0xe0, 'one'), ...tlv(5, ''), ...tlv(0xe0, 'two')]);
    const { tlvs } = parseV2(header)!;
    header.fill(0);
    const shownTlv = ({ type, value }: Tlv): string => `${type} ${value}`;
    assert.deepEqual(tlvs.map(shownTlv), ['224 one', '5 ', '224 two']);
  });

  test('as large as a header can be', () => {
    const value = 'y'.repeat(65_535 - v4.length - 3);
    const { tlvs } = parseV2(headerV2(0x21, 0x11, [...v4, ...tlv(1, value)]))!;
    assert.equal(tlvs[0]!.value.length, value.length);
  });
});

describe('what stands at the start', () => {
  const cases: [text: string, start: ReturnType<typeof headerStart>, why: string][] = [
    ['P', 'more', 'one byte of version 1'],
    ['PROXY', 'more', 'without the space'],
    ['PROXY ', 'v1', 'version 1'],
    ['POST', 'none', 'a request'],
    ['PROXYX', 'none', 'another word'],
    ['proxy ', 'none', 'lower case'],
    ['\r\n', 'more', 'the start of version 2'],
    ['\r\n\r\n\0\r\nQUIT\n', 'more', 'the signature, and not what follows it'],
    ['\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c', 'v2', 'version 2'],
    ['\r\n\r\nGET', 'none', 'empty lines'],
  ];
  for (const [text, start, why] of cases) test(why, () => assert.equal(headerStart(bytes(text)), start));
});

test('random and mutated headers never throw, and never take more than there is', () => {
  const random = seededRandom(11);
  const below = (n: number): number => Math.floor(random.ratio() * n);
  const seeds = [
    bytes('PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\n'),
    bytes('PROXY TCP6 1:2:3::4 2001:db8::a 1000 80\r\n'),
    headerV2(0x21, 0x11, [...v4, ...tlv(0xe0, 'hello'), ...tlv(1, 'h2')]),
    headerV2(0x21, 0x21, [...v6, ...tlv(0xe0, 'hello')]),
  ];
  for (let i = 0; i < 20_000; i++) {
    const header = Buffer.from(seeds[below(seeds.length)]!);
    for (let n = below(4); n > 0; n--) header[below(header.length)] = below(256);
    const part = header.subarray(0, below(header.length + 1));
    const start = headerStart(part);
    if (start === 'v1') {
      const length = lengthV1(part);
      if (length !== undefined && length > 0) shown(parseV1(part.subarray(0, length)));
    } else if (start === 'v2' && lengthV2(part) <= part.length) {
      for (const { value } of parseV2(part.subarray(0, lengthV2(part)))?.tlvs ?? []) {
        assert.ok(value.length <= part.length);
      }
    }
  }
});
