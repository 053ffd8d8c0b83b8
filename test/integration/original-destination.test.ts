/** Redirected connections, in a network namespace. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeInNamespaces, runInNamespaces } from '../support/namespaces.ts';

const program = join(import.meta.dirname, '../support/redirected.ts');

/** Of the packets the host itself sends: port 8080 becomes 15001, for IPv4 and IPv6. */
const setup = `
ip link set lo up
ip addr add 10.9.9.8/32 dev lo
ip addr add 10.9.9.9/32 dev lo
ip -6 addr add fd00::9/128 dev lo
for family in ip ip6; do
  nft add table $family t
  nft "add chain $family t out { type nat hook output priority -100; }"
  nft add rule $family t out tcp dport 8080 redirect to :15001
done
`;

describeInNamespaces('connections that the kernel redirected', (means) => {
  test('are served for the address they were made to', () => {
    const { stdout, stderr } = runInNamespaces(means, setup, [program]);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    assert.deepEqual(lines, [
      { host: '10.9.9.9', port: 8080, body: 'four', line: '10.9.9.9:8080 127.0.0.1:15001' },
      { host: '10.9.9.8', port: 8080, body: 'capture', line: '10.9.9.8:8080 127.0.0.1:15001' },
      { host: 'fd00::9', port: 8080, body: 'six', line: '[fd00::9]:8080 [::1]:15001' },
      // Not redirected: served where they are.
      { host: '127.0.0.1', port: 15_001, body: 'capture', line: '127.0.0.1:15001 127.0.0.1:15001' },
      { host: '::1', port: 15_001, body: 'capture', line: '[::1]:15001 [::1]:15001' },
    ]);
    assert.doesNotMatch(stderr, /Warning/);
  });
});
