/** A cluster and a route table that are ready and not in force: what they become, and what they hear meanwhile. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { atOnce } from '#core/time-slice.ts';
import { loadBootstrap } from '#proxy/bootstrap/load.ts';
import type { Staged } from '#proxy/contract.ts';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { httpServer, ok } from '../support/raw-tcp.ts';

const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';
const fromAds = ', type: EDS, eds_cluster_config: { eds_config: { ads: {} } }';

async function stage(path: RunningDataPath, text: string): Promise<Staged> {
  const loaded = loadBootstrap([{ text: bootstrap([], [text]), name: 'test.yaml' }], {
    allowUnknownFields: false,
  });
  assert.ok(loaded.ok);
  const [message] = loaded.value.bootstrap.staticResources!.clusters;
  const prepared = atOnce(path.dataPath.prepareCluster(message!));
  assert.ok(prepared.ok);
  return prepared.value.stage();
}

async function answer(path: RunningDataPath): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${path.port('web')}/`);
  return `${response.status} ${await response.text()}`;
}

async function servers(t: TestContext): Promise<{ readonly one: number; readonly two: number }> {
  const [one, two] = await Promise.all([httpServer(t, () => ok('one')), httpServer(t, () => ok('two'))]);
  return { one: one.port, two: two.port };
}

test('serves nothing until it is put in force, and nothing after it was given up', async (t) => {
  const { one, two } = await servers(t);
  const path = await startDataPath(t, bootstrap([httpListener({ routes: toApp })], [cluster('app', [one])]));
  const first = await stage(path, cluster('app', [two]));
  assert.equal(await answer(path), '200 one');
  first.abandon();
  assert.equal(await answer(path), '200 one');
  const second = await stage(path, cluster('app', [two]));
  await second.commit();
  assert.equal(await answer(path), '200 two');
  assert.equal([...path.dataPath.clusters()].length, 1);
});

test('one that was never in force leaves no figures when it is given up', async (t) => {
  const { one } = await servers(t);
  const path = await startDataPath(t, bootstrap([], []));
  const staged = await stage(path, cluster('app', [one]));
  assert.ok(path.metrics.stats().some(({ name }) => name.startsWith('cluster.app.')));
  staged.abandon();
  assert.ok(!path.metrics.stats().some(({ name }) => name.startsWith('cluster.app.')));
});

test('hears of endpoints that come meanwhile', async (t) => {
  const { one, two } = await servers(t);
  const path = await startDataPath(t, bootstrap([httpListener({ routes: toApp })], []));
  const assign = (port: number): void => {
    const socket = { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } };
    const lbEndpoints = [
      {
        hostIdentifier: {
          case: 'endpoint' as const,
          value: { address: { address: { case: 'socketAddress' as const, value: socket } } },
        },
      },
    ];
    const message = create(ClusterLoadAssignmentSchema, {
      clusterName: 'app',
      endpoints: [{ lbEndpoints }],
    });
    assert.deepEqual(atOnce(path.dataPath.setEndpoints(message)), []);
  };
  assign(one);
  const staged = await stage(path, `\n  - { name: app, connect_timeout: 1s${fromAds} }`);
  assign(two);
  await staged.commit();
  assert.equal(await answer(path), '200 two');
});
