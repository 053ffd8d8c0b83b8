/**
 * `kill -9` of one of two instances of the catalog under load, first its application, then its sidecar:
 * nobody outside notices, and it gets traffic again only once it answers.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { MeshInstance } from '#cli/mesh-state.ts';
import { bookstoreFiles } from '../support/bookstore.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { sumOf } from '../support/prometheus-text.ts';

const backDeadlineMs = 30_000;
/** Answers that both instances have a part in, whatever the order of turns. */
const aFewAnswers = 60;

/** The catalog as in the example, held back while there is a file with the instance's name in `folder`. */
const gatedCatalog = (folder: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: gated}
images:
  docker.io/bookstore/catalog:1:
    command: [node, --import, ${resolve('test/apps/gate.mjs')}, start.mjs, apps/catalog.ts]
    workingDir: ${resolve('examples/bookstore')}
    env: {GATE_FOLDER: ${folder}}
`;

describe('kill -9 of an instance', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  let load: Load;
  let first: MeshInstance;
  let second: MeshInstance;
  before(async () => {
    const documents = join(folder, 'gated.yaml');
    writeFileSync(documents, gatedCatalog(folder));
    mesh = await startMesh([...bookstoreFiles(), documents]);
    [first, second] = mesh.instancesOf('catalog-v1') as [MeshInstance, MeshInstance];
    load = startLoad({ url: `${mesh.ingressUrl}/api/catalog`, connections: 64, ratePerSecond: 200 });
    await shared();
  });
  after(async () => {
    await load?.stop();
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Which instances have given the answers since number `since`. */
  const answering = (since: number): string[] =>
    [
      ...new Set(
        load.answers.slice(since).map(({ body }) => (JSON.parse(body) as { instance: string }).instance),
      ),
    ].sort();

  const moreAnswers = (since: number): Promise<void> =>
    eventually(() => assert.ok(load.answers.length >= since + aFewAnswers, 'answers do not come'));

  /** Both instances answer. */
  const shared = (): Promise<void> =>
    eventually(
      async () => {
        const since = load.answers.length;
        await moreAnswers(since);
        assert.deepEqual(load.failures(), []);
        assert.deepEqual(answering(since), [first.name, second.name]);
      },
      { timeoutMs: backDeadlineMs },
    );

  const isReady = (): boolean =>
    mesh.instancesOf('catalog-v1').find(({ name }) => name === second.name)?.ready ?? false;

  /** Whether the storefront's sidecar has the second instance among the catalog's endpoints. */
  const isEndpoint = async (): Promise<boolean> => {
    const [storefront] = mesh.instancesOf('storefront-v1');
    const clusters = await (await fetch(`${storefront?.adminUrl}/clusters`)).text();
    assert.ok(clusters.includes(`||catalog.default.svc.cluster.local::${first.meshAddress}:9080::`));
    return clusters.includes(`||catalog.default.svc.cluster.local::${second.meshAddress}:9080::`);
  };

  /** Requests that have come to the second instance's sidecar. */
  const received = async (): Promise<number> =>
    sumOf(await mesh.metricsOf(second), 'istio_requests_total', { reporter: 'destination' });

  const kill = async (name: string): Promise<void> => {
    const { pid } = mesh.processOf(name);
    process.kill(pid, 'SIGKILL');
    await eventually(() => assert.notEqual(mesh.processOf(name).pid, pid, `${name} is not back`), {
      timeoutMs: backDeadlineMs,
    });
  };

  test('its application: no request fails, and it gets none before it answers', async () => {
    const gate = join(folder, second.name);
    writeFileSync(gate, '');
    try {
      await kill(second.name);
      await eventually(async () => assert.equal(await isEndpoint(), false));
      assert.equal(isReady(), false);
      // What was on its way before is answered meanwhile.
      await moreAnswers(load.answers.length);
      const before = await received();
      const since = load.answers.length;
      await moreAnswers(since);
      assert.deepEqual(answering(since), [first.name]);
      assert.equal(await received(), before);
    } finally {
      rmSync(gate);
    }
    await shared();
    assert.ok(isReady());
    assert.ok(await isEndpoint());
  });

  test('its sidecar: no request fails, and it comes back', async () => {
    const application = mesh.processOf(second.name).pid;
    await kill(`${second.name}.sidecar`);
    await shared();
    await eventually(() => assert.ok(isReady()));
    assert.ok(await isEndpoint());
    assert.equal(mesh.processOf(second.name).pid, application, 'its application stayed');
  });
});
