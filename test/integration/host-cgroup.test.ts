/** `heddle capture --cgroup` as root, on a host that is a network namespace with mounts of its own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { MeshNetwork, type PodAddresses } from '#host/network/mesh-network.ts';
import type { Namespace } from '#host/network/namespace.ts';
import { findFilters } from '#host/network/packet-filter.ts';
import { type RunResult, run } from '#host/network/run.ts';
import { eventually } from '../support/eventually.ts';
import { describeByFilter, pathTo } from '../support/filters.ts';
import { findPeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const hub: PodAddresses = { ipv4: '10.244.0.1', ipv6: 'fd48::1' };
const here: PodAddresses = { ipv4: '10.244.1.1', ipv6: 'fd48::1:1' };
const there: PodAddresses = { ipv4: '10.244.1.2', ipv6: 'fd48::1:2' };
const heddle = resolve(import.meta.dirname, '../../bin/heddle');
const CGROUPS = '/sys/fs/cgroup';

const serving = (name: string, ports: readonly number[]): string => `
import { createServer } from 'node:net';
for (const port of ${JSON.stringify(ports)})
  createServer((socket) => socket.on('error', () => {}).end('${name}\\n')).listen(port, '::', () => console.log(port));
`;

describeByFilter('capture for one cgroup of a host', (means) => {
  if (means.kind !== 'root') {
    test('needs root', { skip: 'cgroups are made by root alone' }, () => {});
    return;
  }
  const { filter } = means;
  const path = pathTo({ after }, filter);
  /** Of this suite; the hierarchy is the machine's. */
  const own = `heddle-test-${process.pid}-${filter.kind}`;
  const shop = `${own}/my shop.service`;
  const running: ChildProcess[] = [];
  let network: MeshNetwork;
  let host: Namespace;
  let other: Namespace;
  before(async () => {
    network = await MeshNetwork.open(means, hub);
    host = await network.addPod('host', here, []);
    other = await network.addPod('other', there, []);
    await host.do(['mount', '-t', 'cgroup2', 'none', CGROUPS]);
    for (const cgroup of [own, shop, `${shop}/worker`, `${own}/sidecar`]) await makeCgroup(cgroup);
    await serve(host, 'sidecar', [15_001, 15_006]);
    await host.do(['sh', '-c', `echo ${running[0]!.pid} >${CGROUPS}/${own}/sidecar/cgroup.procs`]);
    await serve(host, 'application', [8080]);
    await serve(other, 'elsewhere', [80]);
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(running.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
    for (const cgroup of [`${shop}/worker`, shop, `${own}/sidecar`, own]) await removeCgroup(cgroup);
    await host?.close();
    await other?.close();
    await network?.close();
  });

  const makeCgroup = (cgroup: string): Promise<string> => host.do(['mkdir', `${CGROUPS}/${cgroup}`]);
  /** What has ended is in it for a moment yet. */
  const removeCgroup = (cgroup: string): Promise<void> =>
    eventually(async () => void (await host.do(['rmdir', `${CGROUPS}/${cgroup}`])));

  async function serve(where: Namespace, name: string, ports: readonly number[]): Promise<void> {
    const words = [...where.enter(), process.execPath, '--input-type=module', '-e', serving(name, ports)];
    const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    let said = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (said += text));
    await eventually(() => assert.equal(said.split('\n').length - 1, ports.length));
  }

  /** What a process in a cgroup hears from an address; without one, a process of none of ours. */
  async function ask(
    where: Namespace,
    cgroup: string | undefined,
    address: string,
    port: number,
  ): Promise<string> {
    const join = cgroup === undefined ? '' : `echo $$ >'${CGROUPS}/${cgroup}/cgroup.procs'; `;
    const script = `${join}exec 3<>/dev/tcp/${address}/${port} && cat <&3`;
    const { stdout, stderr } = await run([...where.enter(), 'timeout', '5', 'bash', '-c', script]);
    return stdout.trim() || stderr.trim();
  }

  const capture = (journal: string, ...words: string[]): Promise<RunResult> =>
    captureIn(host, journal, ...words);
  const captureIn = (where: Namespace, journal: string, ...words: string[]): Promise<RunResult> =>
    run([...where.enter(), heddle, 'capture', ...words, '--journal', journal], {
      env: { ...(process.env as Record<string, string>), NO_COLOR: '1', PATH: path },
    });
  const succeed = async (...words: Parameters<typeof capture>): Promise<string> => {
    const { code, stdout, stderr } = await capture(...words);
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  /** Of ours, by whatever tool. */
  async function rules(): Promise<string> {
    const all = await findFilters(process.env.PATH ?? '');
    const commands = all.flatMap((one) =>
      one.kind === 'nft'
        ? [[one.nft, 'list', 'ruleset']]
        : Object.values(one.save).map((program) => [program]),
    );
    const listed = await Promise.all(commands.map((words) => run([...host.enter(), ...words])));
    const lines = listed.flatMap(({ stdout }) => stdout.split('\n'));
    return lines.filter((line) => /heddle/i.test(line)).join('\n');
  }

  test('its processes are captured, and those of its children; in the end nothing is left', async (t) => {
    const journal = join(tempDir(t), 'journal');
    const words = ['--cgroup', shop, '--inbound-ports', '8080'];
    assert.match(
      await succeed(journal, 'install', ...words),
      new RegExp(`cgroup ${shop}.*\\(${filter.kind}\\)`),
    );
    for (const cgroup of [shop, `${shop}/worker`]) {
      assert.equal(await ask(host, cgroup, there.ipv4, 80), 'sidecar');
      assert.equal(await ask(host, cgroup, there.ipv6, 80), 'sidecar');
    }
    for (const cgroup of [undefined, `${own}/sidecar`, own]) {
      assert.equal(await ask(host, cgroup, there.ipv4, 80), 'elsewhere');
      assert.equal(await ask(host, cgroup, there.ipv6, 80), 'elsewhere');
    }
    assert.equal(await ask(other, undefined, here.ipv4, 8080), 'sidecar');
    assert.match(
      await succeed(journal, 'status'),
      new RegExp(`cgroup ${shop} +in force +${filter.kind} +8080`),
    );
    await succeed(journal, 'uninstall', '--cgroup', `${CGROUPS}/${shop}`);
    assert.equal(await rules(), '');
    assert.deepEqual(readdirSync(journal), []);
    assert.equal(await ask(host, shop, there.ipv4, 80), 'elsewhere');
    assert.equal(await ask(other, undefined, here.ipv4, 8080), 'application');
  });

  test('a user and a cgroup are captured beside each other', async (t) => {
    const journal = tempDir(t);
    await succeed(journal, 'install', '--cgroup', shop);
    await succeed(journal, 'install', '--uid', '61234');
    await succeed(journal, 'uninstall', '--uid', '61234');
    assert.equal(await ask(host, shop, there.ipv4, 80), 'sidecar');
    await succeed(journal, 'uninstall', '--cgroup', shop);
    assert.equal(await rules(), '');
  });

  test('one that has been made anew is another: status tells', async (t) => {
    const journal = tempDir(t);
    const stale = async (pattern: RegExp): Promise<void> => {
      const { code, stdout } = await capture(journal, 'status');
      assert.equal(code, 1);
      assert.match(stdout, /stale/);
      assert.match(stdout, pattern);
    };
    await succeed(journal, 'install', '--cgroup', `${CGROUPS}/${shop}/`);
    for (const cgroup of [`${shop}/worker`, shop]) await removeCgroup(cgroup);
    await stale(/has been removed: run heddle capture install again/);
    for (const cgroup of [shop, `${shop}/worker`]) await makeCgroup(cgroup);
    await stale(/has been removed and made anew/);
    assert.equal(await ask(host, shop, there.ipv4, 80), 'elsewhere');
    await succeed(journal, 'install', '--cgroup', shop);
    assert.equal(await ask(host, shop, there.ipv4, 80), 'sidecar');
    assert.match(await succeed(journal, 'status'), /in force/);
    for (const cgroup of [`${shop}/worker`, shop]) await removeCgroup(cgroup);
    await succeed(journal, 'uninstall', '--cgroup', shop);
    assert.equal(await rules(), '');
    for (const cgroup of [shop, `${shop}/worker`]) await makeCgroup(cgroup);
  });

  const refused = async (
    where: Namespace,
    journal: string,
    given: string,
    pattern: RegExp,
  ): Promise<void> => {
    const { code, stderr } = await captureIn(where, journal, 'install', '--cgroup', given);
    assert.notEqual(code, 0);
    assert.match(stderr, pattern);
    assert.equal(await rules(), '');
    assert.deepEqual(readdirSync(journal), []);
  };

  test('what cannot be captured is said, and nothing is changed', async (t) => {
    const journal = tempDir(t);
    await refused(host, journal, '/', /the root cgroup/);
    await refused(host, journal, CGROUPS, /the root cgroup/);
    await refused(host, journal, `${own}/none`, /no cgroup .*\/none.*\n?.*systemctl show/);
    await refused(host, journal, `${own}/../${own}`, /is no path of a cgroup/);
    await refused(host, journal, `${own}/sidecar`, /the sidecar itself \(process \d+/);
    await refused(host, journal, own, /the sidecar itself/);
    for (const verb of ['install', 'uninstall']) {
      const neither = await capture(journal, verb);
      assert.match(neither.stderr, /whose connections[\s\S]*--uid[\s\S]*--cgroup/);
      const both = await capture(journal, verb, '--uid', '61234', '--cgroup', shop);
      assert.match(both.stderr, /cannot be used with/);
    }
  });

  test('what a mount has to do with it', async (t) => {
    const journal = tempDir(t);
    const unusual = await network.addPod('unusual', { ipv4: '10.244.1.3', ipv6: 'fd48::1:3' }, []);
    try {
      await unusual.do(['mount', '-t', 'tmpfs', 'none', CGROUPS]);
      await refused(unusual, journal, shop, /no cgroup v2 is mounted[\s\S]*mount -t cgroup2/);
      await unusual.do(['mkdir', `${CGROUPS}/unified`, `${CGROUPS}/old`]);
      await unusual.do(['mount', '-t', 'cgroup2', 'none', `${CGROUPS}/unified`]);
      const given = `${CGROUPS}/unified/${shop}`;
      if (findPeer('iptables') === undefined) {
        await refused(unusual, journal, given, /nft: it finds cgroups below \/sys\/fs\/cgroup alone/);
        return;
      }
      // The first tool cannot, and another can.
      const installed = await captureIn(unusual, journal, 'install', '--cgroup', given);
      assert.equal(installed.code, 0, installed.stderr);
      assert.match(installed.stdout, /\(iptables-(?:nft|legacy)\)/);
      await unusual.do(['umount', `${CGROUPS}/unified`]);
      assert.match(
        (await captureIn(unusual, journal, 'status')).stdout,
        /stale[\s\S]*no cgroup v2 is mounted any more/,
      );
      const removed = await captureIn(unusual, journal, 'uninstall', '--cgroup', given);
      assert.equal(removed.code, 0, removed.stderr);
      assert.deepEqual(readdirSync(journal), []);
      await unusual.do(['mount', '-t', 'cgroup', '-o', `none,name=${own}`, 'none', `${CGROUPS}/old`]);
      await refused(unusual, journal, `${CGROUPS}/old/shop`, /is a cgroup of version 1 .*net_cls/);
    } finally {
      await unusual.close();
    }
  });
});
