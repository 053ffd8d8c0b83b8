/** kill -9 under load: nobody outside notices, and what was killed comes back. The load is fortio's. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { StartedProcess } from '#cli/mesh-state.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { requirePeer } from '../support/peer.ts';
import { sumOf } from '../support/prometheus-text.ts';
import { tally } from '../support/tally.ts';
import { tempDir } from '../support/temp-dir.ts';

const connections = 64;
/** Steady, and little enough that two cores also have room for what restarts. */
const requestsPerSecond = 300;

describe('kill -9 under load', () => {
  let mesh: RunningMesh;
  before(async () => {
    mesh = await startMesh(['examples/bookstore']);
  });
  after(() => mesh?.stop());

  const processOf = (name: string): StartedProcess => {
    const found = mesh.state().processes.find((process) => process.name === name);
    assert.ok(found, `no process ${name}`);
    return found;
  };

  /** Kills a process of the mesh, and resolves when there is another one in its place and all is ready. */
  const killAndAwait = async (name: string): Promise<void> => {
    const before = processOf(name);
    process.kill(before.pid, 'SIGKILL');
    await eventually(
      () => {
        assert.notEqual(processOf(name).pid, before.pid, `${name} is not back`);
        assert.ok(
          mesh.state().instances.every(({ ready }) => ready),
          'not all are ready',
        );
      },
      { timeoutMs: 30_000 },
    );
  };

  const catalogs = async (): Promise<string[]> => {
    const answered = await tally(100, async () => {
      const response = await fetch(`${mesh.ingressUrl}/api/catalog`);
      return ((await response.json()) as { instance: string }).instance;
    });
    return [...answered.keys()].sort();
  };

  test('the control plane', async (t) => {
    const codes = await underLoad(t, mesh, () => killAndAwait('control'));
    assert.deepEqual(Object.keys(codes), ['200'], JSON.stringify(codes));
    await eventually(
      async () => {
        const response = await fetch(`${mesh.state().apiUrl}/debug/syncz`);
        const proxies = (await response.json()) as { proxy: string }[];
        assert.ok(proxies.length >= mesh.state().instances.length, `${proxies.length} are back`);
      },
      { timeoutMs: 30_000 },
    );
  });

  test('the application of one of two instances, then its sidecar', async (t) => {
    const [, second] = mesh.instancesOf('catalog-v1');
    assert.ok(second);
    const names = mesh.instancesOf('catalog-v1').map(({ name }) => name);
    const codes = await underLoad(t, mesh, async () => {
      await killAndAwait(second.name);
      await eventually(async () => assert.deepEqual(await catalogs(), names));
      await killAndAwait(`${second.name}.sidecar`);
      await eventually(async () => assert.deepEqual(await catalogs(), names));
    });
    assert.deepEqual(Object.keys(codes), ['200'], JSON.stringify(codes));
  });
});

/** Runs `body` while fortio asks for the catalog; how many answers there were of each status (-1: no answer). */
async function underLoad(
  t: TestContext,
  mesh: RunningMesh,
  body: () => Promise<void>,
): Promise<Readonly<Record<string, number>>> {
  const fortio = requirePeer(t, 'fortio');
  if (fortio === undefined) return { 200: 0 };
  const report = join(tempDir(t), 'fortio.json');
  const load = spawn(
    fortio,
    [
      ...['load', '-quiet', '-c', String(connections), '-qps', String(requestsPerSecond), '-t', '0'],
      ...['-json', report, `${mesh.ingressUrl}/api/catalog`],
    ],
    { stdio: 'ignore' },
  );
  const ended = once(load, 'exit');
  const passed = async (count: number): Promise<void> => {
    const before = await gatewayRequests(mesh);
    await eventually(async () => assert.ok((await gatewayRequests(mesh)) >= before + count), {
      timeoutMs: 20_000,
    });
  };
  try {
    await passed(connections * 2);
    await body();
    // What was killed is back: it has its share of these.
    await passed(requestsPerSecond);
  } finally {
    load.kill('SIGINT');
    await ended;
  }
  return (JSON.parse(readFileSync(report, 'utf8')) as { RetCodes: Record<string, number> }).RetCodes;
}

/** Requests that came in from outside so far. */
async function gatewayRequests(mesh: RunningMesh): Promise<number> {
  const samples = await Promise.all(mesh.state().gateways.map(mesh.metricsOf));
  return sumOf(samples.flat(), 'istio_requests_total', { reporter: 'source' });
}
