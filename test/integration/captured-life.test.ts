/** What changes in a mesh whose traffic is captured while it runs, and how it ends. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAlive, type ProcessIdentity } from '#host/process-identity.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { namespaceProcesses } from '../support/namespace-processes.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { type SmallMesh, smallMesh } from '../support/small-mesh.ts';

const captured = { args: ['--capture', 'always'] };

describeInNamespaces('a captured mesh that changes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const gateway = join(folder, 'gateway.yaml');
  let small: SmallMesh;
  let mesh: RunningMesh;
  before(async () => {
    small = smallMesh(folder, { replicas: 1 });
    writeFileSync(gateway, '');
    mesh = await startMesh([small.manifest, gateway], captured);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Another Gateway beside that of port 80. */
  const listenOn = (...numbers: readonly number[]): void =>
    writeFileSync(
      gateway,
      numbers
        .map(
          (number) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: more-${number}}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: ${number}, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: more-${number}}
spec:
  hosts: ["*"]
  gateways: [more-${number}]
  http: [{route: [{destination: {host: echo}}]}]
`,
        )
        .join('---'),
    );

  test('Gateway ports come and go, and nobody is turned away at the others', async () => {
    const said = mesh.output().length;
    listenOn(8001);
    await eventually(() => assert.equal(mesh.state().ingressUrls.length, 2));
    const [first, second] = mesh.state().ingressUrls;
    // Both at once: it starts anew for the second, and who asks the first one waits.
    assert.equal((await fetch(first!)).status, 200);
    await eventually(async () => assert.equal((await fetch(second!)).status, 200));

    listenOn();
    await eventually(() => assert.deepEqual(mesh.state().ingressUrls, [first]));
    assert.equal((await fetch(first!)).status, 200);
    await eventually(async () => assert.equal(await connected(second!), 'ECONNREFUSED'), {
      timeoutMs: 10_000,
    });
    assert.doesNotMatch(mesh.output().slice(said), /tried again|ended/);
  });

  test('an instance that is replaced at once has the name and the address of the last one', async () => {
    for (const greeting of ['again', 'once more']) {
      small.write({ replicas: 0 });
      await eventually(() => assert.notEqual(mesh.state().instances[0]?.state, 'ready'));
      small.write({ replicas: 1, greeting });
      await eventually(
        async () => assert.equal(((await (await fetch(mesh.ingressUrl)).json()) as Echo).greeting, greeting),
        { timeoutMs: 20_000 },
      );
    }
    assert.doesNotMatch(mesh.output(), /no network/);
  });

  test('a runner that is killed leaves no process and no namespace behind', async () => {
    const other = await startMesh([small.manifest], { args: [...captured.args, '--name', 'other'] });
    const { processes, runner } = other.state();
    const within = processesWithin(other);
    try {
      process.kill(runner.pid, 'SIGKILL');
      await noneOf([...processes, ...within]);
    } finally {
      rmSync(other.stateDirectory, { recursive: true, force: true, maxRetries: 3 });
    }
  });

  test('one that is stopped leaves none', async () => {
    const within = processesWithin(mesh);
    await mesh.stop();
    await noneOf(within);
  });
});

/** Also those that nobody but the runner knows: they keep the namespaces. */
function processesWithin(mesh: RunningMesh): readonly ProcessIdentity[] {
  const known = mesh.state().processes.map(({ pid }) => pid);
  const all = namespaceProcesses(known);
  assert.ok(all.some(({ pid }) => !known.includes(pid)));
  return all;
}

async function noneOf(processes: readonly ProcessIdentity[]): Promise<void> {
  await eventually(() => assert.deepEqual(processes.filter(isAlive), []), { timeoutMs: 20_000 });
}

interface Echo {
  readonly greeting: string;
}

/** `open`, or why it was not. */
function connected(url: string): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('connect', () => {
      socket.destroy();
      resolve('open');
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
  });
}
