/** Proxies of a running mesh whose place other processes take: applications and their clients notice nothing. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isAlive } from '#host/process-identity.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { smallMesh } from '../support/small-mesh.ts';

const skip = process.platform !== 'linux' && 'sockets are handed over on Linux only';

describe('hot restarts in a mesh', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  let load: Load;
  before(async () => {
    const { manifest } = smallMesh(folder, { replicas: 1 });
    writeFileSync(
      manifest,
      readFileSync(manifest, 'utf8').replace(/retries: \{.*\}/, 'retries: {attempts: 0}'),
    );
    mesh = await startMesh([manifest]);
    load = startLoad({ url: mesh.ingressUrl, connections: 16, ratePerSecond: 200 });
    await eventually(() => assert.ok(load.answers.length > 20));
  });
  after(async () => {
    await load?.stop();
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const applications = (): number[] => [
    ...new Set(load.answers.map(({ body }) => (JSON.parse(body) as { pid: number }).pid)),
  ];

  for (const name of ['echo-v1-1.sidecar', 'istio-ingressgateway', 'echo-v1-1.sidecar']) {
    test(`of ${name}`, async () => {
      const before = mesh.processOf(name);
      const said = mesh.output().length;
      process.kill(before.pid, 'SIGUSR2');
      await eventually(() => assert.notEqual(mesh.processOf(name).pid, before.pid), { timeoutMs: 20_000 });
      assert.ok(!isAlive(before));
      const answered = load.answers.length;
      await eventually(() => assert.ok(load.answers.length > answered + 50));
      assert.deepEqual(load.failures(), []);
      assert.equal(applications().length, 1);
      assert.ok(mesh.instancesOf('echo-v1').every(({ ready }) => ready));
      assert.equal(mesh.output().slice(said), '');
    });
  }

  test('and one that is killed afterwards comes back as any other', async () => {
    const name = 'echo-v1-1.sidecar';
    const before = mesh.processOf(name);
    process.kill(before.pid, 'SIGKILL');
    await eventually(() => assert.notEqual(mesh.processOf(name).pid, before.pid), { timeoutMs: 20_000 });
    await eventually(async () => assert.equal((await fetch(mesh.ingressUrl)).status, 200), {
      timeoutMs: 20_000,
    });
    assert.match(mesh.output(), /echo-v1-1\.sidecar: ended/);
  });
});
