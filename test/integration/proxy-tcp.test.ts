/** Connections without HTTP: tcp_proxy, CONNECT, internal listeners. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { bootstrap, cluster, httpListener, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { httpServer, ok, rawClient, rawServer } from '../support/raw-tcp.ts';

const tcpListener = (name: string, to: string, more = ''): string => `
  - name: ${name}
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - { name: tcp, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: ${name}, ${to}${more} } }`;

const connectTo = (to: string): string =>
  `[{ match: { connect_matcher: {} }, route: { cluster: ${to}, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }, { match: { prefix: / }, route: { cluster: ${to} } }]`;
const acceptConnect = ['upgrade_configs: [{ upgrade_type: CONNECT }]'];
const connectLine = 'CONNECT app:80 HTTP/1.1\r\nhost: app:80\r\n\r\n';

/** Stops reading for a moment, again and again. */
function stutter(socket: Socket): void {
  let until = 0;
  socket.on('data', (data) => {
    until -= data.length;
    if (until > 0) return;
    until = 1 + Math.floor(Math.random() * 4 * 1024 * 1024);
    socket.pause();
    setTimeout(() => socket.resume(), Math.random() * 4);
  });
}

describe('tcp_proxy', () => {
  test('each direction is closed by itself', async (t) => {
    const server = await rawServer(t, (socket) => {
      let got = '';
      socket.on('data', (data) => {
        got += data.toString();
      });
      socket.on('end', () => socket.end(`got ${got}`));
    });
    const path = await startDataPath(
      t,
      bootstrap([tcpListener('tcp', 'cluster: app')], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('tcp'));
    client.socket.end('all there is');
    assert.equal(await client.ended(), 'got all there is');
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_active'), 0));
  });

  test('a side that reads slowly holds the other back, and gets every byte', async (t) => {
    const size = 32 * 1024 * 1024;
    const server = await rawServer(t, (socket) => {
      socket.end(Buffer.alloc(size, 'x'));
      socket.resume();
    });
    const path = await startDataPath(
      t,
      bootstrap([tcpListener('tcp', 'cluster: app')], [cluster('app', [server.port])]),
    );
    const client = rawClient(t, path.port('tcp'));
    let received = 0;
    client.socket.removeAllListeners('data');
    client.socket.pause();
    await once(client.socket, 'connect');
    let before = -1;
    await eventually(
      () => {
        const taken = path.stat('cluster.app.upstream_cx_rx_bytes_total');
        const stands = taken === before && taken > 0;
        before = taken;
        assert.ok(stands && taken < size, `${taken} of ${size} taken while nobody reads`);
      },
      { everyMs: 150 },
    );
    client.socket.on('data', (data) => {
      received += data.length;
    });
    client.socket.resume();
    await eventually(() => assert.equal(received, size));
  });

  test('every byte comes through in order both ways at once, however often a side stops reading', async (t) => {
    const server = await rawServer(t, (socket) => {
      stutter(socket);
      socket.pipe(socket);
    });
    const path = await startDataPath(
      t,
      bootstrap([tcpListener('tcp', 'cluster: app')], [cluster('app', [server.port])]),
    );
    const size = 48 * 1024 * 1024;
    await Promise.all(
      [1, 2, 3].map(async (seed) => {
        const { socket } = rawClient(t, path.port('tcp'));
        socket.removeAllListeners('data');
        stutter(socket);
        const [sent, received] = [createHash('sha256'), createHash('sha256')];
        const random = seededRandom(seed);
        let left = size;
        const piece = Buffer.from(Array.from({ length: 70_001 }, () => random.below(256)));
        const push = (): void => {
          while (left > 0) {
            const part = Buffer.from(piece.subarray(0, Math.min(left, 1 + random.below(piece.length))));
            part[0] = left & 0xff;
            left -= part.length;
            sent.update(part);
            if (!socket.write(part)) {
              socket.once('drain', push);
              return;
            }
          }
          socket.end();
        };
        push();
        let count = 0;
        socket.on('data', (data) => {
          count += data.length;
          received.update(data);
        });
        await once(socket, 'end');
        assert.equal(count, size);
        assert.equal(received.digest('hex'), sent.digest('hex'));
      }),
    );
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_active'), 0));
    for (const direction of ['rx', 'tx']) {
      assert.equal(path.stat(`cluster.app.upstream_cx_${direction}_bytes_total`), 3 * size);
      assert.equal(path.stat(`tcp.tcp.downstream_cx_${direction}_bytes_total`), 3 * size);
    }
  });

  test('nobody there: another endpoint is tried, then the connection ends', async (t) => {
    const server = await rawServer(t, (socket) => socket.end('here'));
    const gone = 1;
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener('tcp', 'cluster: app', ', max_connect_attempts: 2'),
          tcpListener('dead', 'cluster: gone'),
        ],
        [cluster('app', [gone, server.port]), cluster('gone', [gone])],
      ),
    );
    for (let i = 0; i < 4; i++) {
      const client = rawClient(t, path.port('tcp'));
      assert.equal(await client.until((text) => text !== ''), 'here');
    }
    assert.equal(await rawClient(t, path.port('dead')).ended(), '');
    assert.equal(path.stat('cluster.gone.upstream_cx_connect_fail'), 1);
  });

  test('a connection on which nothing happens is closed', async (t) => {
    const server = await rawServer(t, () => {});
    const path = await startDataPath(
      t,
      bootstrap(
        [tcpListener('tcp', 'cluster: app', ', idle_timeout: 0.05s')],
        [cluster('app', [server.port])],
      ),
    );
    assert.equal(await rawClient(t, path.port('tcp')).ended(), '');
    assert.equal(path.stat('tcp.tcp.idle_timeout'), 1);
  });

  test('connections divide by weight', async (t) => {
    const [a, b] = await Promise.all(['a', 'b'].map((name) => rawServer(t, (socket) => socket.end(name))));
    const to = 'weighted_clusters: { clusters: [{ name: a, weight: 3 }, { name: b, weight: 1 }] }';
    const path = await startDataPath(
      t,
      bootstrap([tcpListener('tcp', to)], [cluster('a', [a!.port]), cluster('b', [b!.port])]),
    );
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => rawClient(t, path.port('tcp')).ended()),
    );
    const ratio = answers.filter((answer) => answer === 'a').length / answers.length;
    assert.ok(ratio > 0.6 && ratio < 0.9, String(ratio));
  });
});

