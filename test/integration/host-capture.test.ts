/** `heddle capture` as root, on a host that is a network namespace: who is captured, who is not, and what is left. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { MeshNetwork, type PodAddresses } from '#host/network/mesh-network.ts';
import type { Namespace } from '#host/network/namespace.ts';
import { findFilters } from '#host/network/packet-filter.ts';
import { type RunResult, run } from '#host/network/run.ts';
import { eventually } from '../support/eventually.ts';
import { describeByFilter, pathTo } from '../support/filters.ts';
import { tempDir } from '../support/temp-dir.ts';

const hub: PodAddresses = { ipv4: '10.244.0.1', ipv6: 'fd48::1' };
const here: PodAddresses = { ipv4: '10.244.1.1', ipv6: 'fd48::1:1' };
const there: PodAddresses = { ipv4: '10.244.1.2', ipv6: 'fd48::1:2' };
const heddle = resolve(import.meta.dirname, '../../bin/heddle');
const modules = new URL('../../src/host/', import.meta.url);
const USER = 61_234;
const OTHER = 61_235;

/** Answers by its name, and a sidecar by where the connection was made to. */
const serving = (name: string, ports: readonly number[]): string => `
import { createServer } from 'node:net';
import { originalDestination } from '${modules}original-destination.ts';
for (const port of ${JSON.stringify(ports)}) createServer((socket) => {
  const { ip, port: to } = originalDestination(socket) ?? {};
  socket.on('error', () => {}).end('${name}' + ('${name}' === 'sidecar' ? ' ' + ip + ' ' + to : '') + '\\n');
}).listen(port, '::', () => console.log(port));
`;

