import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseV1, parseV2, type Tlv } from '../listen/proxy-header.ts';
import { type ProxiedConnection, ProxyHeaderWriter } from './proxy-protocol.ts';

const connection = (more: Partial<ProxiedConnection> = {}): ProxiedConnection => ({
  remoteIp: '1.2.3.4',
  remotePort: 1000,
  localIp: '5.6.7.8',
  localPort: 80,
  tlvs: undefined,
  ...more,
});
const tlv = (type: number, text: string): Tlv => ({ type, value: Buffer.from(text) });
const shown = (tlvs: readonly Tlv[]): string[] =>
  tlvs.map(({ type, value }) => `${type.toString(16)} ${value}`);
const v1 = new ProxyHeaderWriter('', 1, [], undefined);
const v2 = new ProxyHeaderWriter('', 2, [], undefined);

describe('the header an upstream gets', () => {
  const six = connection({ remoteIp: '1:2:3::4', localIp: '2001:db8::1' });
  const cases: [connection: ProxiedConnection | undefined, line: string, why: string][] = [
    [connection(), 'PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\n', 'IPv4'],
    [six, 'PROXY TCP6 1:2:3::4 2001:db8::1 1000 80\r\n', 'IPv6'],
    [undefined, 'PROXY UNKNOWN\r\n', 'the proxy itself'],
    [connection({ remoteIp: '', localIp: '' }), 'PROXY UNKNOWN\r\n', 'a Unix socket'],
    [connection({ localIp: '::1' }), 'PROXY UNKNOWN\r\n', 'one of each'],
  ];
  for (const [of, line, why] of cases) {
    test(why, () => {
      assert.equal(v1.header(of).toString('latin1'), line);
      // Both versions tell the same.
      assert.deepEqual(parseV2(v2.header(of)), parseV1(Buffer.from(line)));
    });
  }

  test('nothing of a connection is LOCAL', () => {
    assert.equal(v2.header(undefined).toString('hex'), '0d0a0d0a000d0a515549540a20000000');
  });

  test('version 1 has no values', () => {
    const writer = new ProxyHeaderWriter('', 1, [tlv(0xf0, 'yo')], 'all');
    const line = writer.header(connection({ tlvs: [tlv(0xe0, 'one')] })).toString('latin1');
    assert.equal(line, 'PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\n');
  });

  const received = [tlv(0xe0, 'one'), tlv(0xe1, 'two')];
  const added = [tlv(0xe0, 'hi'), tlv(0xf0, 'yo')];
  const values: [writer: ProxyHeaderWriter, tlvs: string[], why: string][] = [
    [v2, [], 'none is handed on unless asked'],
    [new ProxyHeaderWriter('', 2, [], 'all'), ['e0 one', 'e1 two'], 'all'],
    [new ProxyHeaderWriter('', 2, [], [0xe1]), ['e1 two'], 'some'],
    [new ProxyHeaderWriter('', 2, added, undefined), ['e0 hi', 'f0 yo'], 'those that are added'],
    [new ProxyHeaderWriter('', 2, added, 'all'), ['e0 hi', 'f0 yo', 'e1 two'], 'in the place of what came'],
  ];
  for (const [writer, tlvs, why] of values) {
    test(`values: ${why}`, () => {
      const header = parseV2(writer.header(connection({ tlvs: received })));
      assert.deepEqual(shown(header!.tlvs), tlvs);
    });
  }

  test('a value that does not fit is left out', () => {
    const large = tlv(1, 'y'.repeat(65_000));
    const writer = new ProxyHeaderWriter('', 2, [tlv(2, 'z'.repeat(600))], 'all');
    const header = parseV2(writer.header(connection({ tlvs: [large, tlv(3, 'small')] })));
    assert.deepEqual(
      header!.tlvs.map(({ type }) => type),
      [2, 3],
    );
  });
});
