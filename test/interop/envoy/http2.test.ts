/** HTTP/2 as clients speak it: streams, trailers, flow control, frames that are odd and right. */
import { onHttp2 } from './backend/exchange.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { http2Group } from './harness/http2-group.ts';
import {
  dataFrame,
  flag,
  frame,
  frameType,
  goAway,
  headersFrame,
  ping,
  priorityFrame,
  rstStream,
  setting,
  settingsFrame,
  splitHeaders,
  windowUpdate,
} from './wire/h2-frames.ts';
import { hpackBlock, hpackIndexed } from './wire/hpack.ts';
import { fieldsOf, type H2Step, type Http2Options, h2Get, h2Post, http2, sendBody } from './wire/http2.ts';

const row = (
  name: string,
  steps: readonly H2Step[],
  expect: Expectation,
  options: Http2Options = {},
  more: Partial<Case> = {},
): Case => ({ ...{ name: `h2: ${name}`, covers: 'http2', expect }, play: http2(steps, options), ...more });

const requests: readonly Case[] = [
  row('GET', [h2Get('/echo')], {
    status: 200,
    connection: 'open',
    upstream: [/^a\| GET \/echo HTTP\/1\.1/, /host: test\.example/],
    log: /"GET \/echo HTTP\/2" test\.example 200 /,
    stats: { 'http.main.downstream_rq_http2_total': 2 },
  }),
  row('POST', [h2Post('/echo', [['content-length', '5']]), dataFrame(1, 'hel'), dataFrame(1, 'lo', true)], {
    status: 200,
    upstream: [/content-length: 5/, /body by length: "hello"/],
    log: / in=5 /,
  }),
  row('POST without a length', [h2Post('/echo'), dataFrame(1, 'hello', true)], {
    status: 200,
    upstream: [/transfer-encoding: chunked/, /body by chunked: "hello"/],
  }),
  row(
    'POST that ends with an empty frame',
    [h2Post('/echo'), dataFrame(1, 'hello'), dataFrame(1, '', true)],
    {
      status: 200,
      upstream: /"hello"/,
    },
  ),
  row('POST with an end in its head', [(play) => headersFrame(1, fieldsOf('POST', '/echo')(play), true)], {
    status: 200,
    upstream: /content-length: 0/,
  }),
  row('HEAD', [(play) => headersFrame(1, fieldsOf('HEAD', '/echo')(play), true)], {
    status: 200,
    client: /content-length: [1-9]/,
    never: /^data:/,
  }),
  row('204', [h2Get('/status/204')], { status: 204, client: /end of stream/ }),
  row('304', [h2Get('/status/304')], { status: 304 }),
  row('chunks of the upstream are frames', [h2Get('/chunked')], {
    status: 200,
    client: /data: "hello world"/,
    never: /transfer-encoding/,
  }),
  row('a body until the end of the connection', [h2Get('/close-delimited')], {
    client: /data: "until the end"\nend of stream/,
  }),
  row('early hints', [h2Get('/continue')], { status: 200, client: /"after hints"/ }),
  row(
    '100-continue',
    [
      h2Post('/echo', [['expect', '100-continue']]),
      { until: (peer) => peer.stream(1).blocks.length > 0 },
      dataFrame(1, 'ok', true),
    ],
    {
      status: 200,
      client: /:status: 100/,
    },
  ),
  row('hop-by-hop headers of the response', [h2Get('/hop')], {
    never: [/^connection:/, /^keep-alive/, /proxy-connection/],
  }),
  row(
    'cookies in pieces',
    [
      h2Get('/echo', [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
      ]),
    ],
    {
      upstream: /cookie: a=1; b=2/,
    },
  ),
  row('te: trailers', [h2Get('/echo', [['te', 'trailers']])], { upstream: /te: trailers/ }),
  row('a direct response', [h2Get('/direct')], { status: 200, client: /data: "here"/ }),
  row(
    'a reset of the upstream in its body',
    [
      h2Get('/partial'),
      { until: (peer) => peer.stream(1).data !== '' },
      { act: ({ backend, id }) => backend('a').reset(id) },
    ],
    {
      status: 200,
      connection: 'open',
      client: /^reset /,
    },
  ),
  row(
    'an answer before the end of the request',
    [h2Post('/early'), { until: (peer) => peer.stream(1).over }, dataFrame(1, 'abc')],
    { status: 200 },
  ),
  row('OPTIONS *', [(play) => headersFrame(1, fieldsOf('OPTIONS', '*')(play), true)], { status: 404 }),
];