describeByFilter('capture for one user of a host', (means) => {
  if (means.kind !== 'root') {
    test('needs root', { skip: 'other users are there for root alone' }, () => {});
    return;
  }
  const { filter } = means;
  const running: ChildProcess[] = [];
  const path = pathTo({ after }, filter);
  let network: MeshNetwork;
  let host: Namespace;
  let other: Namespace;
  before(async () => {
    network = await MeshNetwork.open(means, hub);
    host = await network.addPod('host', here, []);
    other = await network.addPod('other', there, []);
    await serve(host, 'sidecar', [15_001, 15_006, 15_053]);
    await serve(host, 'application', [8080, 9090]);
    await serve(other, 'elsewhere', [80, 5432, 53]);
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(running.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
    await host?.close();
    await other?.close();
    await network?.close();
  });

  async function serve(where: Namespace, name: string, ports: readonly number[]): Promise<void> {
    const words = [process.execPath, '--input-type=module', '-e', serving(name, ports)];
    const [program, ...rest] = [...where.enter(), ...words];
    const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    let said = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (said += text));
    await eventually(() => assert.equal(said.split('\n').length - 1, ports.length));
  }

  /** What a user of a host hears from an address. */
  async function ask(where: Namespace, uid: number, address: string, port: number): Promise<string> {
    const script = `exec 3<>/dev/tcp/${address}/${port} && cat <&3`;
    const words = ['setpriv', `--reuid=${uid}`, '--clear-groups', 'timeout', '5', 'bash', '-c', script];
    const { stdout, stderr } = await run([...where.enter(), ...words]);
    return stdout.trim() || (/refused/.test(stderr) ? 'refused' : stderr.trim());
  }

  const capture = (journal: string, ...words: string[]): Promise<RunResult> =>
    run([...host.enter(), heddle, 'capture', ...words, '--journal', journal], {
      env: { ...(process.env as Record<string, string>), NO_COLOR: '1', PATH: path },
    });
  /** Of ours, by whatever tool. */
  async function rules(): Promise<string> {
    const all = await findFilters(process.env.PATH ?? '');
    const commands = all.flatMap((one) =>
      one.kind === 'nft'
        ? [[one.nft, 'list', 'ruleset']]
        : Object.values(one.save).map((program) => [program]),
    );
    const listed = await Promise.all(commands.map((words) => run([...host.enter(), ...words])));
    return listed
      .flatMap(({ stdout }) => stdout.split('\n'))
      .filter((line) => /heddle/i.test(line))
      .sort()
      .join('\n');
  }

  test('that user alone is captured, and who connects to its ports; in the end nothing is left', async (t) => {
    const journal = join(tempDir(t), 'journal');
    const installed = await capture(
      journal,
      'install',
      '--uid',
      String(USER),
      '--inbound-ports',
      '8080',
      '--dns',
    );
    assert.equal(installed.code, 0, installed.stderr);
    assert.equal(await ask(host, USER, there.ipv4, 80), `sidecar ${there.ipv4} 80`);
    assert.equal(await ask(host, USER, there.ipv6, 5432), `sidecar ${there.ipv6} 5432`);
    assert.equal(await ask(host, USER, '10.96.1.1', 80), 'sidecar 10.96.1.1 80');
    assert.equal(await ask(host, USER, there.ipv4, 53), `sidecar ${there.ipv4} 53`);
    assert.equal(await ask(host, OTHER, there.ipv4, 80), 'elsewhere');
    assert.equal(await ask(host, 0, there.ipv4, 80), 'elsewhere');
    assert.equal(await ask(other, OTHER, here.ipv4, 8080), `sidecar ${here.ipv4} 8080`);
    assert.equal(await ask(other, OTHER, here.ipv6, 8080), `sidecar ${here.ipv6} 8080`);
    assert.equal(await ask(other, OTHER, here.ipv4, 9090), 'application');
    assert.equal(await ask(host, USER, '127.0.0.1', 9090), 'application');
    assert.match(
      (await capture(journal, 'status')).stdout,
      new RegExp(`user ${USER} +in force +${filter.kind} +8080 +yes`),
    );

    const removed = await capture(journal, 'uninstall', '--uid', String(USER));
    assert.equal(removed.code, 0, removed.stderr);
    assert.equal(await rules(), '');
    assert.deepEqual(readdirSync(journal), []);
    assert.doesNotMatch(
      (await run([...host.enter(), 'ip', '-6', 'address', 'show', 'dev', 'lo'])).stdout,
      /::6\/128/,
    );
    assert.equal(await ask(host, USER, there.ipv4, 80), 'elsewhere');
    assert.equal(await ask(other, OTHER, here.ipv4, 8080), 'application');
    assert.match((await capture(journal, 'status')).stdout, /nothing is captured/);
    // Once more is no harm.
    assert.equal((await capture(journal, 'uninstall', '--uid', String(USER))).code, 0);
  });

  test('other rules take the place of those before, and other users stay as they are', async (t) => {
    const journal = tempDir(t);
    const install = async (uid: number, ...words: string[]): Promise<void> => {
      const { code, stderr } = await capture(journal, 'install', '--uid', String(uid), ...words);
      assert.equal(code, 0, stderr);
    };
    await install(USER);
    await install(OTHER, '--exclude-outbound-ports', '5432');
    await install(USER, '--outbound-ranges', '10.96.0.0/16', '--outbound-ports', '5432');
    assert.equal(await ask(host, USER, there.ipv4, 80), 'elsewhere');
    assert.equal(await ask(host, USER, there.ipv4, 5432), `sidecar ${there.ipv4} 5432`);
    assert.equal(await ask(host, OTHER, there.ipv4, 80), `sidecar ${there.ipv4} 80`);
    assert.equal(await ask(host, OTHER, there.ipv4, 5432), 'elsewhere');
    assert.equal((await capture(journal, 'uninstall', '--uid', String(USER))).code, 0);
    assert.equal(await ask(host, OTHER, there.ipv4, 80), `sidecar ${there.ipv4} 80`);
    assert.equal((await capture(journal, 'uninstall', '--uid', String(OTHER))).code, 0);
    assert.equal(await rules(), '');
  });

  test('status tells rules that somebody has changed or taken away, and those that nobody wrote down', async (t) => {
    const journal = tempDir(t);
    await capture(journal, 'install', '--uid', String(USER));
    const inHost = (...words: string[]): Promise<RunResult> => run([...host.enter(), ...words]);
    const table = `heddle_uid_${USER}`;
    const chain = `HEDDLE_U${USER}_OUTBOUND`;
    const { change, takeAway, make } =
      filter.kind === 'nft'
        ? {
            change: ['nft', 'add', 'rule', 'inet', table, 'outbound', 'counter'],
            takeAway: ['nft', 'delete', 'table', 'inet', table],
            make: ['nft', 'add', 'table', 'inet', `heddle_uid_${OTHER}`],
          }
        : {
            change: [filter.kind.replace('iptables', 'ip6tables'), '-t', 'nat', '-F', chain],
            takeAway: ['true'],
            make: [filter.kind, '-t', 'nat', '-N', `HEDDLE_U${OTHER}_OUTBOUND`],
          };
    await inHost(...change);
    const changed = await capture(journal, 'status', '-o', 'json');
    assert.equal(changed.code, 1);
    assert.equal((JSON.parse(changed.stdout) as { state: string }[])[0]?.state, 'changed');
    await inHost(...takeAway);
    if (filter.kind === 'nft') assert.match((await capture(journal, 'status')).stdout, /gone/);
    assert.equal((await capture(journal, 'uninstall', '--uid', String(USER))).code, 0);
    assert.equal((await inHost(...make)).code, 0);
    assert.match(
      (await capture(journal, 'status')).stdout,
      new RegExp(`uid ${OTHER} +foreign +${filter.kind}`),
    );
    assert.equal((await capture(journal, 'uninstall', '--uid', String(OTHER))).code, 0);
    assert.equal(await rules(), '');
  });

  if (filter.kind !== 'nft') {
    test('what one family refuses is undone in the other, and rules before stay', async (t) => {
      const journal = tempDir(t);
      assert.equal((await capture(journal, 'install', '--uid', String(USER))).code, 0);
      const before = await rules();
      const folder = tempDir(t);
      // The trial in a namespace has no such word.
      const refusing = `case "$*" in *--noflush*) echo 'no more memory' >&2; exit 4;; esac; exec '${filter.restore[6]}' "$@"`;
      writeFileSync(join(folder, 'ip6tables-restore'), `#!/bin/sh\n${refusing}\n`, { mode: 0o755 });
      const words = ['install', '--uid', String(USER), '--dns', '--journal', journal];
      const { code, stderr } = await run([...host.enter(), heddle, 'capture', ...words], {
        env: { ...(process.env as Record<string, string>), PATH: `${folder}:${path}` },
      });
      assert.equal(code, 1);
      assert.match(stderr, /nothing is captured: no more memory/);
      assert.equal(await rules(), before);
      assert.match((await capture(journal, 'status')).stdout, /in force .* no /);
      assert.equal((await capture(journal, 'uninstall', '--uid', String(USER))).code, 0);
      assert.equal(await rules(), '');
    });

    test('rules of another tool go where they are made anew', async (t) => {
      const journal = tempDir(t);
      const byNft = (...words: string[]): Promise<RunResult> =>
        run([...host.enter(), heddle, 'capture', ...words, '--journal', journal], {
          env: { ...(process.env as Record<string, string>), NO_COLOR: '1' },
        });
      const chains = async (): Promise<boolean> => (await rules()).includes('HEDDLE_');
      assert.equal((await capture(journal, 'install', '--uid', String(USER))).code, 0);
      assert.match((await byNft('status')).stdout, new RegExp(`in force +${filter.kind}`));
      assert.equal((await byNft('install', '--uid', String(USER))).code, 0);
      assert.equal(await chains(), false);
      assert.match((await byNft('status')).stdout, /in force +nft/);
      // Where nft does not work any more, nobody can take away what it has made.
      const before = await rules();
      const again = await capture(journal, 'install', '--uid', String(USER));
      assert.match(again.stderr, /nothing is captured: its rules are of nft, which does not work now/);
      assert.equal(await rules(), before);
      const removed = await capture(journal, 'uninstall', '--uid', String(USER));
      assert.equal(removed.code, 1);
      assert.match(removed.stderr, /left: nobody knows: nft/);
      assert.match((await capture(journal, 'status')).stdout, /unknown +nft/);
      assert.equal((await byNft('uninstall', '--uid', String(USER))).code, 0);
      assert.equal(await rules(), '');
    });
  }

  test('what cannot be done is said, and nothing is changed', async (t) => {
    const journal = tempDir(t);
    const refused = async (pattern: RegExp, ...words: string[]): Promise<void> => {
      const { code, stderr } = await capture(journal, ...words);
      assert.notEqual(code, 0);
      assert.match(stderr, pattern);
      assert.equal(await rules(), '');
    };
    await refused(/connections of root are not captured/, 'install', '--uid', 'root');
    await refused(/no user "nobody-at-all"/, 'install', '--uid', 'nobody-at-all');
    await refused(/"80a" is no port/, 'install', '--uid', String(USER), '--inbound-ports', '80a');
    await refused(
      /"10\.0\.0\.0\/40" is no range/,
      'install',
      '--uid',
      String(USER),
      '--outbound-ranges',
      '10.0.0.0/40',
    );
    writeFileSync(join(journal, `uid-${USER}.json`), 'not json');
    await refused(/is no journal/, 'install', '--uid', String(USER));
    assert.equal(readFileSync(join(journal, `uid-${USER}.json`), 'utf8'), 'not json');
  });

  test('a user of no rights is told so', async (t) => {
    const words = ['setpriv', `--reuid=${USER}`, '--clear-groups', heddle, 'capture', 'status'];
    const { code, stderr } = await run([...host.enter(), ...words]);
    if (/Permission denied|EACCES|EPERM/.test(stderr)) {
      t.skip('other users cannot read this program');
      return;
    }
    assert.equal(code, 1);
    assert.match(stderr, /only root/);
  });
});
