import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { everything } from '../../../test/support/namespaces.ts';
import { type CaptureRules, captureRules } from './capture-rules.ts';
import { iptablesText } from './iptables-text.ts';
import { nftScript } from './nft-script.ts';
import { isInterfaceName, type Match, type Ruleset } from './packet-rules.ts';

const alone: CaptureRules = { ...everything, dns: true };
const { hub: _, ...ofHost } = alone;
const many = Array.from({ length: 17 }, (_, at) => 7000 + at);
const cases: Readonly<Record<string, CaptureRules>> = {
  redirect: alone,
  tproxy: { ...alone, mode: 'TPROXY' },
  chosen: {
    ...alone,
    includeInboundPorts: [80, 9090],
    excludeInboundPorts: [22],
    includeOutbound: ['10.96.0.0/16', '10.97.0.0/16', 'fd48:96::/112'],
    excludeOutbound: ['10.96.9.0/24', 'fd48:96::9/128'],
    includeOutboundPorts: [5432],
    excludeOutboundPorts: many,
    excludeInterfaces: ['eth1', 'wg+x'],
  },
  user: { ...ofHost, uid: 1000, includeInboundPorts: [8080] },
  cgroup: {
    ...ofHost,
    cgroup: { path: 'system.slice/my shop\\x2dweb.service' },
    includeInboundPorts: [],
    dns: false,
  },
};

describe('rules for packets', () => {
  for (const [name, rules] of Object.entries(cases)) {
    // With UPDATE_GOLDEN=1 they are written: read what has changed.
    test(`as text of each tool: ${name}`, () => {
      const file = join(import.meta.dirname, 'golden', `${name}.txt`);
      const ruleset = captureRules(rules);
      const text = [
        `# nft -f -\n${nftScript(ruleset, 'heddle')}`,
        `# iptables-restore\n${iptablesText(ruleset, 4)}`,
        `# ip6tables-restore\n${iptablesText(ruleset, 6)}`,
      ].join('\n');
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
      assert.equal(text, readFileSync(file, 'utf8'));
    });
  }

  const rulesOf = (match: Match): Ruleset => [
    { name: 'out', table: 'nat', hook: 'output', rules: [{ match, verdict: { kind: 'return' } }] },
  ];
  const refused: [name: string, match: Match, nft: RegExp | undefined, iptables: RegExp | undefined][] = [
    ['an interface and all that begin so, to nft', { outgoing: 'eth*' }, /"eth\*"/, undefined],
    ['an interface and all that begin so, to iptables', { outgoing: 'eth+' }, undefined, /"eth\+"/],
    ['an interface of no name', { incoming: '' }, /cannot be written/, /cannot be written/],
    ['two lines', { cgroup: { path: 'a\nb' } }, /cannot be told/, /cannot be told/],
    ['a quote', { cgroup: { path: 'a"b' } }, /cannot be told/, undefined],
    ['both families', { source: ['::1', '127.0.0.1'] }, /both families/, /both families/],
  ];
  for (const [name, match, nft, iptables] of refused) {
    test(`what a tool cannot be told is an error: ${name}`, () => {
      const tools: [(rules: Ruleset) => string, RegExp | undefined][] = [
        [(rules) => nftScript(rules, 'heddle'), nft],
        [(rules) => iptablesText(rules, 4), iptables],
      ];
      for (const [say, error] of tools) {
        if (error === undefined) assert.ok(say(rulesOf(match)));
        else assert.throws(() => say(rulesOf(match)), error);
      }
    });
  }

  test('a user and a cgroup are not one sender', () => {
    assert.throws(() => captureRules({ ...alone, uid: 1, cgroup: { path: 'a' } }), /as one/);
  });

  test('names of interfaces', () => {
    assert.deepEqual(['eth0', 'br-1.5@x', 'a'.repeat(15)].filter(isInterfaceName).length, 3);
    assert.deepEqual(['', '..', 'a b', 'a/b', 'a"b', 'a'.repeat(16)].filter(isInterfaceName), []);
  });
});
