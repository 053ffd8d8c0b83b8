/** A mistake of ours in one request or connection ends that, is counted, and touches nothing else. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { headerOf } from '#http/header-list.ts';
import type { CataloguedFilter, HttpFilter } from '#proxy/filter/contract.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { ending, h2Client } from '../support/h2-client.ts';
import { echoServer } from '../support/h2-echo-server.ts';
import { ok, rawClient, rawServer } from '../support/raw-tcp.ts';
import { tcpListener } from '../support/tcp-chain.ts';

const HOOKS = [
  'onRequestHead',
  'onUpstream',
  'onRequestData',
  'onRequestTrailers',
  'onResponseHead',
  'onResponseData',
  'onResponseTrailers',
  'onEnd',
] as const;

/** Throws in the hook that the header `x-throw` of the request names. */
function thrower(): HttpFilter {
  const hooks = HOOKS.map((hook) => [
    hook,
    (exchange: { readonly requestHeaders: string[] }): void => {
      if (headerOf(exchange.requestHeaders, 'x-throw') === hook) throw new Error(`a mistake in ${hook}`);
    },
  ]);
  return Object.fromEntries(hooks) as HttpFilter;
}

/** Of connections without HTTP: throws where the number of the connection says so. */
let tcpHook: 'onOpen' | 'onEnd' | '' = '';

const faulty: CataloguedFilter = {
  kind: 'grpc-stats',
  typeName: 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  stability: 'stable',
  trust: 'hostile-both',
  routeTypeName: undefined,
  loadForRoute: undefined,
  load: () => ({ ok: true, value: thrower(), problems: [] }),
  loadForConnections: () => ({
    ok: true,
    value: {
      onOpen(): void {
        if (tcpHook === 'onOpen') throw new Error('a mistake in onOpen');
      },
      onEnd(): void {
        if (tcpHook === 'onEnd') throw new Error('a mistake in onEnd');
      },
    },
    problems: [],
  }),
};
const config = `typed_config: { '@type': type.googleapis.com/${faulty.typeName} }`;

const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';

/** Else they are dropped. */
const withTrailers = 'http_protocol_options: { enable_trailers: true }';
const protocol = (options: string): string =>
  `, typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { ${options} } } }`;
const http1 = protocol(withTrailers);
const http2 = protocol('http2_protocol_options: {}');

const withFilter = (listener: string): string =>
  listener.replace(
    '          - { name: router',
    `          - { name: faulty, ${config} }\n          - { name: router`,
  );

async function start(t: TestContext, port: number, more = ''): Promise<RunningDataPath> {
  return startDataPath(
    t,
    bootstrap(
      [withFilter(httpListener({ routes: toApp, hcm: [withTrailers] }))],
      [cluster('app', [port], more)],
    ),
    undefined,
    undefined,
    { filters: [faulty] },
  );
}

async function atEase(path: RunningDataPath): Promise<void> {
  await eventually(() => {
    for (const gauge of [
      'http.web.downstream_rq_active',
      'cluster.app.upstream_rq_active',
      'cluster.app.upstream_rq_pending_active',
    ]) {
      assert.equal(path.stat(gauge), 0, gauge);
    }
  });
}

const isWhole = (text: string): boolean => /\r\n0\r\n(x-trailer: t\r\n)?\r\n$/i.test(text);
const trailers = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-trailer: t\r\n\r\n';

