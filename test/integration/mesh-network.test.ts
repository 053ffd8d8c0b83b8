/** Network namespaces of Pods, and what their rules redirect, made for real. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CaptureRules, captureRules } from '#host/network/capture-rules.ts';
import { MeshNetwork, type PodAddresses } from '#host/network/mesh-network.ts';
import type { Namespace } from '#host/network/namespace.ts';
import { loadingOf } from '#host/network/packet-filter.ts';
import { run } from '#host/network/run.ts';
import { SIDECAR_MARK } from '#host/network/sidecar-mark.ts';
import { eventually } from '../support/eventually.ts';
import { describeByFilter } from '../support/filters.ts';
import { everything } from '../support/namespaces.ts';
import { tempDir } from '../support/temp-dir.ts';

const hub: PodAddresses = { ipv4: '10.244.0.1', ipv6: 'fd48::1' };
const one: PodAddresses = { ipv4: '10.244.1.1', ipv6: 'fd48::1:1' };
const two: PodAddresses = { ipv4: '10.244.1.2', ipv6: 'fd48::1:2' };

const modules = new URL('../../src/host/', import.meta.url);
/** Answers a connection by who has taken it, and a sidecar by where it was made to. */
const answering = (name: string, ports: readonly number[]): string => `
import { createServer } from 'node:net';
import { originalDestination } from '${modules}original-destination.ts';
for (const port of ${JSON.stringify(ports)}) createServer((socket) => {
  const { ip, port: to } = originalDestination(socket) ?? {};
  socket.on('error', () => {}).end('${name}' + ('${name}'.startsWith('sidecar') ? ' ' + ip + ' ' + to : ''));
}).listen(port, '::', () => console.log(port));
`;
const asking = `
import { connect } from 'node:net';
import { openTcpSocket } from '${modules}socket-options.ts';
const [host, port, mark] = process.argv.slice(1);
const value = new Uint8Array(new Uint32Array([Number(mark)]).buffer);
let socket;
try {
  const fd = mark === '0' ? undefined : openTcpSocket(host.includes(':') ? 6 : 4, [{ level: 1, name: 36, value }]);
  socket = connect({ host, port: Number(port), ...(fd !== undefined && { fd }) });
  socket.setEncoding('utf8').on('data', (text) => console.log(text)).on('error', ({ code }) => console.log(code));
} catch ({ code }) { console.log(code); }
`;

