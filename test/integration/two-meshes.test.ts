/** Two meshes of the same documents on one machine: neither sees the other, and each ends without a trace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { apiClient } from '#api/client.ts';
import { parseSocketTable } from '#host/listening.ts';
import { isAlive } from '#host/process-identity.ts';
import { captureMode } from '../support/capture-mode.ts';
import { eventually } from '../support/eventually.ts';
import { startHeddle } from '../support/heddle.ts';
import { startLoad } from '../support/load.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { descendantsOf } from '../support/process-tree.ts';
import { smallMesh } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

const captured = captureMode === 'always';
const main = join(import.meta.dirname, '../../src/app/main.ts');

/** Started from a folder of its own, so that each has its greeting; stopped when the test ends. */
async function start(t: TestContext, greeting: string): Promise<RunningMesh> {
  const { folder } = smallMesh(tempDir(t), { replicas: 1, greeting });
  const mesh = await startMesh([folder]);
  t.after(() => mesh.stop());
  return mesh;
}

async function greetingOf({ ingressUrl }: Pick<RunningMesh, 'ingressUrl'>): Promise<string> {
  const response = await fetch(ingressUrl, { headers: { connection: 'close' } });
  return ((await response.json()) as { greeting: string }).greeting;
}

/** Such as `127.7.`: what every address of the mesh begins with. */
const prefixOf = (mesh: RunningMesh): string => mesh.state().network.replace('0.0/16', '');

/** Sockets on which somebody listens in the mesh's network. */
function listening(prefix: string): string[] {
  return parseSocketTable(readFileSync('/proc/net/tcp', 'latin1'))
    .filter(({ address }) => address.startsWith(prefix))
    .map(({ address, port }) => `${address}:${port}`);
}

describe('two meshes at once', { skip: process.platform === 'linux' ? false : 'reads /proc' }, () => {
  test('each has its own addresses, identities and answers', async (t) => {
    const [one, other] = await Promise.all([start(t, 'hello'), start(t, 'ahoy')]);
    assert.notEqual(prefixOf(one), prefixOf(other));
    assert.deepEqual(await Promise.all([greetingOf(one), greetingOf(other)]), ['hello', 'ahoy']);
    for (const [mesh, stranger] of [
      [one, other],
      [other, one],
    ] as const) {
      const api = apiClient(mesh.state().apiUrl);
      const proxies = await api.proxies();
      assert.deepEqual(
        proxies.map(({ proxy }) => proxy),
        ['echo-v1-1.default', 'istio-ingressgateway.istio-system'],
      );
      for (const { proxy } of proxies) {
        const configuration = JSON.stringify(await api.configDump(proxy));
        // Where traffic is captured, what it is told are addresses of a network of its own.
        assert.equal(configuration.includes(prefixOf(mesh)), !captured);
        assert.ok(!configuration.includes(prefixOf(stranger)), `${proxy} is told of the other mesh`);
      }
    }
    if (captured) {
      const [address, same] = [one, other].map((mesh) => mesh.instancesOf('echo-v1')[0]?.meshAddress);
      assert.equal(address, same, 'nobody but itself sees it');
    }
    const roots = [one, other].map(({ stateDirectory }) =>
      readFileSync(join(stateDirectory, 'ca/root-cert.pem'), 'utf8'),
    );
    assert.notEqual(roots[0], roots[1]);
  });

  test('one starts, works and ends while the other is under load and fails no request', async (t) => {
    const steady = await start(t, 'steady');
    const load = startLoad({ url: steady.ingressUrl, connections: 32, ratePerSecond: 100 });
    try {
      const passing = await start(t, 'passing');
      assert.equal(await greetingOf(passing), 'passing');
      await passing.stop();
      const since = load.answers.length;
      await eventually(() => assert.ok(load.answers.length > since + 50));
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.failures(), []);
    assert.ok(load.answers.every(({ body }) => body.includes('"greeting":"steady"')));
  });

  test('Ctrl-C leaves no process and no socket, not even of what an application has started', async (t) => {
    const { folder } = smallMesh(tempDir(t), { replicas: 2 });
    // A child of the application that does not hear of its end.
    writeFileSync(
      join(folder, 'echo.mjs'),
      `import { spawn } from 'node:child_process';
       spawn('/bin/sh', ['-c', 'trap "" TERM INT HUP; while :; do sleep 1; done'], { stdio: 'ignore' });
       ${readFileSync(join(folder, 'echo.mjs'), 'utf8')}`,
    );
    const heddle = startHeddle(t, [folder], { capture: captureMode });
    await heddle.up();
    const { processes, network } = heddle.state();
    const started = descendantsOf(heddle.process.pid ?? 0);
    assert.ok(started.length > processes.length, 'the shells of the applications are among them');
    assert.equal(await heddle.stop(), 0);
    await eventually(() => {
      assert.deepEqual(
        started.filter((one) => isAlive(one)),
        [],
      );
    });
    assert.deepEqual(listening(network.replace('0.0/16', '')), []);
  });

  test('one that finds its ingress port taken has the next one, and says so', async (t) => {
    const first = await start(t, 'hello');
    const { port } = new URL(first.ingressUrl);
    const { folder } = smallMesh(tempDir(t), { replicas: 1, greeting: 'ahoy' });
    const second = startHeddle(t, [folder], {
      capture: captureMode,
      flags: ['--ingress-port', port],
    });
    const { ingressUrls } = await second.up();
    const [ingressUrl = ''] = ingressUrls;
    assert.ok(Number(new URL(ingressUrl).port) > Number(port));
    assert.match(
      second.stderr(),
      new RegExp(`port ${port} is taken: Gateway port 80 is on ${new URL(ingressUrl).host} instead`),
    );
    assert.match(second.stdout(), new RegExp(`Ingress: ${ingressUrl}\\n`));
    assert.equal(await greetingOf({ ingressUrl }), 'ahoy');
  });

  test('a second one of the same name says that the first one runs, and leaves it alone', {
    skip: captured,
  }, async (t) => {
    const { folder } = smallMesh(tempDir(t), { replicas: 1, sidecar: 'none' });
    const env = { XDG_STATE_HOME: tempDir(t) };
    const stateDirectory = join(env.XDG_STATE_HOME, 'heddle/echo-mesh');
    const first = startHeddle(t, [folder], { stateDirectory, env, flags: ['--no-ingress'] });
    await first.up();
    const words = ['up', folder, '--no-ingress', '--capture', 'never'];
    const second = spawnSync(process.execPath, [main, ...words], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    assert.equal(second.status, 1);
    assert.match(second.stderr, /echo-mesh/);
    assert.match(second.stderr, new RegExp(`runs already, as process ${first.process.pid}`));
    const [instance] = first.state().instances;
    assert.equal((await fetch(`http://${instance?.meshAddress}:9080/`)).status, 200);
    // Commands find it by its name, or as the only one there is.
    const ps = spawnSync(process.execPath, [main, 'ps'], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    assert.equal(ps.status, 0, ps.stderr);
  });
});
