/** The data path on two threads: one configuration, one set of figures, exact limits, and a thread that dies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { anyFreePort } from '#host/free-port.ts';
import { createRoot, issueWithNewKey, readIssuer } from '#identity/issue.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { bootstrap, cluster, httpListener } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { clientOf, httpServer, ok, type RawClient, rawClient, rawServer } from '../support/raw-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type RunningThreads, startThreads } from '../support/threads.ts';

const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';
const says = (body: string): string =>
  `[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: ${body} } } }]`;
const HTTP =
  "typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/** On a given port, without an access log. */
function listener(port: number, routes: string, more = ''): string {
  return listenerAt(`{ socket_address: { address: 127.0.0.1, port_value: ${port} } }`, routes, more);
}

function listenerAt(address: string, routes: string, more = '', hcm = ''): string {
  return `
  - { name: web, address: ${address}${more}, filter_chains: [{ filters: [{ name: http, ${HTTP}, stat_prefix: web${hcm}, route_config: { name: r, validate_clusters: false, virtual_hosts: [{ name: all, domains: ['*'], routes: ${routes} }] }, http_filters: [{ name: router, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }] } }] }] }`;
}

/** Answers of `count` connections of their own, all open at once. */
async function askOnMany(t: TestContext, port: number, count: number): Promise<string[]> {
  const clients = Array.from({ length: count }, () => rawClient(t, port));
  return Promise.all(clients.map(ask));
}

