/** `tcp_proxy` inside CONNECT or POST: the request, the bytes both ways, and what happens when it is refused. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { bootstrap, cluster, httpListener, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { type RawServer, rawClient, rawServer } from '../support/raw-tcp.ts';
import { tcpListener } from '../support/tcp-chain.ts';

const HTTP2 =
  ", typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }";

interface Gate extends RawServer {
  /** Heads of requests so far. */
  readonly heads: readonly string[];
}

/** Reads a head, answers it, and echoes what follows until the other side ends. */
async function gate(t: TestContext, answer: string): Promise<Gate> {
  const heads: string[] = [];
  const server = await rawServer(t, (socket: Socket) => {
    let head = '';
    socket.on('data', (data) => {
      if (head.endsWith('\r\n\r\n')) {
        socket.write(data);
        return;
      }
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const end = head.indexOf('\r\n\r\n') + 4;
      const rest = head.slice(end);
      head = head.slice(0, end);
      heads.push(head);
      socket.write(answer + rest);
    });
    socket.on('end', () => socket.end('bye'));
  });
  return { ...server, heads };
}

const OK = 'HTTP/1.1 200 OK\r\nx-from: gate\r\n\r\n';

describe('a tunnel over HTTP/1.1', () => {
  test('CONNECT with the configured name and headers, then bytes both ways and half-closes', async (t) => {
    const server = await gate(t, `${OK}welcome`);
    const headers =
      'headers_to_add: [{ header: { key: X-Client, value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" } }]';
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: `cluster: gate, tunneling_config: { hostname: "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:443", ${headers}, propagate_response_headers: true }`,
            format: '%RESPONSE_FLAGS% %FILTER_STATE(envoy.tcp_proxy.propagate_response_headers)%',
          }),
        ],
        [cluster('gate', [server.port])],
      ),
    );
    const client = rawClient(t, path.port('tcp'));
    await client.until((text) => text === 'welcome');
    client.socket.write('hello');
    await client.until((text) => text.endsWith('hello'));
    client.socket.end();
    assert.equal(await client.ended(), 'welcomehellobye');
    assert.deepEqual(server.heads, [
      'CONNECT 127.0.0.1:443 HTTP/1.1\r\nhost: 127.0.0.1:443\r\nx-client: 127.0.0.1\r\n\r\n',
    ]);
    await eventually(() =>
      assert.deepEqual(path.lines, [
        '- {"headers":[{"key":":status","value":"200"},{"key":"x-from","value":"gate"}]}\n',
      ]),
    );
    assert.equal(path.stat('cluster.gate.upstream_rq_active'), 0);
  });

  test('POST carries the bytes as a body in pieces', async (t) => {
    const server = await gate(t, 'HTTP/1.1 200 OK\r\n\r\n');
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: gate, tunneling_config: { hostname: target, use_post: true, post_path: /in }',
          }),
        ],
        [cluster('gate', [server.port])],
      ),
    );
    const client = rawClient(t, path.port('tcp'));
    client.socket.write('hello');
    await client.until((text) => text === '5\r\nhello\r\n');
    client.socket.end();
    await client.until((text) => text.endsWith('0\r\n\r\n'));
    assert.deepEqual(server.heads, [
      'POST /in HTTP/1.1\r\nhost: target\r\ntransfer-encoding: chunked\r\n\r\n',
    ]);
  });

  test('a refusal is a failed attempt', async (t) => {
    const server = await gate(t, 'HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: gate, max_connect_attempts: 2, tunneling_config: { hostname: "a:1" }',
            format: '%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_REQUEST_ATTEMPT_COUNT%',
          }),
        ],
        [cluster('gate', [server.port])],
      ),
    );
    assert.equal(await rawClient(t, path.port('tcp')).ended(), '');
    await eventually(() => assert.deepEqual(path.lines, ['UF,URX tunnel_response:407 2\n']));
    assert.equal(server.heads.length, 2);
    assert.equal(path.stat('cluster.gate.upstream_rq_active'), 0);
    assert.equal(path.stat('cluster.gate.upstream_cx_active'), 0);
  });

  test('a client that goes while the answer is awaited takes the request with it', async (t) => {
    const server = await gate(t, '');
    const path = await startDataPath(
      t,
      bootstrap(
        [tcpListener({ proxy: 'cluster: gate, tunneling_config: { hostname: "a:1" }' })],
        [cluster('gate', [server.port])],
      ),
    );
    const client = rawClient(t, path.port('tcp'));
    await eventually(() => assert.equal(server.heads.length, 1));
    client.socket.resetAndDestroy();
    await eventually(() => assert.equal(path.stat('cluster.gate.upstream_cx_active'), 0));
    assert.equal(path.stat('cluster.gate.upstream_rq_active'), 0);
  });
});