describe('an exception in a filter', () => {
  for (const hook of HOOKS) {
    test(`over HTTP/1.1, in ${hook}`, async (t) => {
      const app = await rawServer(t, (socket) => {
        let text = '';
        socket.on('data', (data) => {
          text += data.toString('latin1');
          if (!isWhole(text)) return;
          text = '';
          socket.write(trailers);
        });
      });
      const path = await start(t, app.port, http1);
      const request = (throws: string): string =>
        `POST / HTTP/1.1\r\nhost: a\r\nx-throw: ${throws}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-trailer: t\r\n\r\n`;
      const other = rawClient(t, path.port('web'));
      other.socket.write(request('nothing').slice(0, -10));
      await eventually(() => assert.equal(path.stat('http.web.downstream_rq_active'), 1));
      const client = rawClient(t, path.port('web'));
      client.socket.on('error', () => {});
      client.socket.write(request(hook));
      await eventually(() => assert.equal(path.stat('server.request_exceptions'), 1));
      // Where the answer could be whole, the connection goes on.
      await client
        .until((text) => isWhole(text) || /^HTTP\/1\.1 500 [\s\S]*\r\n\r\n/.test(text))
        .catch(() => client.ended());
      client.socket.destroy();
      other.socket.write(request('nothing').slice(-10));
      assert.match(await other.until(isWhole), /^HTTP\/1\.1 200 /);
      await atEase(path);
      await eventually(() => assert.equal(path.stat('http.web.downstream_cx_active'), 1));
    });

    test(`over HTTP/2, in ${hook}`, async (t) => {
      const app = await echoServer(t);
      const path = await start(t, app.port, http2);
      const client = h2Client(t, path.port('web'));
      const send = (throws: string) => {
        const { recorder, ended } = ending();
        const stream = client.connection.open(recorder);
        stream.sendRequest('POST', 'http', 'a', '/', '', ['x-throw', throws], false);
        stream.sendData(Buffer.from('hello'), false);
        return { ended, finish: () => stream.sendTrailers(['x-trailer', 't']) };
      };
      const other = send('nothing');
      const one = send(hook);
      one.finish();
      await one.ended;
      await eventually(() => assert.equal(path.stat('server.request_exceptions'), 1));
      other.finish();
      const { log, text } = await other.ended;
      assert.equal(log[0], 'head 200', log.join());
      assert.equal(text, 'hello');
      await atEase(path);
      assert.equal(path.stat('http.web.downstream_cx_active'), 1);
    });
  }

  for (const hook of ['onOpen', 'onEnd'] as const) {
    test(`of a connection without HTTP, in ${hook}`, async (t) => {
      const app = await rawServer(t, (socket) => socket.pipe(socket));
      const path = await startDataPath(
        t,
        bootstrap(
          [tcpListener({ proxy: 'cluster: app', before: [`{ name: f, ${config} }`] })],
          [cluster('app', [app.port])],
        ),
        undefined,
        undefined,
        { filters: [faulty] },
      );
      tcpHook = '';
      const other = rawClient(t, path.port('tcp'));
      other.socket.write('one');
      await other.until((text) => text === 'one');
      tcpHook = hook;
      const client = rawClient(t, path.port('tcp'));
      client.socket.on('error', () => {});
      client.socket.end('two');
      await client.ended();
      await eventually(() => assert.equal(path.stat('server.request_exceptions'), 1));
      tcpHook = '';
      other.socket.write('two');
      await other.until((text) => text === 'onetwo');
      await eventually(() => {
        assert.equal(path.stat('tcp.tcp.downstream_cx_total'), 2);
        assert.equal(path.stat('listener.127.0.0.1_0.downstream_cx_active'), 1);
        assert.equal(path.stat('cluster.app.upstream_cx_active'), 1);
      });
      assert.equal(path.lines.length, 1, 'its line is written all the same');
    });
  }
});

test('the next request is served where the one before failed', async (t) => {
  const app = await rawServer(t, (socket) => socket.on('data', () => socket.write(ok('well'))));
  const path = await start(t, app.port);
  for (const throws of ['onResponseHead', 'nothing', 'onRequestHead', 'nothing']) {
    const client = rawClient(t, path.port('web'));
    client.socket.write(`GET / HTTP/1.1\r\nhost: a\r\nx-throw: ${throws}\r\n\r\n`);
    if (throws === 'nothing') await client.until((text) => text.endsWith('\r\n\r\nwell'));
    else {
      const text = await client.until((all) => all.startsWith('HTTP/1.1 500 ') && all.includes('\r\n\r\n'));
      // A response that filters may not have finished with is not shown.
      assert.doesNotMatch(text, /well/);
    }
    client.socket.destroy();
  }
  assert.equal(path.stat('server.request_exceptions'), 2);
  await atEase(path);
});
