/** `heddle proxy` as people run it: a request through it, its admin interface, its end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { sourceCommand, startProxyChild } from '../support/proxy-child.ts';

const TYPES = 'type.googleapis.com/envoy';

/** One listener `web` that sends everything to `port`. */
function bootstrap(port: number, listenPort = 0): string {
  const at = (number: number): object => ({ socket_address: { address: '127.0.0.1', port_value: number } });
  return JSON.stringify({
    admin: { address: at(0) },
    static_resources: {
      listeners: [
        {
          name: 'web',
          address: at(listenPort),
          filter_chains: [
            {
              filters: [
                {
                  name: 'http',
                  typed_config: {
                    '@type': `${TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
                    stat_prefix: 'web',
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'all',
                          domains: ['*'],
                          routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: 'router',
                        typed_config: { '@type': `${TYPES}.extensions.filters.http.router.v3.Router` },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'app',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'app',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at(port) } }] }],
          },
        },
      ],
    },
  });
}

async function application(
  t: TestContext,
  answerAfter: () => Promise<void> = async () => {},
): Promise<number> {
  const server = createServer((_, response) => {
    void answerAfter().then(() => response.end('hello'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('heddle proxy', () => {
  test('carries requests, and says so in its statistics', async (t) => {
    const proxy = startProxyChild(t, bootstrap(await application(t)));
    const url = `http://127.0.0.1:${await proxy.port('web')}/`;
    assert.equal(await (await fetch(url)).text(), 'hello');
    assert.equal((await proxy.admin('/ready')).status, 200);
    await eventually(async () => {
      const stats = await (await proxy.admin('/stats')).text();
      assert.match(stats, /^cluster\.app\.upstream_rq_200: 1$/m);
      assert.match(stats, /^http\.web\.downstream_rq_2xx: 1$/m);
    });
    assert.match(await (await proxy.admin('/clusters')).text(), /^app::127\.0\.0\.1:\d+::rq_total::1$/m);
    assert.match(await (await proxy.admin('/config_dump')).text(), /"@type": "[^"]*ListenersConfigDump"/);
    assert.equal((await proxy.admin('/quitquitquit')).status, 405);
    assert.equal((await proxy.admin('/quitquitquit', 'POST')).status, 200);
    assert.equal(await proxy.ended, 0);
  });

  test('on SIGTERM it finishes what runs, takes nothing new, and ends with 0', async (t) => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const port = await application(t, () => {
      asked.resolve();
      return answer.promise;
    });
    const proxy = startProxyChild(t, bootstrap(port), { flags: ['--drain-time-s', '20'] });
    const url = `http://127.0.0.1:${await proxy.port('web')}/`;
    const running = fetch(url);
    await asked.promise;
    proxy.child.kill('SIGTERM');
    await eventually(() => assert.match(proxy.output(), /proxy\.draining/));
    await eventually(() => assert.rejects(fetch(url)));
    assert.equal(await (await proxy.admin('/ready')).text(), 'DRAINING\n');
    answer.resolve();
    assert.equal(await (await running).text(), 'hello');
    assert.equal(await proxy.ended, 0);
  });

  test('a second signal ends it at once', async (t) => {
    const asked = Promise.withResolvers<void>();
    const port = await application(t, () => {
      asked.resolve();
      return new Promise(() => {});
    });
    const proxy = startProxyChild(t, bootstrap(port), { flags: ['--drain-time-s', '600'] });
    const url = `http://127.0.0.1:${await proxy.port('web')}/`;
    const running = assert.rejects(fetch(url));
    await asked.promise;
    proxy.child.kill('SIGTERM');
    await eventually(() => assert.match(proxy.output(), /proxy\.draining/));
    proxy.child.kill('SIGTERM');
    assert.equal(await proxy.ended, 0);
    await running;
  });

  test('an exception that nothing caught ends nothing else', async (t) => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const port = await application(t, () => {
      asked.resolve();
      return answer.promise;
    });
    // Throws in callbacks of the process's own event loop, as a bug would.
    const bugs = `process.on('SIGWINCH', () => {
      setImmediate(() => { throw new Error('a bug in a callback'); });
      Promise.reject(new Error('a bug in a promise'));
    });`;
    const nodeFlags = ['--import', `data:text/javascript,${encodeURIComponent(bugs)}`];
    const proxy = startProxyChild(t, bootstrap(port), { command: sourceCommand(...nodeFlags) });
    const url = `http://127.0.0.1:${await proxy.port('web')}/`;
    const running = fetch(url);
    await asked.promise;
    proxy.child.kill('SIGWINCH');
    await eventually(async () => {
      assert.match(await (await proxy.admin('/stats')).text(), /^server\.uncaught_exceptions: 2$/m);
    });
    assert.match(proxy.output(), /proxy\.uncaught-exception stack=.*a bug in a callback/);
    answer.resolve();
    assert.equal(await (await running).text(), 'hello');
    assert.equal(await (await fetch(url)).text(), 'hello');
  });

  test('on two threads it answers, logs, and ends with every line out', async (t) => {
    const port = await application(t);
    const text = JSON.parse(bootstrap(port));
    const [{ filter_chains: chains }] = text.static_resources.listeners;
    chains[0].filters[0].typed_config.access_log = [
      {
        name: 'stdout',
        typed_config: {
          '@type': `${TYPES}.extensions.access_loggers.stream.v3.StdoutAccessLog`,
          log_format: { text_format_source: { inline_string: 'line %RESPONSE_CODE% %REQ(:PATH)%\n' } },
        },
      },
    ];
    const proxy = startProxyChild(t, JSON.stringify(text), { flags: ['--concurrency', '2'] });
    const url = `http://127.0.0.1:${await proxy.port('web')}`;
    const asked = Array.from({ length: 20 }, (_, i) =>
      fetch(`${url}/${i}`, { headers: { connection: 'close' } }).then((response) => response.text()),
    );
    assert.deepEqual(new Set(await Promise.all(asked)), new Set(['hello']));
    const stats = await (await proxy.admin('/stats')).text();
    assert.match(stats, /^server\.concurrency: 2$/m);
    assert.match(stats, /^http\.web\.downstream_rq_2xx: 20$/m);
    assert.match(await (await proxy.admin('/clusters')).text(), /::rq_total::20$/m);
    assert.equal((await proxy.admin('/reset_counters', 'POST')).status, 200);
    assert.match(await (await proxy.admin('/stats')).text(), /^http\.web\.downstream_rq_2xx: 0$/m);
    proxy.child.kill('SIGTERM');
    assert.equal(await proxy.ended, 0);
    assert.equal(proxy.output().match(/^line 200 \/\d+$/gm)?.length, 20);
  });

  test('a port that is taken ends it with what is wrong', async (t) => {
    const holder = createTcpServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    t.after(() => holder.close());
    const { port } = holder.address() as AddressInfo;
    const proxy = startProxyChild(t, bootstrap(1, port));
    assert.equal(await proxy.ended, 65);
    assert.match(proxy.output(), /listener web.*EADDRINUSE/s);
  });
});
