/** The pages of the admin interface, without a socket: shapes are Envoy's. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import type { AdminView } from '#proxy/admin/contract.ts';
import { answerAdmin, pages } from '#proxy/admin/pages.ts';
import { ResourceTable } from '#proxy/apply/resource-table.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import { HeldBootstrap } from '#proxy/bootstrap/held-bootstrap.ts';
import { ProcessRuntime } from '#proxy/runtime/runtime.ts';
import { ClustersSchema } from '#xds/gen/envoy/admin/v3/clusters_pb.js';
import { ConfigDumpSchema } from '#xds/gen/envoy/admin/v3/config_dump_pb.js';
import { ListenersSchema } from '#xds/gen/envoy/admin/v3/listeners_pb.js';
import { CommandLineOptionsSchema, ServerInfoSchema } from '#xds/gen/envoy/admin/v3/server_info_pb.js';
import { BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { registry } from '#xds/registry.ts';
import { fakeDataPath } from '../support/fake-data-path.ts';

const KEY = 'PRIVATE KEY OF THE TEST';

function view(): AdminView & { readonly calls: string[] } {
  const calls: string[] = [];
  const table = new ResourceTable(() => 0);
  const secret = create(SecretSchema, {
    name: 'default',
    type: {
      case: 'tlsCertificate',
      value: { privateKey: { specifier: { case: 'inlineString', value: KEY } } },
    },
  });
  const cluster = create(ClusterSchema, { name: 'a' });
  table.warm('cluster', 'a', 'v1', cluster, 'dynamic');
  table.activate('cluster', 'a');
  table.warm('cluster', 'b', '', create(ClusterSchema, { name: 'b' }), 'static');
  table.activate('cluster', 'b');
  table.refuse('cluster', 'a', 'v2', cluster, 'connect_timeout: too short');
  table.warm('listener', 'web', 'v1', create(ListenerSchema, { name: 'web' }), 'dynamic');
  table.warm('secret', 'default', '', secret, 'dynamic');
  table.activate('secret', 'default');
  const metrics = new Metrics();
  const scope = metrics.scope({ path: 'cluster.a', family: 'cluster', labels: { envoy_cluster_name: 'a' } });
  scope.counter('upstream_rq_total').inc(2);
  scope.counter('unused');
  scope.histogram('upstream_rq_time').record(5);
  const locality = { region: 'r', zone: '', subZone: '' };
  const endpoint = {
    address: '127.0.0.1:80',
    flags: 0,
    hostname: '',
    successRate: -1,
    localOriginSuccessRate: -1,
    isCanary: false,
    weight: 1,
    priority: 0,
    locality,
    stats: { rq_total: 2, rq_active: 0 },
  };
  return {
    calls,
    metrics,
    table,
    filterKinds: () => new Set(['http']),
    secrets: createSecretStore(),
    runtime: new ProcessRuntime([{ name: 'admin', kind: 'admin' }], {
      metrics: new Metrics(),
      log: silentLogger,
    }),
    dataPath: {
      ...fakeDataPath(),
      clusters: () => [{ name: 'a', addedViaApi: true, outlier: undefined, endpoints: [endpoint] }],
      listeners: () => [
        { name: 'web', addresses: ['127.0.0.1:8080'], state: 'active', activeConnections: 0 },
      ],
    },
    bootstrap: new HeldBootstrap(create(BootstrapSchema, { node: { id: 'n' } })),
    commandLine: create(CommandLineOptionsSchema, { concurrency: 1 }),
    version: 'heddle/0',
    startedMs: Date.now(),
    log: silentLogger,
    state: () => 'LIVE',
    warming: () => ['listener web'],
    actions: {
      async drainListeners({ graceful }): Promise<void> {
        calls.push(`drain ${graceful}`);
      },
      setHealthFailed: (failed) => void calls.push(`failed ${failed}`),
      quit: () => void calls.push('quit'),
      reopenLogs: () => void calls.push('reopen'),
      async hotRestart() {
        calls.push('hot restart');
        return { ok: true, pid: 7 };
      },
    },
  };
}

async function textOf(target: string, of: AdminView = view()): Promise<string> {
  const { body } = await answerAdmin('GET', target, of);
  let text = '';
  for await (const piece of typeof body === 'string' ? [body] : body) text += piece;
  return text;
}

async function json(target: string, of: AdminView = view()): Promise<JsonObject> {
  const { status } = await answerAdmin('GET', target, of);
  assert.equal(status, 200);
  return JSON.parse(await textOf(target, of)) as JsonObject;
}

describe('/config_dump', () => {
  test('is an envoy.admin.v3.ConfigDump with every state', async () => {
    const dump = await json('/config_dump?include_eds');
    fromJson(ConfigDumpSchema, dump, { registry });
    const sections = dump.configs as JsonObject[];
    assert.deepEqual(
      sections.map((section) => String(section['@type']).replace('type.googleapis.com/envoy.admin.v3.', '')),
      [
        'BootstrapConfigDump',
        'ClustersConfigDump',
        'EndpointsConfigDump',
        'ListenersConfigDump',
        'RoutesConfigDump',
        'SecretsConfigDump',
      ],
    );
    const [, clusters, , listeners] = sections as [JsonObject, JsonObject, JsonObject, JsonObject];
    const [active] = clusters.dynamic_active_clusters as [JsonObject];
    assert.equal(active.version_info, 'v1');
    assert.equal((active.error_state as JsonObject).details, 'connect_timeout: too short');
    assert.equal((clusters.static_clusters as unknown[]).length, 1);
    const [web] = listeners.dynamic_listeners as [JsonObject];
    assert.ok(web.warming_state !== undefined && web.active_state === undefined);
  });

  test('never shows a private key', async () => {
    const body = await textOf('/config_dump');
    assert.ok(body.includes('"name": "default"'));
    assert.ok(!body.includes(KEY));
    assert.ok(body.includes('[redacted]'));
  });

  test('resource and name_regex choose', async () => {
    const chosen = await json('/config_dump?resource=dynamic_active_clusters');
    assert.equal((chosen.configs as unknown[]).length, 1);
    const none = await json('/config_dump?resource=dynamic_active_clusters&name_regex=^b');
    assert.equal((none.configs as unknown[]).length, 0);
    assert.equal((await answerAdmin('GET', '/config_dump?resource=nothing', view())).status, 404);
    assert.equal((await answerAdmin('GET', '/config_dump?name_regex=(', view())).status, 400);
  });
});

describe('/config_dump?mask', () => {
  const configs = async (target: string): Promise<unknown> => (await json(target)).configs;

  test('of one kind leaves out the others', async () => {
    const [first, ...others] = (await configs('/config_dump?mask=bootstrap.node.id')) as unknown[];
    assert.deepEqual(first, {
      '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump',
      bootstrap: { node: { id: 'n' } },
    });
    assert.deepEqual(others, []);
  });

  test('of a resource is one of each of its entries', async () => {
    assert.deepEqual(await configs('/config_dump?resource=dynamic_listeners&mask=name'), [
      { '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener', name: 'web' },
    ]);
  });

  for (const target of [
    'mask=nothing',
    'mask=bootstrap,nothing',
    'mask=dynamic_listeners.name',
    'resource=dynamic_listeners&mask=nothing',
    'resource=dynamic_listeners&mask=active_state.listener.name',
  ]) {
    test(`is refused: ${target}`, async () => {
      assert.equal((await answerAdmin('GET', `/config_dump?${target}`, view())).status, 400);
    });
  }
});

describe('other pages', () => {
  test('are messages of envoy.admin.v3', async () => {
    fromJson(ClustersSchema, await json('/clusters?format=json'));
    fromJson(ListenersSchema, await json('/listeners?format=json'));
    fromJson(ServerInfoSchema, await json('/server_info'));
  });

  test('/clusters and /listeners as text', async () => {
    const clusters = await textOf('/clusters');
    assert.match(clusters, /^a::default_priority::max_connections::1024$/m);
    assert.match(clusters, /^a::127\.0\.0\.1:80::rq_total::2$/m);
    assert.match(clusters, /^a::127\.0\.0\.1:80::health_flags::healthy$/m);
    assert.equal(await textOf('/listeners'), 'web::127.0.0.1:8080\n');
  });

  test('/stats: text, JSON, Prometheus, filter and usedonly', async () => {
    const text = (target: string): Promise<string> => textOf(target);
    assert.match(await text('/stats'), /^cluster\.a\.unused: 0\ncluster\.a\.upstream_rq_total: 2\n/);
    assert.equal(await text('/stats?filter=rq_total$'), 'cluster.a.upstream_rq_total: 2\n');
    assert.doesNotMatch(await text('/stats?usedonly'), /unused/);
    assert.match(
      await text('/stats/prometheus'),
      /^envoy_cluster_upstream_rq_total\{envoy_cluster_name="a"\} 2$/m,
    );
    assert.equal(await text('/stats?format=prometheus'), await text('/stats/prometheus'));
    const { stats } = await json('/stats?format=json&usedonly');
    assert.deepEqual((stats as JsonObject[])[0], { name: 'cluster.a.upstream_rq_total', value: 2 });
    assert.equal((await answerAdmin('GET', '/stats?filter=(', view())).status, 400);
  });

  test('/ready says the state', async () => {
    assert.deepEqual(await textOf('/ready'), 'LIVE\n');
    const waiting: AdminView = { ...view(), state: () => 'INITIALIZING' };
    assert.equal((await answerAdmin('GET', '/ready', waiting)).status, 503);
  });

  test('what changes something takes POST only', async () => {
    const answered = new Set([200, 400, 501]);
    const mutations = pages.filter(({ method }) => method === 'POST');
    assert.ok(mutations.length >= 6);
    for (const { path } of mutations) {
      const of = view();
      assert.equal((await answerAdmin('GET', path, of)).status, 405, path);
      assert.deepEqual(of.calls, []);
      assert.ok(answered.has((await answerAdmin('POST', path, of)).status), path);
    }
  });

  test('an unknown path lists what there is', async () => {
    assert.equal((await answerAdmin('GET', '/nothing', view())).status, 404);
    assert.match(await textOf('/nothing'), /\/config_dump/);
  });
});
