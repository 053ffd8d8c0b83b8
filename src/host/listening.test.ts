import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isWildcard, parseSocketTable } from './listening.ts';

const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state: string, inode: number): string =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 100 0 0 10 0\n`;

describe('parseSocketTable', () => {
  const cases = [
    { why: 'loopback, little-endian', local: '0100007F:1F90', address: '127.0.0.1', port: 8080 },
    { why: 'wildcard', local: '00000000:2378', address: '0.0.0.0', port: 9080 },
    { why: 'IPv6 wildcard', local: `${'0'.repeat(32)}:2378`, address: '::', port: 9080 },
    { why: 'IPv6 loopback', local: `${'0'.repeat(24)}01000000:0050`, address: '::1', port: 80 },
    { why: 'IPv4 in IPv6', local: '0000000000000000FFFF00000101077F:0050', address: '127.7.1.1', port: 80 },
  ];
  for (const { why, local, address, port } of cases) {
    test(why, () => {
      assert.deepEqual(parseSocketTable(header + row(local, '0A', 77)), [{ address, port, inode: '77' }]);
    });
  }

  test('leaves out what does not listen', () => {
    assert.deepEqual(parseSocketTable(header + row('0100007F:1F90', '01', 1)), []);
  });
});

test('isWildcard', () => {
  assert.deepEqual(['0.0.0.0', '::', '127.0.0.1', '::1'].map(isWildcard), [true, true, false, false]);
});
