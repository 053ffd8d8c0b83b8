/** A control plane of this release with a proxy of the one before, and the other way round, under load. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fromJson } from '@bufbuild/protobuf';
import { adsBootstrap } from '../interop/xds/resources.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad } from '../support/load.ts';
import { movingResources } from '../support/moving-mesh.ts';
import { previousSource } from '../support/previous-release.ts';
import { startProxyChild } from '../support/proxy-child.ts';
import { httpServer, ok } from '../support/raw-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';

const STEPS = 40;
const EVERY_MS = 50;
const own = join(import.meta.dirname, '../..');

interface Plane {
  readonly port: number;
  set(step: number): void;
}

/** The modules of a control plane as they are in `source`. */
interface PlaneModules {
  readonly controlPlane: typeof import('#app/control-plane.ts');
  readonly snapshot: typeof import('#xds/snapshot.ts');
  readonly resourceType: typeof import('#xds/resource-type.ts');
  readonly registry: typeof import('#xds/registry.ts');
  readonly log: typeof import('#observe/log.ts');
}

async function modulesOf(source: string): Promise<PlaneModules> {
  const load = <T>(path: string): Promise<T> => import(join(source, 'src', path)) as Promise<T>;
  return {
    controlPlane: await load('app/control-plane.ts'),
    snapshot: await load('xds/snapshot.ts'),
    resourceType: await load('xds/resource-type.ts'),
    registry: await load('xds/registry.ts'),
    log: await load('observe/log.ts'),
  };
}

async function startPlane(t: TestContext, source: string, ports: readonly number[]): Promise<Plane> {
  const { controlPlane, snapshot, resourceType, registry, log } = await modulesOf(source);
  let step = 0;
  const resources = (): ReturnType<typeof snapshot.encodeResource>[] =>
    movingResources(step, ports).map(({ kind, json }) => {
      const message = fromJson(resourceType.resourceTypes[kind].schema, json, {
        registry: registry.registry,
      });
      return snapshot.encodeResource(kind, message as never);
    });
  const plane = await controlPlane.startControlPlane({
    stateFolder: tempDir(t),
    trustDomain: 'cluster.local',
    host: '127.0.0.1',
    ports: { plaintext: 0, tls: 0, api: 0 },
    name: 'control-test',
    source: {
      ready: () => true,
      snapshot: (_node, previous) => snapshot.snapshotOf(resources(), previous),
      serviceAccountOf: () => undefined,
    },
    report: () => ({
      resources: [],
      problems: [],
      allowedUnsupported: [],
      loadedAt: new Date(0).toISOString(),
    }),
    log: log.silentLogger,
  });
  t.after(() => plane.close());
  return {
    port: plane.ports.plaintext,
    set(next) {
      step = next;
      plane.changed();
    },
  };
}

async function serveTogether(t: TestContext, control: string, proxySource: string): Promise<void> {
  const apps = [await httpServer(t, () => ok('one')), await httpServer(t, () => ok('two'))];
  const plane = await startPlane(
    t,
    control,
    apps.map(({ port }) => port),
  );
  const bootstrap = {
    ...adsBootstrap('DELTA_GRPC')({ servers: [plane.port] }),
    node: { id: 'sidecar~127.0.0.1~web-0.default~default.svc.cluster.local', cluster: 'web.default' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
  };
  const proxy = startProxyChild(t, JSON.stringify(bootstrap), {
    command: [process.execPath, join(proxySource, 'src/app/main.ts')],
  });
  const url = `http://127.0.0.1:${await proxy.port('web')}/`;
  await eventually(async () => assert.equal((await fetch(url)).status, 200));
  const load = startLoad({ url, connections: 4, ratePerSecond: 50 });
  for (let step = 1; step <= STEPS; step++) {
    plane.set(step);
    await wait(EVERY_MS);
  }
  const last = movingResources(STEPS, []).filter(({ kind }) => kind === 'cluster');
  await eventually(async () => {
    const dump = await (await proxy.admin('/config_dump?resource=dynamic_active_clusters')).text();
    for (const { json } of last)
      assert.ok(dump.includes(`"${String((json as { name: string }).name)}"`), dump);
  });
  await load.stop();
  assert.deepEqual(load.failures(), [], proxy.output());
  assert.doesNotMatch(proxy.output(), /xds\.refused/);
}

describe('releases side by side', () => {
  test('a proxy of the release before follows this control plane', async (t) => {
    const previous = previousSource(t);
    if (previous !== undefined) await serveTogether(t, own, previous);
  });

  test('this proxy follows a control plane of the release before', async (t) => {
    const previous = previousSource(t);
    if (previous !== undefined) await serveTogether(t, previous, own);
  });
});
