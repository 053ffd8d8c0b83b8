/** How connections of `tcp_proxy` begin and end: what is read early, limits of time and number, resets, and drains. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { bootstrap, cluster, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { clientOf, rawClient, rawServer } from '../support/raw-tcp.ts';
import { tcpListener } from '../support/tcp-chain.ts';
import { tempDir } from '../support/temp-dir.ts';

/** The error a socket ends with; '' for none. */
function errorOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.once('end', () => resolve(''));
    socket.resume();
  });
}

const FORMAT = '%RESPONSE_FLAGS% %DOWNSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_REQUEST_ATTEMPT_COUNT%';
const echo = (socket: Socket): void => void socket.pipe(socket);

describe('the beginning', () => {
  test('bytes that come before the endpoint is connected are sent when it is', async (t) => {
    const server = await rawServer(t, echo);
    const slow = ', transport_socket: { name: envoy.transport_sockets.raw_buffer }';
    const path = await startDataPath(
      t,
      bootstrap(
        [tcpListener({ proxy: 'cluster: app, max_early_data_bytes: 10', format: FORMAT })],
        [cluster('app', [server.port], slow)],
      ),
    );
    const client = rawClient(t, path.port('tcp'));
    const sent = 'x'.repeat(300_000);
    client.socket.end(sent);
    assert.equal(await client.ended(), sent);
    assert.ok(path.stat('tcp.tcp.early_data_received_count_total') > 0);
  });

  test('no connection is made before there are bytes for it, where that is asked for', async (t) => {
    const server = await rawServer(t, echo);
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: app, upstream_connect_mode: ON_DOWNSTREAM_DATA, max_early_data_bytes: 100',
          }),
        ],
        [cluster('app', [server.port])],
      ),
    );
    const silent = rawClient(t, path.port('tcp'));
    silent.socket.end();
    assert.equal(await silent.ended(), '', 'one that says nothing ends');
    const client = rawClient(t, path.port('tcp'));
    await once(client.socket, 'connect');
    await eventually(() => assert.equal(path.stat('tcp.tcp.downstream_cx_total'), 2));
    assert.equal(server.sockets.length, 0);
    client.socket.write('hello');
    await client.until((text) => text === 'hello');
    assert.equal(server.sockets.length, 1);
  });

  test('attempts are apart by the back-off, and end with the client', async (t) => {
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: gone, max_connect_attempts: 3, backoff_options: { base_interval: 0.02s }',
            format: FORMAT,
          }),
          tcpListener({
            name: 'patient',
            proxy: 'cluster: gone, max_connect_attempts: 3, backoff_options: { base_interval: 60s }',
            format: FORMAT,
          }),
        ],
        [cluster('gone', [1])],
      ),
    );
    assert.equal(await rawClient(t, path.port('tcp')).ended(), '');
    await eventually(() => assert.deepEqual(path.lines, ['UF,URX tcp_initializion_failure:0 3\n']));
    assert.equal(path.stat('cluster.gone.upstream_cx_connect_fail'), 3);
    const client = rawClient(t, path.port('patient'));
    await eventually(() => assert.equal(path.stat('cluster.gone.upstream_cx_connect_fail'), 4));
    client.socket.resetAndDestroy();
    await eventually(() => assert.equal(path.lines.length, 2));
    assert.equal(path.lines[1], 'UF - 1\n');
  });

  test('IPv6 on both sides, and a Unix socket', async (t) => {
    const folder = tempDir(t);
    const sockets: Socket[] = [];
    const listen = async (where: { host: string; port: number } | { path: string }): Promise<number> => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.push(socket);
        echo(socket);
      });
      server.listen(where);
      await once(server, 'listening');
      t.after(() => server.close());
      const address = server.address();
      return typeof address === 'object' ? (address?.port ?? 0) : 0;
    };
    t.after(() => {
      for (const socket of sockets) socket.destroy();
    });
    const port = await listen({ host: '::1', port: 0 });
    await listen({ path: join(folder, 'socket') });
    const pipe = `
  - { name: pipe, load_assignment: { cluster_name: pipe, endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: '${join(folder, 'socket')}' } } } }] }] } }`;
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: app',
            address: '::1',
            format: '%UPSTREAM_HOST% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
          }),
          tcpListener({ name: 'pipe', proxy: 'cluster: pipe', format: '%UPSTREAM_HOST%' }),
        ],
        [cluster('app', [port]).replace('address: 127.0.0.1', "address: '::1'"), pipe],
      ),
    );
    const v6 = clientOf(t, connect({ host: '::1', port: path.port('tcp'), allowHalfOpen: true }));
    const unix = rawClient(t, path.port('pipe'));
    // Enough for the other way of reading, too.
    const sent = 'y'.repeat(3 * 1024 * 1024);
    for (const client of [v6, unix]) {
      client.socket.end(sent);
      assert.equal((await client.ended()).length, sent.length);
    }
    await eventually(() =>
      assert.deepEqual(path.lines, [`[::1]:${port} ::1\n`, `${join(folder, 'socket')}\n`]),
    );
  });
});

