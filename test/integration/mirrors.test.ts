/** Copies of requests never hold back, or change, what they are copies of. */
import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';

const BODY_BYTES = 4 * 1024 * 1024;
/** More than the sockets on the way hold. */
const HUGE_BYTES = 64 * 1024 * 1024;

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Answers with the length of what it got. */
async function counting(
  t: TestContext,
  seen?: (request: IncomingMessage, bytes: number) => void,
): Promise<number> {
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (data: Buffer) => {
      bytes += data.length;
    });
    request.on('end', () => {
      seen?.(request, bytes);
      response.end(String(bytes));
    });
  });
  t.after(() => server.closeAllConnections());
  return listening(t, server);
}

/** Takes connections and reads nothing of them. */
async function deaf(t: TestContext): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return listening(t, server);
}

const clusterYaml = (name: string, port: number): string => `
    - name: ${name}
      connect_timeout: 5s
      load_assignment:
        cluster_name: ${name}
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }]`;

const yaml = (main: number, copy: number): string => `
static_resources:
  listeners:
    - name: web
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: / }
                          route: { cluster: main, timeout: 60s, request_mirror_policies: [{ cluster: copy }] }
  clusters:${clusterYaml('main', main)}${clusterYaml('copy', copy)}
`;

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

function post(port: number, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, host: '127.0.0.1', method: 'POST', path: '/x', agent: false },
      (response) => {
        let text = '';
        response.setEncoding('latin1').on('data', (data: string) => {
          text += data;
        });
        response.on('end', () => resolve({ status: response.statusCode, body: text }));
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const idle = (proxy: RunningDataPath): Promise<void> =>
  eventually(() => {
    assert.equal(proxy.stat('cluster.copy.upstream_rq_active'), 0);
    assert.equal(proxy.stat('cluster.main.upstream_rq_active'), 0);
  });

test('a copy that is not read is given up, and the request goes on', async (t) => {
  const proxy = await startDataPath(t, yaml(await counting(t), await deaf(t)));
  const answer = await post(proxy.port('web'), Buffer.alloc(HUGE_BYTES, 1));
  assert.deepEqual(answer, { status: 200, body: String(HUGE_BYTES) });
  await idle(proxy);
  assert.equal(proxy.stat('cluster.copy.retry_or_shadow_abandoned'), 1);
});

test('a copy has the whole body, whatever becomes of its answer', async (t) => {
  const seen: [string | undefined, number][] = [];
  const copy = await counting(t, (request, bytes) => seen.push([request.headers.host, bytes]));
  const proxy = await startDataPath(t, yaml(await counting(t), copy));
  const answer = await post(proxy.port('web'), Buffer.alloc(BODY_BYTES, 1));
  assert.equal(answer.body, String(BODY_BYTES));
  await eventually(() => assert.equal(proxy.stat('cluster.copy.upstream_rq_200'), 1));
  assert.deepEqual(seen, [[`127.0.0.1-shadow:${proxy.port('web')}`, BODY_BYTES]]);
  await idle(proxy);
});

test('a copy of a request that breaks off is broken off', async (t) => {
  const seen: number[] = [];
  const copy = await counting(t, (_, bytes) => seen.push(bytes));
  const proxy = await startDataPath(t, yaml(await counting(t), copy));
  const request = httpRequest({ port: proxy.port('web'), host: '127.0.0.1', method: 'POST', agent: false });
  request.on('error', () => {});
  request.write('begun');
  await eventually(() => assert.equal(proxy.stat('cluster.copy.upstream_rq_active'), 1));
  request.destroy();
  await idle(proxy);
  assert.deepEqual(seen, []);
});
