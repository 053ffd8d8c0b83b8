import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import { formatIp, inRange, isLoopback, parseIp, parseRange } from './ip-address.ts';
import { seededRandom } from './random.ts';

describe('parseIp', () => {
  const cases: [text: string, formatted: string | undefined, why: string][] = [
    ['1.2.3.4', '1.2.3.4', 'IPv4'],
    ['255.255.255.255', '255.255.255.255', 'the last one'],
    ['256.1.1.1', undefined, 'above a byte'],
    ['01.2.3.4', undefined, 'leading zero'],
    ['1.2.3', undefined, 'too short'],
    ['1.2.3.4.5', undefined, 'too long'],
    ['1.2.3.-4', undefined, 'sign'],
    ['', undefined, 'nothing'],
    ['localhost', undefined, 'a name'],
    ['::', '::', 'all zero'],
    ['::1', '::1', 'loopback'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'the first of two runs'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1', 'a single zero stays'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', 'gap of one group at the end'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8', 'gap of one group at the start'],
    ['1:2:3:4:5:6:7:8::', undefined, 'a gap of nothing'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4', 'IPv4-mapped'],
    ['1.2.3.4::', undefined, 'IPv4 stands last'],
    ['1::2::3', undefined, 'two gaps'],
    ['1:2:3', undefined, 'too short'],
    ['12345::', undefined, 'five digits'],
    ['fe80::1%eth0', undefined, 'zone'],
    [':1:2:3:4:5:6:7', undefined, 'single colon at the start'],
  ];
  for (const [text, formatted, why] of cases) {
    test(`${text}: ${why}`, () => {
      const bytes = parseIp(text);
      assert.equal(bytes && formatIp(bytes), formatted);
    });
  }

  test('random addresses are read as they were written, and only IP addresses are read', () => {
    const random = seededRandom(7);
    const below = (n: number): number => Math.floor(random.ratio() * n);
    for (let i = 0; i < 2000; i++) {
      const bytes = Array.from({ length: below(2) === 0 ? 4 : 16 }, () => (below(2) === 0 ? 0 : below(256)));
      const text = formatIp(bytes);
      assert.ok(isIP(text) !== 0, text);
      assert.deepEqual(parseIp(text), bytes, text);
      const at = below(text.length);
      const mutated = `${text.slice(0, at)}${'0:.f1x'[below(6)]}${text.slice(at + below(2))}`;
      assert.equal(parseIp(mutated) !== undefined, isIP(mutated) !== 0, mutated);
    }
  });
});

describe('ranges', () => {
  const cases: [address: string, length: number, of: string, within: boolean, why: string][] = [
    ['10.0.0.0', 8, '10.255.0.1', true, 'inside'],
    ['10.0.0.0', 8, '11.0.0.1', false, 'outside'],
    ['10.1.2.3', 8, '10.9.9.9', true, 'bits behind the prefix do not count'],
    ['0.0.0.0', 0, '1.2.3.4', true, 'everything'],
    ['0.0.0.0', 0, '::1', false, 'everything of IPv4'],
    ['1.2.3.4', 32, '1.2.3.4', true, 'one address'],
    ['1.2.3.4', 99, '1.2.3.5', false, 'longer than the address: one address'],
    ['192.168.128.0', 17, '192.168.127.1', false, 'within a byte'],
    ['2001:db8::', 32, '2001:db8:ffff::', true, 'IPv6'],
    ['2001:db8::', 33, '2001:db8:ffff::', false, 'IPv6, within a byte'],
  ];
  for (const [address, length, of, within, why] of cases) {
    test(`${of} in ${address}/${length}: ${within} (${why})`, () => {
      assert.equal(inRange(parseRange(address, length)!, parseIp(of)!), within);
    });
  }

  test('loopback', () => {
    assert.deepEqual(
      ['127.0.0.1', '127.9.9.9', '128.0.0.1', '::1', '::2', '::'].map((text) => isLoopback(parseIp(text)!)),
      [true, true, false, true, false, false],
    );
  });
});