async function ask(client: RawClient): Promise<string> {
  const before = client.text().length;
  client.socket.write(get);
  const whole = /^HTTP\/1.1 \d+[\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n/;
  const text = await client.until((all) => {
    const head = whole.exec(all.slice(before));
    return head !== null && all.length - before >= head[0].length + Number(head[1]);
  });
  return text.slice(text.lastIndexOf('\r\n\r\n') + 4);
}

/** One connection to each of two workers. */
async function oneToEach(t: TestContext, path: RunningThreads, statAddress: string): Promise<RawClient[]> {
  const port = await path.port('web');
  const found: RawClient[] = [];
  const counts = (): number[] =>
    [0, 1].map((n) => path.stat(`listener.${statAddress}.worker_${n}.downstream_cx_total`));
  while (found[0] === undefined || found[1] === undefined) {
    const before = counts();
    const client = rawClient(t, port);
    await ask(client);
    const worker = counts().findIndex((count, i) => count > before[i]!);
    if (found[worker] === undefined) found[worker] = client;
    else client.socket.destroy();
  }
  return found;
}

const STAT_ADDRESS = '127.0.0.1_0';

describe('two threads', () => {
  test('share the connections of a port, and their figures are one', async (t) => {
    const app = await httpServer(t, () => ok('app'));
    const path = await startThreads(t, bootstrap([listener(0, toApp)], [cluster('app', [app.port])]));
    const port = await path.port('web');
    const answers = await askOnMany(t, port, 40);
    assert.deepEqual(new Set(answers), new Set(['app']));
    const by = [0, 1].map((n) => path.stat(`listener.${STAT_ADDRESS}.worker_${n}.downstream_cx_total`));
    assert.equal(by[0]! + by[1]!, 40);
    assert.ok(
      by.every((count) => count > 0),
      `${by}`,
    );
    assert.equal(path.stat(`listener.${STAT_ADDRESS}.downstream_cx_total`), 40);
    assert.equal(path.stat(`listener.${STAT_ADDRESS}.downstream_cx_active`), 40);
    assert.equal(path.stat('http.web.downstream_rq_2xx'), 40);
    assert.equal(path.stat('cluster.app.membership_total'), 1);
    assert.equal((await path.listener('web'))?.activeConnections, 40);
    const [status] = await Array.fromAsync(path.dataPath.clusters());
    const endpoints = [...(status?.endpoints ?? [])];
    assert.deepEqual(
      endpoints.map(({ stats }) => stats.rq_total),
      [40],
    );
    assert.match(
      path.metrics.prometheus(),
      /^envoy_http_downstream_rq_time_count\{envoy_http_conn_manager_prefix="web"\} 40$/m,
    );
  });

  test('take a new version of a listener, and let it go, together', async (t) => {
    const port = await anyFreePort('127.0.0.1');
    const path = await startThreads(t, bootstrap([listener(port, says('one'))], []));
    assert.deepEqual(new Set(await askOnMany(t, port, 10)), new Set(['one']));
    await path.install(bootstrap([listener(port, says('two'))], []));
    assert.deepEqual(new Set(await askOnMany(t, port, 20)), new Set(['two']));
    void path.dataPath.removeListener('web');
    const refused = () =>
      assert.rejects(once(rawClient(t, port).socket, 'connect'), { code: 'ECONNREFUSED' });
    // The two let go one after the other, and what waits at the first is reset.
    await eventually(refused);
    for (let i = 0; i < 5; i++) await refused();
  });

  test('neither takes a listener that cannot have all its addresses', async (t) => {
    const [good, taken] = [await anyFreePort('127.0.0.1'), createServer().listen(0, '127.0.0.1')];
    await once(taken, 'listening');
    t.after(() => taken.close());
    const second = (taken.address() as { port: number }).port;
    const path = await startThreads(t, bootstrap([listener(good, says('one'))], []));
    const both = `, additional_addresses: [{ address: { socket_address: { address: 127.0.0.1, port_value: ${second} } } }]`;
    await assert.rejects(path.install(bootstrap([listener(good, says('two'), both)], [])), /EADDRINUSE/);
    assert.deepEqual(new Set(await askOnMany(t, good, 10)), new Set(['one']));
    const free = await anyFreePort('127.0.0.1');
    await assert.rejects(path.install(bootstrap([listener(free, says('two'), both)], [])), /EADDRINUSE/);
    await assert.rejects(once(rawClient(t, free).socket, 'connect'), { code: 'ECONNREFUSED' });
  });

  test('finish what runs when they drain, and take nothing new', async (t) => {
    const held: (() => void)[] = [];
    const app = await rawServer(t, (socket) => {
      socket.on('data', () => held.push(() => socket.write(ok('late'))));
    });
    const path = await startThreads(t, bootstrap([listener(0, toApp)], [cluster('app', [app.port])]));
    const port = await path.port('web');
    const answers = askOnMany(t, port, 12);
    await eventually(() => assert.equal(held.length, 12));
    const drained = path.dataPath.drain(30_000);
    await eventually(() => assert.rejects(once(rawClient(t, port).socket, 'connect')));
    for (const answer of held) answer();
    assert.deepEqual(new Set(await answers), new Set(['late']));
    await drained;
  });

  test('resume sessions of each other, and show the new certificate after a rotation', async (t) => {
    const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const root = await createRoot('cluster.local', validity);
    const issuer = await readIssuer(root);
    const certificate = async (serviceAccount: string) => {
      const id = workloadId('cluster.local', { namespace: 'default', serviceAccount });
      const made = await issueWithNewKey(issuer, { id }, validity);
      return { certificateChainPem: made.certificatePem, privateKeyPem: made.privateKeyPem };
    };
    const socket =
      "{ name: tls, typed_config: { '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: { tls_certificate_sds_secret_configs: [{ name: default, sds_config: { ads: {} } }] } } }";
    const folder = tempDir(t);
    const secure = httpListener({ routes: says('safe'), transportSocket: socket }).replace(
      'path: log',
      `path: ${folder}/log`,
    );
    const path = await startThreads(t, bootstrap([], []));
    path.secrets.set('default', await certificate('one'));
    await path.install(bootstrap([secure], []));
    const port = await path.port('web');
    const names = async (count: number): Promise<Set<string | undefined>> => {
      const seen = new Set<string | undefined>();
      for (let i = 0; i < count; i++) {
        const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
        t.after(() => client.destroy());
        await once(client, 'secureConnect');
        seen.add(client.getPeerX509Certificate()?.subjectAltName);
        client.destroy();
      }
      return seen;
    };
    const uri = (account: string): string => `URI:spiffe://cluster.local/ns/default/sa/${account}`;
    assert.deepEqual(await names(12), new Set([uri('one')]));
    const first = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    t.after(() => first.destroy());
    const [session] = (await once(first, 'session')) as [Buffer];
    for (let i = 0; i < 12; i++) {
      const again = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, session });
      t.after(() => again.destroy());
      await once(again, 'secureConnect');
      assert.ok(again.isSessionReused(), 'any thread opens a ticket of another');
    }
    path.secrets.set('default', await certificate('two'));
    // Told, not asked: the notice and the connection race.
    await path.dataPath.listeners();
    assert.deepEqual(await names(12), new Set([uri('two')]));
  });

  test('keep a limit of a cluster together, exactly', async (t) => {
    const held: (() => void)[] = [];
    const app = await rawServer(t, (socket) => {
      socket.on('data', () => held.push(() => socket.write(ok('ok'))));
    });
    const limits = ', circuit_breakers: { thresholds: [{ max_requests: 5 }] }';
    const path = await startThreads(t, bootstrap([listener(0, toApp)], [cluster('app', [app.port], limits)]));
    const port = await path.port('web');
    for (let round = 1; round <= 4; round++) {
      const answers = askOnMany(t, port, 24);
      await eventually(() => assert.equal(path.stat('cluster.app.upstream_rq_active_overflow'), 19 * round));
      await eventually(() => assert.equal(held.length, 5));
      for (const answer of held.splice(0)) answer();
      const refused = (await answers).filter((body) => body !== 'ok');
      assert.equal(refused.length, 19);
      assert.match(refused[0]!, /overflow/);
      await eventually(() => assert.equal(path.stat('cluster.app.upstream_rq_active'), 0));
    }
  });

  test('write whole lines to one log', async (t) => {
    const log = join(tempDir(t), 'access.log');
    const file = `, access_log: [{ name: f, typed_config: { '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { text_format_source: { inline_string: "%CONNECTION_ID% %RESPONSE_CODE% end\\n" } } } }]`;
    const address = '{ socket_address: { address: 127.0.0.1, port_value: 0 } }';
    const path = await startThreads(t, bootstrap([listenerAt(address, says('x'), '', file)], []));
    await askOnMany(t, await path.port('web'), 40);
    const lines = await eventually(() => {
      const found = readFileSync(log, 'latin1').trimEnd().split('\n');
      assert.equal(found.length, 40);
      return found;
    });
    for (const line of lines) assert.match(line, /^\d+ 200 end$/);
    assert.equal(new Set(lines).size, 40, 'connection ids are unique');
  });
});

