/** Bodies that come bit by bit: nothing is held back, and who is slow is waited for. */
import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.ts';
import { onHttp1, onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { bootstrap, cluster, http2Cluster, httpListener, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Channel } from './wire/channel.ts';
import { dataFrame, rstStream, setting, windowUpdate } from './wire/h2-frames.ts';
import { backendSaw, get, http1, request, type Step, takeStep } from './wire/http1.ts';
import { type H2Step, h2Get, h2Post, http2, sendBody } from './wire/http2.ts';

const row = (name: string, steps: readonly Step[], expect: Expectation, more: Partial<Case> = {}): Case => ({
  ...{ name: `stream: ${name}`, covers: 'streaming', expect },
  play: http1(steps),
  ...more,
});

const EVENTS = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const event = (text: string): string => {
  const data = `data: ${text}\n\n`;
  return `${data.length.toString(16)}\r\n${data}\r\n`;
};

const events: readonly Case[] = [
  row(
    'events come one by one',
    [get('/events'), { until: /data: one\n\n/ }, { cue: 'a' }],
    { status: 200, client: /data: one.*data: two/ },
    {
      answers: {
        a: onHttp1(async (x) => {
          x.write(EVENTS + event('one'));
          await x.cue();
          x.write(`${event('two')}0\r\n\r\n`);
        }),
      },
    },
  ),
  row(
    'events over HTTP/2',
    [],
    { status: 200, client: /data: one.*data: two/ },
    {
      play: http2([
        h2Get('/h2/events'),
        { until: (peer) => peer.stream(1).data.includes('one') },
        { cue: 'h2' },
      ]),
      answers: {
        h2: onHttp2(async ({ peer, stream, cue }) => {
          peer.headers(stream, [
            [':status', '200'],
            ['content-type', 'text/event-stream'],
          ]);
          peer.data(stream, 'data: one\n\n');
          await cue();
          peer.data(stream, 'data: two\n\n', true);
        }),
      },
    },
  ),
  row(
    'the head comes before any event',
    [get('/events'), { until: /\r\n\r\n/ }, { act: ({ backend, id }) => backend('a').reset(id) }],
    { status: 200, connection: 'closed' },
    {
      answers: { a: onHttp1((x) => x.write(EVENTS)) },
    },
  ),
  row(
    'the client goes away',
    [],
    { upstream: /GET \/events/, log: / 200 DC downstream_remote_disconnect / },
    {
      logLines: 1,
      play: async (play) => {
        const channel = new Channel(play);
        await takeStep(channel, play, get('/events'));
        await channel.until((text) => text.includes('data: one'), 'the first event');
        channel.socket.destroy();
        return { statuses: [], lines: [] };
      },
      answers: { a: onHttp1((x) => x.write(EVENTS + event('one'))) },
    },
  ),
];

const uploads: readonly Case[] = [
  row(
    'a head goes on before its body',
    [request('POST', '/echo', ['content-length: 5']), { saw: /POST \/echo/ }, 'hello'],
    { status: 200, upstream: /"hello"/ },
  ),
  row(
    'a chunk goes on before the next',
    [
      request('POST', '/echo', ['transfer-encoding: chunked']),
      '3\r\none\r\n',
      { saw: /so far: "one"/ },
      '3\r\ntwo\r\n',
      { saw: /so far: "onetwo"/ },
      '0\r\n\r\n',
    ],
    { status: 200, upstream: /"onetwo"/ },
  ),
  row(
    'data go on before the end over HTTP/2',
    [],
    { status: 200, upstream: /"onetwo"/ },
    {
      play: http2([
        h2Post('/echo'),
        dataFrame(1, 'one'),
        { saw: /so far: "one"/ },
        dataFrame(1, 'two', true),
      ]),
    },
  ),
  row(
    'an answer begins before the request ends',
    [
      request('POST', '/both', ['transfer-encoding: chunked']),
      '3\r\none\r\n',
      { until: /got one/ },
      '3\r\ntwo\r\n0\r\n\r\n',
    ],
    { status: 200, client: /got one.*got two/ },
    {
      answers: {
        a: onHttp1(async (x) => {
          x.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\ngot one\r\n');
          await x.body();
          x.write('7\r\ngot two\r\n0\r\n\r\n');
        }),
      },
    },
  ),
  row(
    'the upstream answers and closes before all is sent',
    [request('POST', '/early', ['content-length: 100000']), { until: /early/ }],
    { status: 200, connection: 'closed' },
  ),
];

/** More than all buffers on the way hold. */
const MUCH = 40_000_000;
const LOOK_MS = 60;

const slowReaders: readonly Case[] = [
  row(
    'a client that does not read holds the upstream back',
    [],
    { client: /held back: true\nall of it: true/ },
    {
      logLines: 1,
      play: async (play) => {
        const channel = new Channel(play);
        let bytes = 0;
        channel.socket.removeAllListeners('data');
        channel.socket.pause();
        channel.socket.on('data', (some: Buffer) => {
          bytes += some.length;
        });
        channel.socket.pause();
        await takeStep(channel, play, get('/much'));
        await backendSaw(play, /GET \/much/);
        let before = -1;
        // Until nothing more is taken.
        await eventually(
          () => {
            const { pumped } = play.backend('a');
            const more = pumped !== before || pumped === 0;
            before = pumped;
            assert.ok(!more);
          },
          { everyMs: LOOK_MS },
        );
        const held = play.backend('a').pumped < MUCH;
        channel.socket.resume();
        await eventually(() => assert.ok(bytes > MUCH));
        return { statuses: [], lines: [`held back: ${held}`, `all of it: ${bytes > MUCH}`] };
      },
      answers: {
        a: onHttp1((x) => {
          x.write(`HTTP/1.1 200 OK\r\ncontent-length: ${MUCH}\r\n\r\n`);
          return x.pump(MUCH);
        }),
      },
    },
  ),
];

const windows: readonly Case[] = [
  row(
    'a stalled stream takes no more than its window',
    [],
    { client: /stream 1 has 1000 bytes/ },
    {
      logLines: 1,
      answers: {
        h2: onHttp2(async ({ peer, stream }) => {
          peer.headers(stream, [[':status', '200']]);
          await sendBody(peer, stream, 'y'.repeat(50_000)).catch(() => {});
        }),
      },
      play: http2(
        [h2Get('/h2/large'), { until: (peer) => peer.stream(1).data.length >= 1000 }, rstStream(1, 8)],
        {
          settings: [[setting.initialWindowSize, 1000]],
          noCredit: true,
          streams: [],
          tell: (peer) => [`stream 1 has ${peer.stream(1).data.length} bytes`],
        },
      ),
    },
  ),
  row(
    'a window that opens byte by byte',
    [],
    { status: 200, client: /data: "GET \/echo/ },
    {
      play: http2(
        [
          h2Get('/h2/echo'),
          ...Array.from({ length: 9 }, (_, at): H2Step[] => [
            { until: (peer) => peer.stream(1).data.length > at },
            windowUpdate(1, 1),
          ]).flat(),
        ],
        {
          settings: [[setting.initialWindowSize, 1]],
          noCredit: true,
          noProbe: true,
        },
      ),
    },
  ),
];

export const groups: readonly Group[] = [
  {
    name: 'streaming',
    backends: { a: http1Backend(), h2: http2Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              route('/h2/', { cluster: 'h2', prefix_rewrite: '/', timeout: '0s' }),
              route('/', { timeout: '0s' }),
            ],
          }),
        ],
        [cluster('a', [ports.a!]), http2Cluster('h2', [ports.h2!])],
      ),
    cases: [...events, ...uploads, ...slowReaders, ...windows],
  },
];

if (import.meta.main) compare(groups);
