/** Sidecars and the gateway of `heddle up` come back while the control plane is away, with what they were told last. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { apiClient } from '#api/client.ts';
import { bookstoreFiles } from '../support/bookstore.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

const deadline = { timeoutMs: 60_000 };
/** Of the control plane, for proxies. */
const SECURE_XDS = 15_012;

/** No control plane can start from then on. @returns what lets one start again */
async function keepAway(t: TestContext, mesh: RunningMesh): Promise<() => void> {
  const { hostname } = new URL(mesh.state().apiUrl);
  process.kill(mesh.processOf('control').pid, 'SIGKILL');
  const squatter = await eventually(
    () =>
      new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
        const server = createServer((socket) => socket.destroy());
        server.once('error', reject);
        server.listen(SECURE_XDS, hostname, () => resolve(server));
      }),
  );
  t.after(() => void squatter.close());
  return () => void squatter.close();
}

test('traffic goes on when proxies are killed without a control plane', async (t) => {
  // The address of the control plane can be had by a test.
  const mesh = await startMesh(bookstoreFiles(), { args: ['--capture', 'never'] });
  t.after(() => mesh.stop());
  const answers = async (): Promise<void> => {
    const { status } = await fetch(`${mesh.ingressUrl}/api/catalog`);
    assert.equal(status, 200);
  };
  await eventually(answers, deadline);
  const catalog = mesh.instancesOf('catalog-v1');
  const gateway = mesh.state().gateways[0]!;
  const proxies = [...catalog.map(({ name }) => `${name}.sidecar`), gateway.name];
  const places = [...catalog, gateway].map(({ name, namespace }) =>
    join(mesh.stateDirectory, 'instances', `${namespace}.${name}`, 'configuration'),
  );
  await eventually(() => assert.ok(places.every((file) => existsSync(file))), deadline);
  const letBack = await keepAway(t, mesh);
  for (const name of proxies) {
    const { pid } = mesh.processOf(name);
    process.kill(pid, 'SIGKILL');
    await eventually(() => assert.notEqual(mesh.processOf(name).pid, pid), deadline);
    await eventually(answers, deadline);
  }
  letBack();
  const api = apiClient(mesh.state().apiUrl);
  await eventually(async () => assert.ok((await api.proxies()).length >= places.length), deadline);
  await answers();
});