const trailers: readonly Case[] = [
  row(
    'trailers of the request to HTTP/2',
    [h2Post('/h2/echo'), dataFrame(1, 'abc'), headersFrame(1, [['x-end', '1']], true)],
    { status: 200, upstream: /h2\| trailers\nh2\| x-end: 1/ },
  ),
  row(
    'trailers of the request to HTTP/1',
    [h2Post('/echo'), dataFrame(1, 'abc'), headersFrame(1, [['x-end', '1']], true)],
    { status: 200, never: /x-end/ },
  ),
  row('trailers of the response from HTTP/2', [h2Get('/h2/trailers')], {
    status: 200,
    client: /trailers\nx-sum: 294\ndata: "abc"\nend of stream/,
  }),
  row('trailers of the response from HTTP/1', [h2Get('/trailers')], { status: 200, never: /x-sum: 294/ }),
  row('trailers without a body', [h2Post('/h2/echo'), headersFrame(1, [['x-end', '1']], true)], {
    upstream: /x-end: 1/,
  }),
];

const multiplexed: readonly Case[] = [
  row(
    'three streams, the first one last',
    [
      h2Post('/echo/one', [], 1),
      h2Get('/echo/three', [], 3),
      h2Get('/status/404', [], 5),
      { until: (peer) => peer.stream(3).over && peer.stream(5).over },
      dataFrame(1, 'x', true),
    ],
    { status: [200, 200, 404], connection: 'open' },
    { streams: [1, 3, 5] },
    { inAnyOrder: true },
  ),
  row(
    'twenty streams at once',
    Array.from({ length: 20 }, (_, at) => h2Get(`/h2/echo/${at}`, [], 1 + 2 * at)),
    {
      status: Array.from({ length: 20 }, () => 200),
      connection: 'open',
    },
    { streams: Array.from({ length: 20 }, (_, at) => 1 + 2 * at) },
    { inAnyOrder: true },
  ),
  row(
    'the client resets a stream',
    [h2Get('/slow'), { saw: /GET \/slow/ }, rstStream(1, 8), h2Get('/echo', [], 3)],
    {
      status: 200,
      connection: 'open',
      log: /"GET \/slow HTTP\/2" test\.example 0 DR? ?/,
    },
    { streams: [3] },
    { logLines: 2 },
  ),
  row(
    'the client resets a stream in its body',
    [h2Post('/h2/echo'), dataFrame(1, 'abc'), { saw: /abc/, at: 'h2' }, rstStream(1, 8)],
    {
      connection: 'open',
      upstream: /reset /,
    },
    { streams: [] },
    { logLines: 1 },
  ),
  row(
    'a stream that is skipped',
    [h2Get('/echo', [], 7)],
    { status: 200, connection: 'open' },
    { streams: [7] },
  ),
];

const windows: readonly Case[] = [
  row(
    'a body larger than the window of the client',
    [h2Get('/h2/large')],
    { status: 200, client: /^200000 bytes|data: 200000 bytes/ },
    {},
    {
      answers: {
        h2: onHttp2(({ peer, stream }) => {
          peer.headers(stream, [[':status', '200']]);
          return sendBody(peer, stream, 'y'.repeat(200_000));
        }),
      },
    },
  ),
  row(
    'a body larger than the window of the proxy',
    [h2Post('/length'), { act: (_, peer) => sendBody(peer, 1, 'y'.repeat(400_000)) }],
    {
      status: 200,
      client: /data: "400000"/,
    },
  ),
  row(
    'a window of nothing until it is opened',
    [h2Get('/echo'), { until: (peer) => peer.stream(1).head !== undefined }, windowUpdate(1, 10_000)],
    { status: 200, client: /end of stream/ },
    { settings: [[setting.initialWindowSize, 0]], noProbe: true },
  ),
  row(
    'a window that is opened by SETTINGS',
    [
      h2Get('/echo'),
      { until: (peer) => peer.stream(1).head !== undefined },
      settingsFrame([[setting.initialWindowSize, 5000]]),
    ],
    { status: 200, connection: 'open' },
    { settings: [[setting.initialWindowSize, 0]] },
  ),
  row(
    'one stream that is stalled does not hold another',
    [
      h2Get('/h2/large'),
      { until: (peer) => peer.stream(1).data.length === 65_535 },
      windowUpdate(0, 1_000_000),
      h2Get('/echo', [], 3),
      { until: (peer) => peer.stream(3).over },
      rstStream(1, 8),
    ],
    { status: [200, 200] },
    { noCredit: true, streams: [3] },
    {
      logLines: 2,
      answers: {
        h2: onHttp2(({ peer, stream }) => {
          peer.headers(stream, [[':status', '200']]);
          void sendBody(peer, stream, 'y'.repeat(200_000)).catch(() => {});
        }),
      },
    },
  ),
];

