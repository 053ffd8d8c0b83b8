/** HTTP/1.1 through the data path, over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { bootstrap, cluster, httpListener, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { httpServer, ok, rawClient, rawServer } from '../support/raw-tcp.ts';

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';

describe('HTTP/1.1', () => {
  test('pipelined requests are answered in order', async (t) => {
    const server = await httpServer(t, (path) => ok(path));
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(get('/one') + get('/two') + get('/three'));
    const text = await client.until((all) => all.includes('/three'));
    assert.deepEqual(text.match(/\/(one|two|three)/g), ['/one', '/two', '/three']);
  });

  test('an upstream connection is used again', async (t) => {
    const server = await httpServer(t, (path) => ok(path));
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    for (const name of ['/one', '/two', '/three']) {
      client.socket.write(get(name));
      await client.until((text) => text.endsWith(name));
    }
    assert.equal(server.sockets.length, 1);
    assert.equal(path.stat('cluster.app.upstream_rq_total'), 3);
    assert.equal(path.stat('cluster.app.upstream_rq_200'), 3);
    assert.equal(path.stat('http.web.downstream_rq_2xx'), 3);
    assert.equal(path.stat('cluster.app.upstream_rq_active'), 0);
  });

  test('bytes after a response are given to nobody', async (t) => {
    const server = await httpServer(
      t,
      (path) => `${ok(path)}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`,
    );
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    for (const name of ['/one', '/two']) {
      client.socket.write(get(name));
      await client.until((text) => text.endsWith(name));
    }
    assert.ok(!client.text().includes('poison'));
    assert.equal(server.sockets.length, 2);
  });

  test('a client that closes its direction has given up', async (t) => {
    const server = await rawServer(t, () => {});
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.end(get('/one'));
    assert.equal(await client.ended(), '');
    await eventually(() => assert.deepEqual(path.lines, ['0 DC downstream_remote_disconnect\n']));
  });

  test('a slow reader holds the upstream back, and gets every byte', async (t) => {
    const size = 24 * 1024 * 1024;
    let sent = 0;
    const server = await rawServer(t, (socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
        const piece = Buffer.alloc(256 * 1024, 'x');
        const more = (): void => {
          while (sent < size) {
            sent += piece.length;
            if (!socket.write(piece)) {
              socket.once('drain', more);
              return;
            }
          }
        };
        more();
      });
    });
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    await once(client.socket, 'connect');
    let received = 0;
    client.socket.removeAllListeners('data');
    client.socket.pause();
    client.socket.write(get('/large'));
    let before = -1;
    await eventually(
      () => {
        const stands = sent === before && sent > 0;
        before = sent;
        assert.ok(stands && sent < size, `${sent} of ${size} sent while nobody reads`);
      },
      { timeoutMs: 10_000, everyMs: 200 },
    );
    client.socket.on('data', (data) => {
      received += data.length;
    });
    client.socket.resume();
    await eventually(() => assert.ok(received > size, String(received)));
  });

  test('a large request body reaches an upstream that reads slowly', async (t) => {
    const size = 8 * 1024 * 1024;
    let got = 0;
    const server = await rawServer(t, (socket) => {
      socket.on('data', (data) => {
        got += data.length;
        socket.pause();
        setImmediate(() => socket.resume());
        if (got >= size) socket.write(ok('done'));
      });
    });
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(`POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: ${size}\r\n\r\n`);
    client.socket.write(Buffer.alloc(size, 'y'));
    await client.until((text) => text.endsWith('done'));
  });
});

describe('failures', () => {
  test('a reset is retried where the policy says so, elsewhere told', async (t) => {
    let asked = 0;
    const server = await httpServer(t, (path) => (++asked % 2 === 1 ? undefined : ok(path)));
    const routes =
      '[{ match: { prefix: /again }, route: { cluster: app, retry_policy: { retry_on: reset, num_retries: 2 } } },' +
      ' { match: { prefix: / }, route: { cluster: app } }]';
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(get('/again'));
    await client.until((text) => text.endsWith('/again'));
    assert.equal(path.stat('cluster.app.upstream_rq_retry'), 1);
    assert.equal(path.stat('cluster.app.upstream_rq_retry_success'), 1);
    client.socket.write(get('/once'));
    await client.until((text) => text.endsWith('connection termination'));
    assert.deepEqual(path.lines, [
      '200 - via_upstream\n',
      '503 UC upstream_reset_before_response_started{connection_termination}\n',
    ]);
  });

  test('a request with a body is sent whole again', async (t) => {
    const bodies: string[] = [];
    const server = await rawServer(t, (socket) => {
      socket.on('data', (data) => {
        const body = data.toString('latin1').split('\r\n\r\n')[1]!;
        bodies.push(body);
        if (bodies.length === 1) socket.write('HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n');
        else socket.write(ok('fine'));
      });
    });
    const routes = '[{ match: { prefix: / }, route: { cluster: app, retry_policy: { retry_on: 5xx } } }]';
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello');
    await client.until((text) => text.endsWith('fine'));
    assert.deepEqual(bodies, ['hello', 'hello']);
  });

  test('time-outs of the route and of one try', async (t) => {
    const server = await rawServer(t, () => {});
    const routes =
      '[{ match: { prefix: /try }, route: { cluster: app, timeout: 5s, retry_policy: { retry_on: 5xx, num_retries: 1, per_try_timeout: 0.03s } } },' +
      ' { match: { prefix: / }, route: { cluster: app, timeout: 0.05s } }]';
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(get('/'));
    await client.until((text) => text.endsWith('upstream request timeout'));
    client.socket.write(get('/try'));
    await eventually(() => assert.equal(path.lines.length, 2));
    assert.deepEqual(path.lines, ['504 UT response_timeout\n', '504 URX,UT upstream_per_try_timeout\n']);
    assert.equal(path.stat('cluster.app.upstream_rq_timeout'), 1);
    assert.equal(path.stat('cluster.app.upstream_rq_per_try_timeout'), 2);
  });

  test('an upstream connection that has lasted long enough ends, a busy one with its response', async (t) => {
    let hold: Promise<void> = Promise.resolve();
    const server = await rawServer(t, (socket) => {
      socket.on('data', () => void hold.then(() => socket.write(ok('it is'))));
      socket.on('end', () => socket.end());
    });
    const options = `, typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, common_http_protocol_options: { max_connection_duration: 0.1s }, explicit_http_config: { http_protocol_options: {} } } }`;
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port], options)]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(get('/'));
    await client.until((all) => all.endsWith('it is'));
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_active'), 0));
    assert.equal(path.stat('cluster.app.upstream_cx_max_duration_reached'), 1);
    let go: () => void = () => {};
    hold = new Promise((resolve) => {
      go = resolve;
    });
    client.socket.write(get('/'));
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_max_duration_reached'), 2));
    assert.equal(path.stat('cluster.app.upstream_cx_active'), 1);
    go();
    await client.until((all) => all.split('it is').length === 3);
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_active'), 0));
  });

  const noTable = !existsSync('/proc/net/tcp') && 'needs /proc/net/tcp';
  test('tcp_keepalive is set on connections to endpoints', { skip: noTable }, async (t) => {
    const server = await httpServer(t, (path) => ok(path));
    const options =
      ', upstream_connection_options: { tcp_keepalive: { keepalive_time: 30, keepalive_interval: 10, keepalive_probes: 3 } }';
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port], options)]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(get('/done'));
    await client.until((all) => all.endsWith('/done'));
    const to = ` 0100007F:${server.port.toString(16).toUpperCase().padStart(4, '0')} `;
    await eventually(() => {
      const row = readFileSync('/proc/net/tcp', 'latin1')
        .split('\n')
        .find((line) => line.includes(`${to}01 `));
      // proc(5): `tr` 02 is a timer of keepalive, `tm->when` its end in ticks of 10 ms; others come first.
      const seconds = Number.parseInt(/ 02:([0-9A-F]{8}) /.exec(row ?? '')?.[1] ?? '', 16) / 100;
      assert.ok(seconds > 20 && seconds <= 31, String(seconds));
    });
  });

  test('more requests than the circuit breaker allows', async (t) => {
    const server = await rawServer(t, () => {});
    const limits = ', circuit_breakers: { thresholds: [{ max_connections: 1, max_pending_requests: 1 }] }';
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port], limits)]),
    );
    const clients = [0, 1, 2].map(() => rawClient(t, path.port('web')));
    for (const client of clients) {
      client.socket.write(get('/'));
      await eventually(() =>
        assert.ok(path.stat('http.web.downstream_rq_total') >= clients.indexOf(client) + 1),
      );
    }
    await eventually(() => assert.ok(path.stat('cluster.app.upstream_rq_pending_overflow') >= 1));
    await eventually(() => {
      const told = clients.map(({ text }) => text()).join('');
      assert.match(told, /x-envoy-overloaded: true\r\n/);
      assert.match(told, /reset reason: overflow/);
    });
  });

  test('a client that goes away takes its upstream request along', async (t) => {
    const server = await rawServer(t, () => {});
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(get('/'));
    await eventually(() => assert.equal(server.sockets.length, 1));
    const closed = once(server.sockets[0]!.resume(), 'end');
    client.socket.resetAndDestroy();
    await closed;
    await eventually(() => assert.deepEqual(path.lines, ['0 DC downstream_remote_disconnect\n']));
    assert.equal(path.stat('cluster.app.upstream_rq_active'), 0);
    assert.equal(path.stat('cluster.app.upstream_cx_active'), 0);
  });
});

describe('draining and replacing', () => {
  test('what runs is finished, then the connection is closed', async (t) => {
    const server = await rawServer(t, (socket) => {
      socket.once('data', () => {
        void drained.then(() => socket.write(ok('late')));
      });
    });
    let begin: () => void = () => {};
    const drained = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(get('/'));
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_rq_active'), 1));
    const over = path.dataPath.drain(5000);
    begin();
    assert.match(await client.ended(), /connection: close\r\n[\s\S]*late$/);
    client.socket.end();
    await over;
    assert.deepEqual(
      path.dataPath.listeners().filter(({ activeConnections }) => activeConnections > 0),
      [],
    );
  });

  test('listeners stop, and what they let in goes on', async (t) => {
    const server = await rawServer(t, (socket) => void socket.on('data', () => socket.write(ok('kept'))));
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('web'));
    const ask = async (answers: number): Promise<void> => {
      client.socket.write(get('/'));
      await client.until((all) => all.split('kept').length > answers);
    };
    await ask(1);
    // Notice is given before: responses ask for the end, which is up to the client.
    const stop = path.dataPath.stopListeners({ names: ['web'], noticeMs: 100, staysOpen: true });
    await ask(2);
    assert.match(client.text(), /connection: close\r\n/);
    assert.equal(path.stat('http.web.downstream_cx_drain_close'), 1);
    await stop;
    await ask(3);
    await path.dataPath.stopListeners({ names: ['other'], noticeMs: 0, staysOpen: false });
    rawClient(t, path.port('web'));
    await eventually(() => assert.equal(path.stat('listener.127.0.0.1_0.downstream_cx_total'), 2));
    await path.dataPath.stopListeners({ noticeMs: 0, staysOpen: false });
    await ask(4);
    const late = connect({ port: path.port('web'), host: '127.0.0.1' });
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    assert.equal(path.stat('listener_manager.listener_stopped'), 1);
  });
});