describe('the end', () => {
  test('a reset goes on as a reset, both ways', async (t) => {
    const errors: Promise<string>[] = [];
    const server = await rawServer(t, (socket) => {
      errors.push(errorOf(socket));
    });
    const path = await startDataPath(
      t,
      bootstrap([tcpListener({ proxy: 'cluster: app', format: FORMAT })], [cluster('app', [server.port])]),
    );
    const first = rawClient(t, path.port('tcp'));
    await eventually(() => assert.equal(server.sockets.length, 1));
    first.socket.resetAndDestroy();
    assert.equal(await errors[0], 'ECONNRESET');
    const second = rawClient(t, path.port('tcp'));
    const seen = errorOf(second.socket);
    await eventually(() => assert.equal(server.sockets.length, 2));
    server.sockets[1]!.resetAndDestroy();
    assert.equal(await seen, 'ECONNRESET');
    await eventually(() => assert.deepEqual(path.lines, ['- - 1\n', 'UR - 1\n']));
  });

  test('a reset goes on as a reset where much was sent before', async (t) => {
    const errors: Promise<string>[] = [];
    let got = 0;
    const server = await rawServer(t, (socket) => {
      socket.on('data', (data) => {
        got += data.length;
      });
      errors.push(errorOf(socket));
    });
    const path = await startDataPath(
      t,
      bootstrap([tcpListener({ proxy: 'cluster: app', format: FORMAT })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('tcp'));
    client.socket.write(Buffer.alloc(4 * 1024 * 1024));
    await eventually(() => assert.equal(got, 4 * 1024 * 1024));
    client.socket.resetAndDestroy();
    assert.equal(await errors[0], 'ECONNRESET');
    await eventually(() => assert.deepEqual(path.lines, ['- - 1\n']));
    await eventually(() => assert.equal(path.dataPath.listeners()[0]!.activeConnections, 0));
  });

  test('no connection lasts longer than allowed', async (t) => {
    const server = await rawServer(t, echo);
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy:
              'cluster: app, max_downstream_connection_duration: 0.1s, max_downstream_connection_duration_jitter_percentage: { value: 100 }',
            format: FORMAT,
          }),
        ],
        [cluster('app', [server.port])],
      ),
    );
    const client = rawClient(t, path.port('tcp'));
    const ping = setInterval(() => client.socket.write('.'), 10);
    t.after(() => clearInterval(ping));
    const startMs = performance.now();
    await client.ended();
    const lastedMs = performance.now() - startMs;
    clearInterval(ping);
    assert.ok(lastedMs > 90 && lastedMs < 1000, String(lastedMs));
    await eventually(() => assert.deepEqual(path.lines, ['DT max_connection_duration_reached 1\n']));
    assert.equal(path.stat('tcp.tcp.max_downstream_connection_duration'), 1);
  });

  test('more connections than allowed end at once', async (t) => {
    const server = await rawServer(t, echo);
    const breaker = ', circuit_breakers: { thresholds: [{ max_connections: 2 }] }';
    const path = await startDataPath(
      t,
      bootstrap(
        [tcpListener({ proxy: 'cluster: app, max_connect_attempts: 3', format: FORMAT })],
        [cluster('app', [server.port], breaker)],
      ),
    );
    const [first, second] = [rawClient(t, path.port('tcp')), rawClient(t, path.port('tcp'))];
    for (const client of [first, second]) {
      client.socket.write('a');
      await client.until((text) => text === 'a');
    }
    assert.equal(await rawClient(t, path.port('tcp')).ended(), '');
    assert.deepEqual(path.lines, ['UO tcp_initializion_failure:2 0\n']);
    first.socket.end();
    await first.ended();
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_active'), 1));
    const third = rawClient(t, path.port('tcp'));
    third.socket.write('b');
    await third.until((text) => text === 'b');
  });

  test('what was written still goes out when the client has gone', async (t) => {
    const size = 12 * 1024 * 1024;
    let got = 0;
    const server = await rawServer(t, (socket) => {
      socket.pause();
      socket.on('data', (data) => {
        got += data.length;
      });
      setTimeout(() => socket.resume(), 100);
      // It will send nothing, but goes on reading.
      socket.end();
    });
    const path = await startDataPath(
      t,
      bootstrap([tcpListener({ proxy: 'cluster: app', format: FORMAT })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('tcp'));
    client.socket.end(Buffer.alloc(size));
    await client.ended();
    await eventually(() => assert.equal(got, size));
    await eventually(() => assert.equal(path.stat('tcp.tcp.upstream_flush_active'), 0));
    await eventually(() => assert.equal(path.dataPath.listeners()[0]!.activeConnections, 0));
  });

  test('connections that look at it end with a drain, at their next bytes', async (t) => {
    const server = await rawServer(t, echo);
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({ proxy: 'cluster: app, check_drain_close: true', format: FORMAT }),
          tcpListener({ name: 'deaf', proxy: 'cluster: app', format: FORMAT }),
        ],
        [cluster('app', [server.port])],
      ),
    );
    const [attentive, deaf] = [rawClient(t, path.port('tcp')), rawClient(t, path.port('deaf'))];
    for (const client of [attentive, deaf]) {
      client.socket.write('a');
      await client.until((text) => text === 'a');
    }
    const drained = path.dataPath.drain(5000);
    await wait(50);
    for (const client of [attentive, deaf]) client.socket.write('b');
    await attentive.ended();
    await deaf.until((text) => text === 'ab');
    deaf.socket.end();
    await drained;
    assert.equal(path.stat('tcp.tcp.downstream_cx_drain_close'), 1);
  });

  test('nothing is left of many connections that end in every way', async (t) => {
    let nth = 0;
    const server = await rawServer(t, (socket) => {
      switch (nth++ % 4) {
        case 0:
          socket.resetAndDestroy();
          break;
        case 1:
          socket.end('x');
          break;
        case 2:
          echo(socket);
          break;
        default:
          socket.destroy();
      }
    });
    const path = await startDataPath(
      t,
      bootstrap([tcpListener({ proxy: 'cluster: app', format: FORMAT })], [cluster('app', [server.port])]),
    );
    const clients = Array.from({ length: 200 }, (_, i) => {
      const client = rawClient(t, path.port('tcp'));
      if (i % 3 === 0) client.socket.end('abc');
      else if (i % 3 === 1) client.socket.write('abc', () => client.socket.destroy());
      else client.socket.once('connect', () => client.socket.resetAndDestroy());
      return client;
    });
    for (const client of clients) {
      await client.ended();
      client.socket.end();
    }
    await eventually(() => {
      for (const gauge of ['upstream_cx_active', 'upstream_rq_active', 'upstream_rq_pending_active']) {
        assert.equal(path.stat(`cluster.app.${gauge}`), 0, gauge);
      }
      for (const { activeConnections } of path.dataPath.listeners()) assert.equal(activeConnections, 0);
    });
    assert.equal(path.stat('cluster.app.upstream_cx_total'), path.stat('cluster.app.upstream_cx_destroy'));
  });
});