const frames: readonly Case[] = [
  row(
    'a head in CONTINUATION frames',
    [(play) => splitHeaders(1, fieldsOf('GET', '/echo')(play), 20, true)],
    { status: 200 },
  ),
  row(
    'a head with an entry for the table',
    [
      (play) =>
        frame(
          frameType.headers,
          flag.endHeaders | flag.endStream,
          1,
          hpackIndexed(fieldsOf('GET', '/echo', [['x-kept', 'yes']])(play)),
        ),
    ],
    { status: 200, upstream: /x-kept: yes/ },
  ),
  row(
    'a head from the table',
    [
      (play) =>
        Buffer.concat([
          frame(
            frameType.headers,
            flag.endHeaders | flag.endStream,
            1,
            hpackIndexed([...fieldsOf('GET', '/echo')(play), ['x-kept', 'yes']]),
          ),
          // Static entries for what is there, and the newest of the table.
          frame(
            frameType.headers,
            flag.endHeaders | flag.endStream,
            3,
            Buffer.concat([
              Buffer.from([0x82, 0x86, 0x84, 0xbe]),
              hpackBlock([[':authority', 'test.example']]).subarray(0, 0),
              hpackBlock([
                ['x-test', play.id],
                ['host', 'test.example'],
              ]),
            ]),
          ),
        ]),
    ],
    { status: [200, 200], upstream: /GET \/ HTTP\/1\.1[\s\S]*x-kept: yes/ },
    { streams: [1, 3] },
  ),
  row(
    'padding',
    [
      (play) =>
        frame(
          frameType.headers,
          flag.endHeaders | flag.padded,
          1,
          Buffer.concat([Buffer.from([7]), hpackBlock(fieldsOf('POST', '/echo')(play)), Buffer.alloc(7)]),
        ),
      frame(
        frameType.data,
        flag.endStream | flag.padded,
        1,
        Buffer.concat([Buffer.from([3]), Buffer.from('hello'), Buffer.alloc(3)]),
      ),
    ],
    { status: 200, upstream: /"hello"/ },
  ),
  row(
    'priority in the head and in frames',
    [
      priorityFrame(3),
      (play) =>
        frame(
          frameType.headers,
          flag.endHeaders | flag.endStream | flag.priority,
          1,
          Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), hpackBlock(fieldsOf('GET', '/echo')(play))]),
        ),
    ],
    { status: 200, connection: 'open' },
  ),
  row('an unknown frame', [frame(0x42, 0, 0, Buffer.from('what')), h2Get('/echo')], {
    status: 200,
    connection: 'open',
  }),
  row('an unknown setting', [settingsFrame([[0x99, 5]]), h2Get('/echo')], {
    status: 200,
    connection: 'open',
  }),
  row(
    'PING',
    [ping('12345678'), h2Get('/echo'), { until: (peer) => peer.pongs.length > 0 }],
    { client: /pong 12345678/ },
    {
      tell: ({ pongs }) => pongs.map((pong) => `pong ${pong}`),
    },
  ),
  row(
    'SETTINGS of the proxy',
    [h2Get('/echo'), { until: (peer) => peer.settingsAcks > 0 }],
    { status: 200, client: /setting 3=/ },
    {
      tell: ({ settings = new Map() }) => [...settings].map(([id, value]) => `setting ${id}=${value}`).sort(),
    },
  ),
  row(
    'GOAWAY of the client lets streams finish',
    [h2Get('/later'), { saw: /GET \/later/ }, goAway(0, 0)],
    { status: 200 },
    { noProbe: true },
  ),
  row(
    'an unused frame of ORIGIN and ALTSVC',
    [frame(0xa, 0, 0, Buffer.alloc(4)), frame(0xc, 0, 0), h2Get('/echo')],
    { status: 200 },
  ),
];

export const groups: readonly Group[] = [
  http2Group('http2', [...requests, ...trailers, ...multiplexed, ...windows, ...frames]),
];

if (import.meta.main) compare(groups);
