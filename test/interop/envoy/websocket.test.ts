/** Upgrades: WebSocket and others, over HTTP/1 and HTTP/2 on either side. */
import { type Answers, type Http1Exchange, onHttp1, onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { dataFrame, headersFrame, rstStream } from './wire/h2-frames.ts';
import { get, http1, type Step } from './wire/http1.ts';
import { type H2Step, type Http2Options, http2 } from './wire/http2.ts';
import { opcode, webSocketFrame } from './wire/websocket.ts';

const upgrade = [
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
];
const switched =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

/** Accepts, echoes what comes until a close frame, and ends. */
const echo: Answers = onHttp1(async (x) => {
  x.write(switched);
  const tunnel = x.tunnel();
  await tunnel.until(/hello/);
  tunnel.write(webSocketFrame(opcode.text, 'hello yourself'));
  await tunnel.until(/bye/);
  tunnel.write(webSocketFrame(opcode.close, ''));
  tunnel.end();
});

const row = (
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> & { raw?: boolean } = {},
): Case => ({
  ...{ name: `upgrade: ${name}`, covers: 'websocket', expect, answers: { a: echo, b: echo } },
  play: http1(steps, { raw: more.raw ?? true }),
  ...more,
});

const accepted: Step = { until: /^HTTP\/1\.1 101[\s\S]*\r\n\r\n/ };
const told: Step = { until: /hello yourself/ };
const unmasked = (text: string): string => webSocketFrame(opcode.text, text);
const done = (answer: (x: Http1Exchange) => void): Answers =>
  onHttp1(async (x) => {
    await x.body();
    answer(x);
  });

const overHttp1: readonly Case[] = [
  row(
    'a WebSocket',
    [get('/ws', ...upgrade), accepted, unmasked('hello'), told, unmasked('bye')],
    {
      client: [/HTTP\/1\.1 101/, /hello yourself/],
      upstream: [/upgrade: websocket/, /connection: Upgrade/i, /tunnel: .*hello.*bye/],
      log: / 101 UC upstream_reset_after_response_started\{connection_termination\} /,
      stats: { 'http.main.downstream_cx_upgrades_total': 1 },
    },
    { logLines: 1 },
  ),
  row(
    'bytes of a mask',
    [
      get('/ws', ...upgrade),
      accepted,
      webSocketFrame(opcode.binary, 'x'.repeat(200), true),
      unmasked('hello'),
      told,
      unmasked('bye'),
    ],
    { client: /hello yourself/ },
    { logLines: 1 },
  ),
  row(
    'the client talks before it is accepted',
    [
      ({ id }) =>
        `GET /ws HTTP/1.1\r\nhost: a\r\nx-test: ${id}\r\n${upgrade.join('\r\n')}\r\n\r\n${unmasked('hello')}`,
      told,
      unmasked('bye'),
    ],
    { client: /hello yourself/ },
    { logLines: 1 },
  ),
  row(
    'the client ends first',
    [get('/ws', ...upgrade), accepted, unmasked('hello'), told, { end: true }],
    { client: /hello yourself/ },
    {
      logLines: 1,
      answers: {
        a: onHttp1(async (x) => {
          x.write(switched);
          const t = x.tunnel();
          await t.until(/hello/);
          t.write(webSocketFrame(opcode.text, 'hello yourself'));
          await t.until(/never/);
          t.write('last');
          t.end();
        }),
      },
    },
  ),
  row(
    'the upstream resets',
    [get('/ws', ...upgrade), accepted, unmasked('hello')],
    { client: /101/ },
    {
      logLines: 1,
      answers: {
        a: onHttp1(async (x) => {
          x.write(switched);
          await x.tunnel().until(/hello/);
          x.reset();
        }),
      },
    },
  ),
  row(
    'the upstream refuses',
    [get('/ws', ...upgrade)],
    { status: 403, connection: 'closed', log: / 403 - via_upstream / },
    {
      play: http1([get('/ws', ...upgrade)]),
      answers: { a: done((x) => x.write('HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno')) },
    },
  ),
  row(
    'the upstream answers 200',
    [get('/ws', ...upgrade)],
    { status: 200 },
    {
      play: http1([get('/ws', ...upgrade)]),
      answers: { a: done((x) => x.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')) },
    },
  ),
  row(
    'the upstream cannot be reached',
    [get('/nobody', ...upgrade)],
    { status: 503, log: / 503 UF / },
    { play: http1([get('/nobody', ...upgrade)]) },
  ),
  row(
    'off on the route',
    [get('/off', ...upgrade)],
    { status: 403, log: / 403 - upgrade_failed / },
    { play: http1([get('/off', ...upgrade)]) },
  ),
  row(
    'another protocol that nobody allows',
    [get('/ws', 'connection: upgrade', 'upgrade: other')],
    { status: 403 },
    { play: http1([get('/ws', 'connection: upgrade', 'upgrade: other')]) },
  ),
  row(
    'another protocol that is allowed',
    [get('/any', 'connection: upgrade', 'upgrade: foo'), accepted, 'hello', told, 'bye'],
    { client: /hello yourself/, upstream: /upgrade: foo/ },
    { logLines: 1 },
  ),
  row(
    'on the route alone',
    [get('/on', 'connection: upgrade', 'upgrade: bar'), accepted, 'hello', told, 'bye'],
    { client: /hello yourself/ },
    { logLines: 1 },
  ),
  row(
    'h2c is not one',
    [
      get(
        '/echo',
        'connection: upgrade, http2-settings',
        'upgrade: h2c',
        'http2-settings: AAMAAABkAAQCAAAAAAIAAAAA',
      ),
    ],
    { status: 200, never: /upgrade|http2-settings/i },
    {
      play: http1([
        get(
          '/echo',
          'connection: upgrade, http2-settings',
          'upgrade: h2c',
          'http2-settings: AAMAAABkAAQCAAAAAAIAAAAA',
        ),
      ]),
      answers: {},
    },
  ),
  row(
    'without connection: upgrade',
    [get('/echo', 'upgrade: websocket')],
    { status: 200, never: /^a\| upgrade/ },
    { play: http1([get('/echo', 'upgrade: websocket')]), answers: {} },
  ),
  row(
    'capitals in websocket',
    [get('/ws', 'connection: UPGRADE', 'upgrade: WebSocket'), accepted, 'hello', told, 'bye'],
    { client: /hello yourself/ },
    { logLines: 1 },
  ),
  row(
    'the upstream redirects',
    [get('/ws', ...upgrade)],
    { status: 302, client: /location: \/there/, log: / websocket_handshake_unsuccessful / },
    {
      play: http1([get('/ws', ...upgrade)]),
      answers: {
        a: done((x) => x.write('HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 2\r\n\r\nno')),
      },
    },
  ),
  row(
    'another protocol, and the upstream answers 200',
    [get('/any', 'connection: upgrade', 'upgrade: foo')],
    { status: 200, log: / 200 - via_upstream / },
    {
      play: http1([get('/any', 'connection: upgrade', 'upgrade: foo')]),
      answers: { a: done((x) => x.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')) },
    },
  ),
  ...[
    ['a field nominated beside it', 'keep-alive, Upgrade, x-kept, te'],
    ['fields nominated that nobody may drop', 'upgrade, x-forwarded-for, host'],
  ].map(([name, nominated]) =>
    row(
      name!,
      [
        get('/any', `connection: ${nominated}`, 'upgrade: foo', 'x-kept: 1', 'keep-alive: 5', 'te: gzip'),
        accepted,
        ...['hello', told, 'bye'],
      ],
      { client: /hello yourself/, upstream: [/upgrade: foo/, /x-kept: 1/], never: /keep-alive: 5/ },
      { logLines: 1 },
    ),
  ),
  row(
    'where nothing is forwarded',
    [get('/direct', ...upgrade)],
    { status: 200, log: / 200 - direct_response / },
    { play: http1([get('/direct', ...upgrade)]) },
  ),
  row(
    'where nothing is forwarded, and nobody allows it',
    [get('/direct', 'connection: upgrade', 'upgrade: other')],
    { status: 403, log: / upgrade_failed / },
    { play: http1([get('/direct', 'connection: upgrade', 'upgrade: other')]) },
  ),
  row(
    'without a route',
    [get('/nowhere', 'connection: upgrade', 'upgrade: other')],
    { status: 404, log: / route_not_found / },
    { play: http1([get('/nowhere', 'connection: upgrade', 'upgrade: other')]), on: 'few' },
  ),
  row(
    'the tunnel is idle',
    [get('/idle', ...upgrade), accepted],
    { client: /101/, log: / SI / },
    { logLines: 1, on: 'idle' },
  ),
  row(
    'to HTTP/2',
    [get('/h2', ...upgrade), accepted, 'hello', told, 'bye'],
    {
      client: [/101 Switching/, /hello yourself/],
      upstream: [/:method: CONNECT/, /:protocol: websocket/, /data: "hellobye"/],
    },
    {
      logLines: 1,
      answers: {
        h2: onHttp2(async ({ peer, stream, received, body }) => {
          peer.headers(stream, [[':status', '200']]);
          await received(5);
          peer.data(stream, 'hello yourself');
          await received(8);
          peer.data(stream, 'last', true);
          await body();
        }),
      },
    },
  ),
  row(
    'to HTTP/2 that refuses',
    [get('/h2', ...upgrade)],
    { status: 404 },
    {
      play: http1([get('/h2', ...upgrade)]),
      answers: { h2: onHttp2(({ peer, stream }) => peer.headers(stream, [[':status', '404']], true)) },
    },
  ),
  row(
    'to HTTP/2 without extended CONNECT',
    [get('/plain-h2', ...upgrade)],
    { status: 404, connection: 'closed' },
    {
      answers: {
        'plain-h2': onHttp2(({ peer, stream }) => peer.headers(stream, [[':status', '404']], true)),
      },
      play: http1([get('/plain-h2', ...upgrade)]),
    },
  ),
];

const connectHead =
  (path = '/ws', protocol = 'websocket') =>
  ({ id }: { readonly id: string }): Buffer =>
    headersFrame(1, [
      [':method', 'CONNECT'],
      [':protocol', protocol],
      [':scheme', 'http'],
      [':authority', 'test.example'],
      [':path', path],
      ['x-test', id],
      ['sec-websocket-version', '13'],
    ]);

const h2Row = (
  name: string,
  steps: readonly H2Step[],
  expect: Expectation,
  options: Http2Options = {},
  more: Partial<Case> = {},
): Case => ({
  ...{
    name: `extended CONNECT: ${name}`,
    covers: 'websocket',
    expect,
    on: 'h2',
    answers: { a: echo },
    logLines: 1,
  },
  play: http2(steps, options),
  ...more,
});

const overHttp2: readonly Case[] = [
  h2Row(
    'a WebSocket',
    [
      connectHead(),
      { until: (peer) => peer.stream(1).status === 200 },
      dataFrame(1, 'hello'),
      { until: (peer) => peer.stream(1).data.includes('yourself') },
      dataFrame(1, 'bye'),
    ],
    {
      status: 200,
      connection: 'open',
      client: /hello yourself/,
      upstream: [/^a\| GET \/ws HTTP\/1\.1/, /upgrade: websocket/, /connection: upgrade/i],
      log: / 101 UC upstream_reset_after_response_started/,
    },
  ),
  h2Row(
    'the setting is announced',
    [connectHead(), { until: (peer) => peer.stream(1).status === 200 }, rstStream(1, 8)],
    { client: /setting 8=1/ },
    { streams: [], tell: ({ settings }) => [`setting 8=${settings?.get(8) ?? 0}`] },
  ),
  h2Row(
    'the client resets',
    [
      connectHead(),
      { until: (peer) => peer.stream(1).status === 200 },
      dataFrame(1, 'hello'),
      { until: (peer) => peer.stream(1).data !== '' },
      rstStream(1, 8),
    ],
    { connection: 'open', upstream: /tunnel: .*hello" end/ },
    { streams: [] },
  ),
  h2Row(
    'refused by the upstream',
    [connectHead()],
    { status: 403, connection: 'open' },
    {},
    { answers: { a: done((x) => x.write('HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno')) } },
  ),
  h2Row(
    'the upstream answers 200',
    [connectHead()],
    { status: 200, log: / websocket_handshake_unsuccessful / },
    {},
    { answers: { a: done((x) => x.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')) } },
  ),
  h2Row('another protocol', [connectHead('/ws', 'other')], { status: 403, log: / 403 - upgrade_failed / }),
  h2Row(
    'where it is not allowed',
    [connectHead()],
    { connection: 'closed', log: / 0 DPE http2\.invalid\.header\.field / },
    {},
    { on: 'h2-off' },
  ),
  h2Row(
    'the upstream ends',
    [
      connectHead(),
      { until: (peer) => peer.stream(1).status === 200 },
      dataFrame(1, 'hello'),
      { until: (peer) => peer.stream(1).over },
    ],
    { client: /^reset CONNECT_ERROR/ },
    {},
    {
      answers: {
        a: onHttp1(async (x) => {
          x.write(switched);
          await x.tunnel().until(/hello/);
          x.end();
        }),
      },
    },
  ),
];

const allowed: Message = {
  upgrade_configs: [
    { upgrade_type: 'websocket' },
    { upgrade_type: 'foo' },
    { upgrade_type: 'bar', enabled: false },
  ],
};

export const groups: readonly Group[] = [
  {
    name: 'upgrades',
    backends: { a: http1Backend(), h2: http2Backend({ settings: [[8, 1]] }), 'plain-h2': http2Backend() },
    bootstrap: ({ ports }) => {
      const routes = [
        route('/nobody', { cluster: 'nobody' }),
        route('/off', { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] }),
        route('/on', { upgrade_configs: [{ upgrade_type: 'bar' }], timeout: '0s' }),
        route('/h2', { cluster: 'h2' }),
        route('/plain-h2', { cluster: 'plain-h2' }),
        { match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: 'here' } } },
        route('/'),
      ];
      const options = protocolOptions({
        explicit_http_config: { http2_protocol_options: { allow_connect: true } },
      });
      return bootstrap(
        [
          httpListener('main', { routes, hcm: allowed }),
          httpListener('few', { routes: routes.slice(0, -1), hcm: allowed }),
          httpListener('idle', { routes, hcm: { ...allowed, stream_idle_timeout: '0.15s' } }),
          httpListener('h2', {
            codec: 'HTTP2',
            routes,
            hcm: { ...allowed, http2_protocol_options: { allow_connect: true } },
          }),
          httpListener('h2-off', { codec: 'HTTP2', routes, hcm: allowed }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('h2', [ports.h2!], options),
          cluster('plain-h2', [ports['plain-h2']!], options),
          cluster('nobody', [
            { endpoint: { address: { socket_address: { address: '127.255.255.253', port_value: 1 } } } },
          ]),
        ],
      );
    },
    cases: [...overHttp1, ...overHttp2],
  },
];

if (import.meta.main) compare(groups);
