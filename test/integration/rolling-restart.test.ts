/** Every workload is restarted one after the other under load, and nobody retries: no request is lost. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { dump, loadAll } from 'js-yaml';
import { bookstoreFiles } from '../support/bookstore.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

/** A VirtualService without retries; where there is none, Istio's default would retry. */
const noRetries = (host: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}-once}
spec:
  hosts: [${host}]
  http: [{route: [{destination: {host: ${host}}}], retries: {attempts: 0}}]
`;

interface Document {
  readonly kind: string;
  readonly spec: {
    readonly http?: { retries?: unknown }[];
    readonly template?: { readonly metadata: { annotations?: Record<string, string> } };
  };
}

/** Documents of the example, without retries and as `kubectl rollout restart` leaves them. */
function edited(text: string, restartedAt: string): string {
  const documents = loadAll(text) as Document[];
  for (const { kind, spec } of documents) {
    if (kind === 'VirtualService') for (const route of spec.http ?? []) route.retries = { attempts: 0 };
    const metadata = spec?.template?.metadata;
    if (metadata !== undefined) {
      metadata.annotations = { ...metadata.annotations, 'kubectl.kubernetes.io/restartedAt': restartedAt };
    }
  }
  return documents.map((document) => dump(document)).join('---\n');
}

describe('a rolling restart under load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const files = bookstoreFiles('heddle');
  const deployments = files.filter((file) => readFileSync(file, 'utf8').includes('kind: Deployment'));
  const copyOf = (file: string): string => join(folder, basename(file));
  const write = (file: string, restartedAt: string): void =>
    writeFileSync(copyOf(file), edited(readFileSync(file, 'utf8'), restartedAt));
  let mesh: RunningMesh;
  let loads: readonly Load[] = [];
  before(async () => {
    for (const file of files) write(file, 'start');
    const more = join(folder, 'once.yaml');
    writeFileSync(more, ['ratings'].map(noRetries).join(''));
    mesh = await startMesh(['examples/bookstore/heddle.yaml', more, ...files.map(copyOf)]);
    loads = [
      { path: '/api/page', ratePerSecond: 100 },
      { path: '/api/catalog', ratePerSecond: 50 },
      { path: '/api/reviews', ratePerSecond: 50 },
    ].map(({ path, ratePerSecond }) =>
      startLoad({ url: `${mesh.ingressUrl}${path}`, connections: 16, ratePerSecond }),
    );
    await eventually(() => assert.ok(loads.every(({ answers }) => answers.length > 20)), {
      timeoutMs: 60_000,
    });
  });
  after(async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const workloads = (): string[] => [...new Set(mesh.state().instances.map(({ workload }) => workload))];
  const names = (workload: string): string[] => mesh.instancesOf(workload).map(({ name }) => name);

  test('each workload has new instances in the end, and every request was answered', async () => {
    const earlier = new Map(workloads().map((workload) => [workload, names(workload)]));
    for (const file of deployments) {
      write(file, 'now');
      const ofFile = [...earlier.keys()].filter((one) =>
        readFileSync(file, 'utf8').includes(`name: ${one}\n`),
      );
      assert.notDeepEqual(ofFile, []);
      await eventually(
        () => {
          for (const workload of ofFile) {
            const now = mesh.instancesOf(workload);
            assert.equal(now.length, earlier.get(workload)!.length);
            assert.ok(now.every(({ name, ready }) => ready && !earlier.get(workload)!.includes(name)));
          }
        },
        { timeoutMs: 60_000 },
      );
    }
    await Promise.all(loads.map((load) => load.stop()));
    assert.deepEqual(
      loads.flatMap((load) => load.failures()),
      [],
    );
    const gaps = loads[0]!.answers.flatMap(({ body }) =>
      Object.entries(JSON.parse(body) as Record<string, { ok?: boolean; error?: string }>).flatMap(
        ([part, { ok, error }]) => (ok === false ? [`${part}: ${error}`] : []),
      ),
    );
    assert.deepEqual(gaps, []);
  });
});