describeByFilter('network namespaces', (means) => {
  const running: ChildProcess[] = [];
  let network: MeshNetwork;
  let first: Namespace;
  let second: Namespace;
  before(async () => {
    network = await MeshNetwork.open(means, hub);
    first = await network.addPod('pod1', one, []);
    second = await network.addPod('pod2', two, []);
    // The same port twice, each on every address of its own.
    for (const [name, pod] of Object.entries({ first, second })) {
      await serve([...pod.enterPlainly('/')], `app-${name}`, [8080]);
      await serve(pod.enter(), `sidecar-${name}`, [15_001, 15_006]);
    }
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(running.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
    await first?.close();
    await second?.close();
    await network?.close();
  });

  async function serve(prefix: readonly string[], name: string, ports: readonly number[]): Promise<void> {
    const [program, ...words] = [
      ...prefix,
      process.execPath,
      '--input-type=module',
      '-e',
      answering(name, ports),
    ];
    const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    let said = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (said += text));
    await eventually(() => assert.equal(said.split('\n').length - 1, ports.length));
  }

  /** What somebody in a Pod hears who connects. */
  async function ask(prefix: readonly string[], host: string, port: number, mark = 0): Promise<string> {
    const words = [
      ...prefix,
      process.execPath,
      '--input-type=module',
      '-e',
      asking,
      host,
      String(port),
      String(mark),
    ];
    const { stdout } = await run(words, { env: { PATH: process.env.PATH ?? '' } });
    return stdout.trim();
  }
  const asApplication = (pod: Namespace): string[] => pod.enterPlainly('/');
  const capture = (pod: Namespace, rules: Partial<CaptureRules> = {}): Promise<void> =>
    pod.setRules(captureRules({ ...everything, hub, dns: true, ...rules }));

  test('Pods reach each other by both families, and have their own loopback', async () => {
    assert.equal(await ask(asApplication(first), two.ipv4, 8080), 'app-second');
    assert.equal(await ask(asApplication(first), two.ipv6, 8080), 'app-second');
    assert.equal(await ask(asApplication(first), '127.0.0.1', 8080), 'app-first');
  });

  test('what comes in goes to the sidecar, wherever it was made to', async () => {
    await capture(second, { excludeInboundPorts: [9999] });
    assert.equal(await ask(asApplication(first), two.ipv4, 8080), `sidecar-second ${two.ipv4} 8080`);
    assert.equal(await ask(asApplication(first), two.ipv6, 1), `sidecar-second ${two.ipv6} 1`);
    assert.equal(await ask(asApplication(first), two.ipv4, 9999), 'ECONNREFUSED');
    // In its own Pod an application is as it was.
    assert.equal(await ask(asApplication(second), two.ipv4, 8080), 'app-second');
  });

  test('what goes out goes to the sidecar, but for what it sends itself', async () => {
    await capture(second);
    await capture(first, { excludeOutbound: ['10.244.9.0/24', 'fd99::/16'], excludeOutboundPorts: [7] });
    const out = asApplication(first);
    assert.equal(await ask(out, '10.96.1.1', 80), 'sidecar-first 10.96.1.1 80');
    assert.equal(await ask(out, '2001:db8::1', 443), 'sidecar-first 2001:db8::1 443');
    assert.equal(await ask(out, two.ipv4, 7), `sidecar-second ${two.ipv4} 7`);
    assert.equal(await ask(out, '10.244.9.9', 80), 'EHOSTUNREACH');
    assert.equal(await ask(first.enter(), two.ipv4, 8080, SIDECAR_MARK), `sidecar-second ${two.ipv4} 8080`);
    // A service of which its own workload is an instance.
    assert.equal(await ask(first.enter(), one.ipv4, 8080, SIDECAR_MARK), `sidecar-first ${one.ipv4} 8080`);
  });

  test('an application may neither mark what it sends nor change the rules', async () => {
    await capture(first);
    const { ip } = means.programs;
    assert.equal(await ask(asApplication(first), two.ipv4, 8080, SIDECAR_MARK), 'EPERM');
    const rules = loadingOf(means.filter, captureRules(everything))[0]!;
    for (const { command, input } of [
      rules,
      { command: [ip, 'address', 'add', '10.244.1.9/16', 'dev', 'eth0'], input: '' },
    ]) {
      const { code, stderr } = await run([...asApplication(first), ...command], { input });
      assert.notEqual(code, 0);
      assert.match(stderr, /not permitted|must be root|unable to initialize table/);
    }
  });

  test('only what is included, where that is said', async () => {
    await capture(second, { includeInboundPorts: [9090] });
    await capture(first, { includeOutbound: ['10.96.0.0/16'], includeOutboundPorts: [5432] });
    const out = asApplication(first);
    assert.equal(await ask(out, two.ipv4, 8080), 'app-second');
    assert.equal(await ask(out, two.ipv4, 9090), `sidecar-second ${two.ipv4} 9090`);
    assert.equal(await ask(out, '10.96.1.1', 80), 'sidecar-first 10.96.1.1 80');
    assert.equal(await ask(out, two.ipv4, 5432), `sidecar-first ${two.ipv4} 5432`);
  });

  test('a Pod sees its own files, and the machine does not', async (t) => {
    const file = join(tempDir(t), 'resolv.conf');
    writeFileSync(file, 'nameserver 10.96.0.10\n');
    const pod = await network.addPod('pod3', { ipv4: '10.244.1.3', ipv6: 'fd48::1:3' }, [
      { file, at: '/etc/resolv.conf' },
      { file, at: '/etc/no-such-file' },
    ]);
    try {
      const read = async (prefix: readonly string[]): Promise<string> =>
        (await run([...prefix, 'cat', '/etc/resolv.conf'])).stdout;
      assert.equal(await read(pod.enterPlainly('/')), 'nameserver 10.96.0.10\n');
      assert.notEqual(await read([]), 'nameserver 10.96.0.10\n');
    } finally {
      await pod.close();
    }
  });

  test('a Pod that has the address of one that is gone is found at once', async () => {
    const addresses: PodAddresses = { ipv4: '10.244.1.4', ipv6: 'fd48::1:4' };
    await capture(first, { includeOutbound: [] });
    for (const name of ['earlier', 'later']) {
      const pod = await network.addPod(name, addresses, []);
      try {
        await serve(pod.enterPlainly('/'), `app-${name}`, [8080]);
        assert.equal(await ask(asApplication(first), addresses.ipv4, 8080), `app-${name}`);
        assert.equal(await ask(asApplication(first), addresses.ipv6, 8080), `app-${name}`);
        const child = running.pop()!;
        child.kill('SIGKILL');
        await once(child, 'exit');
      } finally {
        await pod.close();
      }
    }
  });

  test('a name is free at once when its Pod has been removed', async () => {
    const addresses: PodAddresses = { ipv4: '10.244.1.5', ipv6: 'fd48::1:5' };
    for (let i = 0; i < 10; i++) {
      await network.removePod('again', await network.addPod('again', addresses, []));
    }
  });

  test('what cannot be made is said', async () => {
    await assert.rejects(network.addPod('pod1', one, []), /ip -batch.*File exists/s);
  });
});
