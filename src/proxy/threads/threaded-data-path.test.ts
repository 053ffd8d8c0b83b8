import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { create } from '@bufbuild/protobuf';
import { atOnce, oneStep } from '#core/time-slice.ts';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { createSecretStore } from '../apply/secret-store.ts';
import { SharedCounts } from '../cluster/limited-count.ts';
import type { LocalDataPath } from '../contract.ts';
import type { ToWorker } from './message.ts';
import { ThreadedDataPath } from './threaded-data-path.ts';

/** A worker that notes what it is told and answers at once. */
class FakeWorker extends EventEmitter {
  readonly heard: string[] = [];
  readonly ports: (readonly number[])[] = [];
  failing: string | undefined;

  constructor() {
    super();
    setImmediate(() => this.emit('message', { kind: 'ready' }));
  }

  postMessage(message: ToWorker): void {
    this.heard.push(message.kind === 'settle' ? `settle ${message.commit}` : message.kind);
    if (!('id' in message)) return;
    const { id } = message;
    if (message.kind === 'listener') this.ports.push(message.ports);
    const answer =
      this.failing === message.kind
        ? { error: 'EMFILE' }
        : { result: message.kind === 'listener' ? ['127.0.0.1:7'] : [] };
    setImmediate(() => this.emit('message', { kind: 'done', id, ...answer }));
  }

  async terminate(): Promise<number> {
    this.emit('exit', 1);
    return 1;
  }
}

function threads(count: number): { readonly workers: FakeWorker[]; readonly dataPath: ThreadedDataPath } {
  const workers: FakeWorker[] = [];
  const prepared = (name: string) => ({
    ok: true as const,
    value: {
      name,
      dependencies: { routes: [], endpoints: [], secrets: [], extensions: [] },
      install: assert.fail,
    },
    problems: [],
  });
  const judge = {
    prepareListener: ({ name }: Listener) => oneStep(() => prepared(name)),
    prepareCluster: ({ name }: { readonly name: string }) => oneStep(() => prepared(name)),
    prepareRoutes: ({ name }: { readonly name: string }) => oneStep(() => prepared(name)),
    close: async () => {},
  } as unknown as LocalDataPath;
  const dataPath = new ThreadedDataPath({
    threads: count,
    connectionCount: SharedCounts.memory(1, count),
    judge,
    secrets: createSecretStore(),
    metrics: new Metrics(),
    log: silentLogger,
    start(): Worker {
      const worker = new FakeWorker();
      workers.push(worker);
      return worker as unknown as Worker;
    },
  });
  return { workers, dataPath };
}

async function install(dataPath: ThreadedDataPath, name: string): Promise<void> {
  const parsed = atOnce(dataPath.prepareListener(create(ListenerSchema, { name })));
  assert.ok(parsed.ok);
  await parsed.value.install();
}

async function installCluster(dataPath: ThreadedDataPath, name: string): Promise<void> {
  const parsed = atOnce(dataPath.prepareCluster(create(ClusterSchema, { name })));
  assert.ok(parsed.ok);
  await parsed.value.install();
}

describe('a listener on several threads', () => {
  test('is bound by the first, joined by the others there, and then put in force by all', async (t) => {
    const { workers, dataPath } = threads(3);
    t.after(() => dataPath.close());
    await install(dataPath, 'web');
    for (const { heard } of workers) assert.deepEqual(heard, ['listener', 'settle true']);
    assert.deepEqual(
      workers.map(({ ports }) => ports),
      [[[]], [[7]], [[7]]],
    );
  });

  test('that one of them cannot have is given up by those that could', async (t) => {
    const { workers, dataPath } = threads(3);
    t.after(() => dataPath.close());
    workers[1]!.failing = 'listener';
    await assert.rejects(install(dataPath, 'web'), /EMFILE/);
    assert.deepEqual(
      workers.map(({ heard }) => heard),
      [['listener', 'settle false'], ['listener'], ['listener', 'settle false']],
    );
  });

  test('of all that is in force, and nothing else, is told to a thread that follows another', async (t) => {
    const { workers, dataPath } = threads(2);
    t.after(() => dataPath.close());
    await install(dataPath, 'web');
    workers[0]!.failing = 'listener';
    await assert.rejects(install(dataPath, 'api'));
    await installCluster(dataPath, 'app');
    workers[1]!.emit('exit', 1);
    while (workers[2] === undefined) await new Promise(setImmediate);
    while (workers[2].heard.length < 4) await new Promise(setImmediate);
    assert.deepEqual(workers[2].heard, ['cluster', 'settle true', 'listener', 'settle true']);
    assert.deepEqual(workers[2].ports, [[7]]);
  });
});

describe('a cluster or a route table on several threads', () => {
  test('is made ready by all, and then put in force by all', async (t) => {
    const { workers, dataPath } = threads(2);
    t.after(() => dataPath.close());
    await installCluster(dataPath, 'app');
    const routes = atOnce(dataPath.prepareRoutes(create(RouteConfigurationSchema, { name: 'r' })));
    assert.ok(routes.ok);
    await routes.value.install();
    for (const { heard } of workers) {
      assert.deepEqual(heard, ['cluster', 'settle true', 'routes', 'settle true']);
    }
  });

  test('that one of them cannot have is given up by all, and is not told to those that follow', async (t) => {
    const { workers, dataPath } = threads(3);
    t.after(() => dataPath.close());
    workers[1]!.failing = 'cluster';
    await assert.rejects(installCluster(dataPath, 'app'), /EMFILE/);
    assert.deepEqual(
      workers.map(({ heard }) => heard),
      [['cluster', 'settle false'], ['cluster'], ['cluster', 'settle false']],
    );
    workers[0]!.emit('exit', 1);
    while (workers[3] === undefined) await new Promise(setImmediate);
    await install(dataPath, 'web');
    assert.deepEqual(workers[3].heard, ['listener', 'settle true']);
  });
});