describe('a tunnel over HTTP/2', () => {
  for (const method of ['CONNECT', 'POST'] as const) {
    test(`${method}: bytes both ways, through a proxy that ends the tunnel`, async (t) => {
      const server = await rawServer(t, (socket) => {
        socket.on('data', (data) => socket.write(data));
        socket.on('end', () => socket.end('bye'));
      });
      const route =
        method === 'CONNECT'
          ? '{ match: { connect_matcher: {} }, route: { cluster: app, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }'
          : '{ match: { prefix: / }, route: { cluster: web, timeout: 0s } }';
      const web = await gate(t, 'HTTP/1.1 200 OK\r\n\r\n');
      const listeners = [
        httpListener({
          name: 'gate',
          routes: `[${route}]`,
          hcm: [
            'upgrade_configs: [{ upgrade_type: CONNECT }]',
            'http2_protocol_options: { allow_connect: true }',
          ],
        }),
      ];
      const path = await startDataPath(
        t,
        bootstrap(listeners, [cluster('app', [server.port]), cluster('web', [web.port])]),
      );
      const post = method === 'POST' ? ', use_post: true' : '';
      await path.add(
        bootstrap(
          [tcpListener({ proxy: `cluster: gate, tunneling_config: { hostname: "app:1"${post} }` })],
          [cluster('gate', [path.port('gate')], HTTP2)],
        ),
      );
      const clients = Array.from({ length: 5 }, () => rawClient(t, path.port('tcp')));
      for (const [i, client] of clients.entries()) {
        client.socket.write(`hello ${i}`);
        await client.until((text) => text.includes(`hello ${i}`));
      }
      assert.equal(path.stat('cluster.gate.upstream_cx_total'), 1, 'one connection carries them all');
      assert.equal(path.stat('cluster.gate.upstream_rq_active'), 5);
      for (const client of clients) client.socket.end();
      if (method === 'CONNECT') {
        for (const [i, client] of clients.entries()) assert.equal(await client.ended(), `hello ${i}bye`);
        await eventually(() => assert.equal(path.stat('cluster.gate.upstream_rq_active'), 0));
      }
    });
  }

  test('a large transfer waits for the slower side', async (t) => {
    const size = 24 * 1024 * 1024;
    const server = await rawServer(t, (socket) => {
      let got = 0;
      socket.on('data', (data) => {
        got += data.length;
        socket.pause();
        setImmediate(() => socket.resume());
      });
      socket.on('end', () => socket.end(String(got)));
    });
    const path = await startDataPath(
      t,
      bootstrap(
        [
          httpListener({
            name: 'gate',
            routes:
              '[{ match: { connect_matcher: {} }, route: { cluster: app, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }]',
            hcm: [
              'upgrade_configs: [{ upgrade_type: CONNECT }]',
              'http2_protocol_options: { allow_connect: true }',
            ],
          }),
        ],
        [cluster('app', [server.port])],
      ),
    );
    await path.add(
      bootstrap(
        [tcpListener({ proxy: 'cluster: gate, tunneling_config: { hostname: "app:1" }' })],
        [cluster('gate', [path.port('gate')], HTTP2)],
      ),
    );
    const client = rawClient(t, path.port('tcp'));
    client.socket.end(Buffer.alloc(size, 'x'));
    assert.equal(await client.ended(), String(size));
  });
});
