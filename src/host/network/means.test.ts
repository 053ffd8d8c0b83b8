import assert from 'node:assert/strict';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { findNamespaceMeans, findPrograms } from './means.ts';

const iptables = ['', '-nft', '-legacy'].flatMap((kind) =>
  ['iptables', 'ip6tables'].flatMap((name) => [`${name}${kind}-restore`, `${name}${kind}-save`]),
);
const programs = ['unshare', 'nsenter', 'setpriv', 'mount', 'ip', 'nft', ...iptables];
/** Runs what follows `--` here: nothing of it is real. */
const unshare = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"';

/** An environment with programs of our own: scripts by name, the others do nothing. */
function environment(t: TestContext, scripts: Readonly<Record<string, string>>): { readonly PATH: string } {
  const folder = tempDir(t);
  for (const name of programs) {
    const own = Object.keys(scripts).find(
      (one) => one === name || (one === 'iptables' && iptables.includes(name)),
    );
    const script = { unshare, ...scripts }[own ?? name] ?? 'cat >/dev/null';
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return { PATH: `${folder}:${process.env.PATH}` };
}

describe('findNamespaceMeans', { skip: process.platform !== 'linux' && 'namespaces are of Linux' }, () => {
  test('tries to bind over the files that Pods have of their own', async (t) => {
    const list = join(tempDir(t), 'bound');
    const found = await findNamespaceMeans(environment(t, { mount: `echo "$*" >>'${list}'` }));
    assert.ok(found.ok);
    const here = ['/etc/nsswitch.conf', '/etc/resolv.conf'].filter((file) => existsSync(file));
    assert.equal(
      readFileSync(list, 'utf8'),
      here.map((file) => `--bind ${file} ${realpathSync(file)}\n`).join(''),
    );
  });

  const refusal = 'RTNETLINK answers: Operation not supported';
  const cases: [name: string, scripts: Readonly<Record<string, string>>, reason: RegExp, remedy: RegExp][] = [
    [
      'a file that may not be bound over',
      { mount: 'echo mount: permission denied. >&2; exit 32' },
      /^mount: permission denied\.$/,
      /user namespaces|sysctl/,
    ],
    [
      'a kernel without IPv6',
      { ip: `case "$*" in *fd48::*) echo '${refusal}' >&2; exit 2;; esac` },
      /^no IPv6: RTNETLINK answers: Operation not supported$/,
      /a kernel with IPv6/,
    ],
    [
      'tools for rules of which none works',
      { nft: 'exit 7', iptables: 'echo no such table >&2; exit 3' },
      /^nft: exit code 7; iptables-legacy: no such table$/,
      /^load the modules nf_tables.*, or iptable_nat/,
    ],
  ];
  for (const [name, scripts, reason, remedy] of cases) {
    test(`says what is wrong: ${name}`, async (t) => {
      const found = await findNamespaceMeans(environment(t, scripts));
      assert.ok(!found.ok);
      assert.match(found.reason, reason);
      assert.match(found.remedy, remedy);
    });
  }

  test('says what is to be installed', async (t) => {
    const found = await findNamespaceMeans({ PATH: tempDir(t) });
    assert.ok(!found.ok);
    assert.match(found.reason, /unshare/);
    assert.match(found.remedy, /^install util-linux/);
  });

  test('says both tools where there is neither', (t) => {
    const found = findPrograms(environment(t, {}).PATH, ['ip'], false);
    assert.deepEqual(found, {
      ok: false,
      reason: 'nft (or iptables-restore, with ip6tables-restore) is not installed',
      remedy: 'install nftables (or iptables)',
    });
  });

  const saying = (variant: string): string =>
    `case "$1" in --version) echo 'iptables v1.8.9 (${variant})';; *) cat >/dev/null;; esac`;
  const tools: [name: string, scripts: Readonly<Record<string, string>>, kind: string][] = [
    ['nft, where it works', { iptables: saying('nf_tables') }, 'nft'],
    ['iptables, where nft does not', { nft: 'exit 7', iptables: saying('nf_tables') }, 'iptables-nft'],
    ['legacy iptables', { nft: 'exit 7', iptables: saying('legacy') }, 'iptables-legacy'],
  ];
  for (const [name, scripts, kind] of tools) {
    test(`tells the kernel rules by ${name}`, async (t) => {
      const found = await findNamespaceMeans(environment(t, scripts));
      assert.equal(found.ok && found.means.filter.kind, kind);
    });
  }
});