describe('CONNECT', () => {
  test('ends here, and its bytes go on as they are', async (t) => {
    const server = await rawServer(t, (socket) => {
      socket.on('data', (data) => {
        if (data.toString() === 'end') socket.end('bye');
        else socket.write(`echo ${data.toString()}`);
      });
    });
    const path = await startDataPath(
      t,
      bootstrap(
        [httpListener({ routes: connectTo('app'), hcm: acceptConnect })],
        [cluster('app', [server.port])],
      ),
    );
    const client = rawClient(t, path.port('web'));
    // Bytes right behind the head belong to the tunnel.
    client.socket.write(`${connectLine}one`);
    assert.match(await client.until((text) => text.endsWith('echo one')), /^HTTP\/1.1 200 OK\r\n/);
    client.socket.write('two');
    await client.until((text) => text.endsWith('echo two'));
    client.socket.write('end');
    assert.match(await client.ended(), /bye$/);
    await eventually(() => assert.deepEqual(path.lines, ['200 - via_upstream\n']));
    assert.equal(path.stat('cluster.app.upstream_cx_active'), 0);
  });

  test('nobody there', async (t) => {
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: connectTo('app'), hcm: acceptConnect })], [cluster('app', [1])]),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(connectLine);
    assert.match(await client.ended(), /^HTTP\/1.1 503 [\s\S]*remote connection failure$/);
  });

  test('into an internal listener, where requests are routed like any', async (t) => {
    const server = await httpServer(t, (path) => ok(path));
    const inner = 'endpoint: { address: { envoy_internal_address: { server_listener_name: inner } } }';
    const path = await startDataPath(
      t,
      bootstrap(
        [
          httpListener({ routes: connectTo('to-inner'), hcm: acceptConnect }),
          httpListener({
            name: 'inner',
            internal: true,
            routes: '[{ match: { prefix: / }, route: { cluster: app } }]',
          }),
        ],
        [
          cluster('app', [server.port]),
          `\n  - { name: to-inner, type: STATIC, load_assignment: { cluster_name: to-inner, endpoints: [{ lb_endpoints: [{ ${inner} }] }] } }`,
        ],
      ),
    );
    const client = rawClient(t, path.port('web'));
    client.socket.write(connectLine);
    await client.until((text) => text.endsWith('\r\n\r\n'));
    for (const name of ['/one', '/two']) {
      client.socket.write(`GET ${name} HTTP/1.1\r\nhost: app\r\n\r\n`);
      await client.until((text) => text.endsWith(name));
    }
    client.socket.end();
    await client.ended();
    assert.equal(path.stat('http.inner.downstream_rq_2xx'), 2);
    await eventually(() => assert.equal(path.stat('http.inner.downstream_cx_active'), 0));
  });
});
