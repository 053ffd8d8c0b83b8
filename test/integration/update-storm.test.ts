/** Every 50 ms something of another kind is changed, under load: no request fails, and the last word is in force. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fromJson, type Message } from '@bufbuild/protobuf';
import { registry } from '#xds/registry.ts';
import { resourceTypes } from '#xds/resource-type.ts';
import { type EncodedResource, encodeResource } from '#xds/snapshot.ts';
import { adsBootstrap } from '../interop/xds/resources.ts';
import { startTestControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad } from '../support/load.ts';
import { movingResources } from '../support/moving-mesh.ts';
import { startProxyChild } from '../support/proxy-child.ts';
import { httpServer, ok } from '../support/raw-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';

const STEPS = 80;
const EVERY_MS = 50;

for (const [variant, flags] of [
  ['DELTA_GRPC', []],
  ['GRPC', []],
  ['DELTA_GRPC', ['--concurrency', '2']],
] as const) {
  test(`a storm of updates: ${variant} ${flags.join(' ')}`, async (t) => {
    const apps = [await httpServer(t, () => ok('one')), await httpServer(t, () => ok('two'))];
    const resources = (step: number): EncodedResource[] =>
      movingResources(
        step,
        apps.map(({ port }) => port),
      ).map(({ kind, json }) => {
        const message: Message = fromJson(resourceTypes[kind].schema, json, { registry });
        return encodeResource(kind, message as never);
      });
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: resources(0) });
    const bootstrap = {
      ...adsBootstrap(variant)({ servers: [plane.ports.plaintext] }),
      node: { id: 'sidecar~127.0.0.1~web-0.default~default.svc.cluster.local', cluster: 'web.default' },
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    };
    const proxy = startProxyChild(t, JSON.stringify(bootstrap), { flags });
    const url = `http://127.0.0.1:${await proxy.port('web')}/`;
    await eventually(async () => assert.equal((await fetch(url)).status, 200));
    const load = startLoad({ url, connections: 8, ratePerSecond: 100 });
    for (let step = 1; step <= STEPS; step++) {
      plane.set(resources(step));
      await wait(EVERY_MS);
    }
    await eventually(async () => {
      const dump = await (await proxy.admin('/config_dump?resource=dynamic_listeners')).text();
      const names = [...dump.matchAll(/"name": "(other-\d)"/g)].map(([, name]) => name);
      const wanted = resources(STEPS).filter(({ kind, name }) => kind === 'listener' && name !== 'web');
      assert.deepEqual([...new Set(names)].sort(), wanted.map(({ name }) => name).sort());
    });
    await load.stop();
    assert.deepEqual(load.failures(), [], proxy.output());
    assert.ok(load.answers.length > STEPS);
  });
}