describe('a thread that dies', () => {
  test('takes its own connections with it, and another comes with what is in force', async (t) => {
    const path = await startThreads(t, bootstrap([listener(0, says('one'))], []));
    const port = await path.port('web');
    const [lost, kept] = await oneToEach(t, path, STAT_ADDRESS);
    const total = path.stat('http.web.downstream_rq_total');
    const ended = lost!.ended();
    await path.workers[0]!.terminate();
    await ended;
    assert.equal(await ask(kept!), 'one');
    await eventually(() => assert.match(path.log.join(''), /threads\.worker-replaced/));
    assert.equal(path.stat('server.worker_died'), 1);
    assert.equal(path.stat('http.web.downstream_rq_total'), total + 1);
    assert.equal(await path.port('web'), port);
    assert.equal((await path.listener('web'))?.activeConnections, 1);
    await oneToEach(t, path, STAT_ADDRESS);
    await path.install(bootstrap([listener(port, says('two'))], []));
    assert.deepEqual(new Set(await askOnMany(t, port, 10)), new Set(['two']));
  });

  test('gives back what it held of a limit', async (t) => {
    const held: (() => void)[] = [];
    const app = await rawServer(t, (socket) => {
      socket.on('data', () => held.push(() => socket.write(ok('ok'))));
    });
    const limits = ', circuit_breakers: { thresholds: [{ max_requests: 2 }] }';
    const routes = '[{ match: { prefix: / }, route: { cluster: app, timeout: 0s } }]';
    const path = await startThreads(
      t,
      bootstrap([listener(0, routes)], [cluster('app', [app.port], limits)]),
    );
    const port = await path.port('web');
    const clients = Array.from({ length: 12 }, () => rawClient(t, port));
    const refusedOf = (): number => path.stat('cluster.app.upstream_rq_active_overflow');
    for (const { socket } of clients) socket.write(get);
    await eventually(() => assert.equal(held.length + refusedOf(), 12));
    assert.equal(held.length, 2);
    for (const worker of [...path.workers]) await worker.terminate();
    await eventually(() => assert.equal(path.log.join('').match(/worker-replaced/g)?.length, 2));
    held.length = 0;
    const answers = askOnMany(t, port, 2);
    await eventually(() => assert.equal(held.length, 2));
    for (const answer of held) answer();
    assert.deepEqual(await answers, ['ok', 'ok']);
  });

  test('leaves a Unix socket to the one that follows it', async (t) => {
    const socketPath = join(tempDir(t), 'web.sock');
    const path = await startThreads(
      t,
      bootstrap([listenerAt(`{ pipe: { path: ${socketPath} } }`, says('unix'))], []),
    );
    assert.deepEqual((await path.listener('web'))?.addresses, [socketPath]);
    assert.equal(await ask(clientOf(t, connect(socketPath))), 'unix');
    await path.workers[0]!.terminate();
    await eventually(async () => assert.equal(await ask(clientOf(t, connect(socketPath))), 'unix'));
    assert.deepEqual((await path.listener('web'))?.addresses, [socketPath]);
  });

  test('by an exception nobody caught does not die of it', async (t) => {
    const path = await startThreads(t, bootstrap([listener(0, says('one'))], []));
    // What is no notice and no task: the worker's own code throws in the callback of its port.
    path.workers[0]!.postMessage(undefined);
    await eventually(() => {
      assert.equal(path.stat('server.uncaught_exceptions'), 1);
      assert.match(path.log.join(''), /proxy\.uncaught-exception worker=0 stack=/);
    });
    assert.deepEqual(new Set(await askOnMany(t, await path.port('web'), 10)), new Set(['one']));
    assert.equal(path.stat('server.worker_died'), 0);
  });
});
