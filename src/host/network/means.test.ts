import assert from 'node:assert/strict';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { findNamespaceMeans } from './means.ts';

const programs = ['unshare', 'nsenter', 'setpriv', 'mount', 'ip', 'nft'];
/** Runs what follows `--` here: nothing of it is real. */
const unshare = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"';

/** An environment with programs of our own: scripts by name, the others do nothing. */
function environment(t: TestContext, scripts: Readonly<Record<string, string>>): { readonly PATH: string } {
  const folder = tempDir(t);
  for (const name of programs) {
    const script = { unshare, ...scripts }[name] ?? 'cat >/dev/null';
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
    ['a program that fails silently', { nft: 'exit 7' }, /^exit code 7$/, /user namespaces|sysctl/],
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
});
