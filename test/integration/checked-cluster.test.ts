/** A cluster whose endpoints are checked: when it serves, and what becomes of endpoints that no assignment has any more. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { atOnce } from '#core/time-slice.ts';
import { loadBootstrap } from '#proxy/bootstrap/load.ts';
import { healthText } from '#proxy/cluster/health.ts';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { bootstrap, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';

class CheckedServer {
  port = 0;
  status = 200;
  /** While set, checks are not answered. */
  holds = false;
  readonly #held: http.ServerResponse[] = [];

  async start(t: TestContext): Promise<this> {
    const server = http.createServer((_, response) => {
      if (this.holds) this.#held.push(response);
      else response.writeHead(this.status).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return this;
  }

  get asked(): number {
    return this.#held.length;
  }

  release(): void {
    this.holds = false;
    for (const response of this.#held.splice(0)) response.writeHead(this.status).end();
  }
}

const checked = `
  - name: app
    connect_timeout: 1s
    type: EDS
    eds_cluster_config: { eds_config: { ads: {} } }
    health_checks:
      - timeout: 30s
        interval: 0.05s
        no_traffic_interval: 0.05s
        unhealthy_threshold: 1
        healthy_threshold: 1
        http_health_check: { path: / }`;

function prepare(path: RunningDataPath) {
  const loaded = loadBootstrap([{ text: bootstrap([], [checked]), name: 'test.yaml' }], {
    allowUnknownFields: false,
  });
  assert.ok(loaded.ok);
  const [message] = loaded.value.bootstrap.staticResources!.clusters;
  const prepared = atOnce(path.dataPath.prepareCluster(message!));
  assert.ok(prepared.ok);
  return prepared.value;
}

function assign(path: RunningDataPath, ports: readonly number[]): void {
  const lbEndpoints = ports.map((port) => ({
    hostIdentifier: {
      case: 'endpoint' as const,
      value: {
        address: {
          address: {
            case: 'socketAddress' as const,
            value: { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } },
          },
        },
      },
    },
  }));
  const message = create(ClusterLoadAssignmentSchema, { clusterName: 'app', endpoints: [{ lbEndpoints }] });
  assert.deepEqual(atOnce(path.dataPath.setEndpoints(message)), []);
}

/** What is shown of each endpoint, by its port. */
const healths = (path: RunningDataPath): Record<string, string> =>
  Object.fromEntries(
    [...path.dataPath.clusters()].flatMap(({ endpoints }) =>
      [...endpoints].map(({ address, flags }) => [address.split(':')[1]!, healthText(flags)]),
    ),
  );

test('it can be put in force when each endpoint has been checked once', async (t) => {
  const one = await new CheckedServer().start(t);
  one.holds = true;
  const path = await startDataPath(t, bootstrap([], []));
  assign(path, [one.port]);
  const prepared = prepare(path);
  let isWarm = false;
  const warm = prepared.warm!().then(() => {
    isWarm = true;
  });
  await eventually(() => assert.equal(one.asked, 1));
  assert.ok(!isWarm);
  one.release();
  await warm;
  await prepared.install();
  assert.deepEqual(healths(path), { [one.port]: 'healthy' });
  assert.equal(path.stat('cluster.app.membership_healthy'), 1);
});

test('one that is given up is not waited for', async (t) => {
  const one = await new CheckedServer().start(t);
  one.holds = true;
  const path = await startDataPath(t, bootstrap([], []));
  assign(path, [one.port]);
  const prepared = prepare(path);
  const warm = prepared.warm!();
  await eventually(() => assert.equal(one.asked, 1));
  prepared.abandon!();
  await warm;
  assert.deepEqual(healths(path), {});
});

test('an endpoint that is well stays without an assignment, until it is not', async (t) => {
  const [one, two] = await Promise.all([new CheckedServer().start(t), new CheckedServer().start(t)]);
  const path = await startDataPath(t, bootstrap([], []));
  assign(path, [one.port, two.port]);
  const prepared = prepare(path);
  await prepared.warm!();
  await prepared.install();
  assign(path, [one.port]);
  assert.deepEqual(healths(path), { [one.port]: 'healthy', [two.port]: '/pending_dynamic_removal' });
  assert.equal(path.stat('cluster.app.membership_healthy'), 2);
  two.status = 500;
  await eventually(() => assert.deepEqual(healths(path), { [one.port]: 'healthy' }), { timeoutMs: 30_000 });
  assert.equal(path.stat('cluster.app.membership_total'), 1);
});

test('one that is being put in force is not given up any more', async (t) => {
  const one = await new CheckedServer().start(t);
  const path = await startDataPath(t, bootstrap([], []));
  assign(path, [one.port]);
  const prepared = prepare(path);
  await prepared.warm!();
  const installed = prepared.install();
  // As when the next version comes.
  prepared.abandon!();
  await installed;
  one.status = 500;
  await eventually(() => assert.deepEqual(healths(path), { [one.port]: '/failed_active_hc' }), {
    timeoutMs: 30_000,
  });
});
