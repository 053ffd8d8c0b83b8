/** Clusters at rest show what those show that were running all the time, and serve like them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { countUpdates } from '#app/update-stats.ts';
import { inSlices } from '#core/time-slice.ts';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';

const told = `
  - { name: told, type: EDS, connect_timeout: 1s, eds_cluster_config: { eds_config: { ads: {}, resource_api_version: V3 } } }`;
const routes = `[{ match: { prefix: /told }, route: { cluster: told } }, { match: { prefix: / }, route: { cluster: fixed } }]`;

function assignment(...lbEndpoints: JsonValue[]): ClusterLoadAssignment {
  return fromJson(ClusterLoadAssignmentSchema, { clusterName: 'told', endpoints: [{ lbEndpoints }] });
}

function endpoint(port: number, healthStatus = 'UNKNOWN'): JsonValue {
  return {
    healthStatus,
    endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } },
  };
}

function shown({ metrics, dataPath }: RunningDataPath): unknown {
  const stats = metrics.stats().filter(({ name }) => name.startsWith('cluster.'));
  return {
    stats: stats.map((stat) => [stat.name, stat.kind === 'histogram' ? stat.kind : stat.value]),
    clusters: [...dataPath.clusters()].map((status) => ({ ...status, endpoints: [...status.endpoints] })),
  };
}

async function startApplication(t: TestContext): Promise<number> {
  const server = createServer((_, response) => response.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('clusters at rest', () => {
  test('show what running ones show, before and after their first request', async (t) => {
    const port = await startApplication(t);
    const text = bootstrap([httpListener({ routes })], [cluster('fixed', [port, port]), told]);
    const resting = await startDataPath(t, text);
    // Where there are threads none rests.
    const running = await startDataPath(t, text, undefined, undefined, { thread: { index: 0, count: 1 } });
    const both = [resting, running] as const;
    const counted = { kind: 'endpoint', name: 'told', by: 'told' } as const;
    const counts = both.map(({ metrics }) => countUpdates(metrics, () => []));
    for (const count of counts) count.asked(counted);
    const agree = (when: string): void => assert.deepEqual(shown(resting), shown(running), when);
    agree('at first');
    for (const [when, update] of [
      ['with two endpoints', assignment(endpoint(port), endpoint(port + 1, 'DEGRADED'))],
      ['with the same again', assignment(endpoint(port), endpoint(port + 1, 'DEGRADED'))],
      ['with another in the place of one', assignment(endpoint(port), endpoint(port + 2, 'UNHEALTHY'))],
      ['with fewer', assignment(endpoint(port))],
    ] as const) {
      for (const { dataPath } of both) assert.deepEqual(await inSlices(dataPath.setEndpoints(update)), []);
      for (const count of counts) count.answered(counted, 'success');
      agree(when);
    }
    assert.equal(resting.stat('cluster.told.membership_change'), 3);
    for (const count of counts) count.answered(counted, 'rejected');
    agree('with one refused');
    assert.equal(resting.stat('cluster.told.update_success'), 4);
    assert.equal(resting.stat('cluster.told.update_attempt'), 6);
    assert.equal(resting.stat('cluster.told.update_rejected'), 1);
    assert.equal(resting.stat('cluster.fixed.membership_total'), 1);

    for (const count of counts) count.answered(counted, 'gone');
    agree('without any');

    for (const path of [both[0], both[1]]) {
      for (const target of ['/told', '/']) {
        const response = await fetch(`http://127.0.0.1:${path.port('web')}${target}`);
        assert.equal(await response.text(), 'hello');
      }
    }
    for (const name of [
      'told.membership_change',
      'told.membership_total',
      'told.membership_healthy',
      'told.update_attempt',
      'told.update_success',
      'told.update_rejected',
      'told.update_empty',
      'told.default.total_match_count',
      'told.upstream_rq_total',
      'fixed.membership_change',
      'fixed.default.total_match_count',
      'fixed.upstream_rq_200',
    ]) {
      assert.equal(resting.stat(`cluster.${name}`), running.stat(`cluster.${name}`), name);
    }
    assert.equal(resting.stat('cluster.told.upstream_rq_total'), 1);
    for (const count of counts) count.answered(counted, 'same');
    for (const { stat } of both) {
      assert.equal(stat('cluster.told.update_no_rebuild'), 1);
      assert.equal(stat('cluster.told.update_success'), 6);
    }
  });

  test('take what replaces them, and leave nothing behind', async (t) => {
    const port = await startApplication(t);
    const { dataPath, add, stat, metrics } = await startDataPath(
      t,
      bootstrap([httpListener({ routes })], [cluster('fixed', [port])]),
    );
    await add(bootstrap([], [cluster('fixed', [port, port + 1])]));
    assert.equal(stat('cluster.fixed.membership_change'), 2);
    assert.equal(stat('cluster.fixed.membership_total'), 2);
    await inSlices(dataPath.removeCluster('fixed'));
    assert.deepEqual([...dataPath.clusters()], []);
    assert.ok(!metrics.stats().some(({ name }) => name.startsWith('cluster.fixed.')));
  });

  test('with more endpoints than can be made while a request waits, run', async (t) => {
    const { dataPath, stat, metrics } = await startDataPath(t, bootstrap([], [told]));
    const ports = Array.from({ length: 101 }, (_, i) => 1000 + i);
    await inSlices(dataPath.setEndpoints(assignment(...ports.map((port) => endpoint(port)))));
    assert.equal(stat('cluster.told.membership_total'), 101);
    await inSlices(dataPath.setEndpoints(assignment(endpoint(1))));
    assert.equal(stat('cluster.told.membership_total'), 1);
    assert.equal(metrics.stats().filter(({ name }) => name === 'cluster.told.membership_total').length, 1);
  });
});
