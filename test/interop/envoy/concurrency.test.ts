/** Several threads: connections of one client meet any of them, and what is counted or limited is of all together. */
import { connect } from 'node:net';
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  httpListener,
  listener,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, ClientView, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Channel } from './wire/channel.ts';
import { get, http1, takeStep } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const MANY = 24;

/** The same from many clients at once: what all saw, each line once. */
async function crowd(count: number, one: (at: number) => Promise<ClientView>): Promise<ClientView> {
  const views = await Promise.all(Array.from({ length: count }, (_, at) => one(at)));
  const lines = [...new Set(views.map(({ lines: seen, connection }) => [...seen, connection].join(' / ')))];
  return { statuses: views.flatMap(({ statuses }) => statuses), lines: lines.sort() };
}

const row = (
  name: string,
  play: (play: Play) => Promise<ClientView>,
  expect: Case['expect'],
  more: Partial<Case> = {},
): Case => ({
  ...{ name: `threads: ${name}`, covers: 'concurrency', expect, play },
  inAnyOrder: true,
  ...more,
});
const all = (status: number, count = MANY): number[] => Array.from({ length: count }, () => status);

const cases: readonly Case[] = [
  row('many connections', (play) => crowd(MANY, () => http1([get('/status/201')])(play)), {
    status: all(201),
    stats: { 'http.main.downstream_cx_total': MANY, 'http.main.downstream_rq_total': 2 * MANY },
  }),
  row('many connections of HTTP/2', (play) => crowd(MANY, () => http2([h2Get('/status/202')])(play)), {
    status: all(202),
    stats: { 'http.main.downstream_cx_http2_total': MANY },
  }),
  row(
    'many connections without HTTP',
    (play) =>
      crowd(MANY, async () => {
        const channel = new Channel(play, { listener: 'tcp' });
        await takeStep(channel, play, 'hello');
        await channel.until((text) => text === 'echo hello', 'the echo');
        channel.end();
        await channel.untilClosed();
        return { statuses: [], lines: [channel.text] };
      }),
    { client: /^echo hello \/ $/, stats: { 'tcp.tcp.downstream_cx_total': MANY } },
    { logLines: MANY },
  ),
  row(
    'a limit of connections holds for all threads',
    async (play) => {
      const held = Array.from({ length: 4 }, () => connect({ port: play.port(), host: '127.0.0.1' }));
      for (const socket of held) {
        play.after(() => socket.destroy());
        socket.write('GET /status/200 HTTP/1.1\r\nhost: a\r\nx-test: probe\r\n\r\n');
        await new Promise((resolve) => socket.once('data', resolve));
      }
      return crowd(4, () => http1([get('/echo')])(play));
    },
    { status: [], client: /^closed$/, stats: { 'connection_limit.limited.limited_connections': 4 } },
    { on: 'limited' },
  ),
  row(
    'a limit of requests holds for all threads',
    async (play) => {
      const held = Array.from({ length: 2 }, () => new Channel(play));
      for (const channel of held) await takeStep(channel, play, get('/held'));
      await takeStep(held[0]!, play, { saw: /\/held[\s\S]*\/held/ });
      const view = await crowd(6, () => http1([get('/held')])(play));
      for (const _ of held) play.backend('a').cue();
      for (const channel of held) await channel.until((text) => text.endsWith('done'), 'what was held');
      return view;
    },
    { status: all(503, 6), stats: { 'cluster.few.upstream_rq_active_overflow': 6 } },
    {
      on: 'few',
      logLines: 8,
      answers: {
        a: onHttp1(async (x) => {
          await x.cue();
          x.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone');
        }),
      },
    },
  ),
  row(
    'the admin interface tells of them',
    async (play) => {
      const info = JSON.parse(await play.admin('/server_info')) as {
        readonly command_line_options: { readonly concurrency: number };
      };
      return { statuses: [], lines: [`concurrency ${info.command_line_options.concurrency}`] };
    },
    { client: /^concurrency 2$/, log: 'nothing' },
  ),
];

export const groups: readonly Group[] = [
  {
    name: 'several threads',
    flags: ['--concurrency', '2'],
    backends: { a: http1Backend(), echo: tcpBackend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main'),
          listener('tcp', tcpProxy('tcp', { cluster: 'echo' })),
          {
            ...listener('limited', {}),
            filter_chains: [
              {
                filters: [
                  extension(
                    'envoy.filters.network.connection_limit',
                    'filters.network.connection_limit.v3.ConnectionLimit',
                    { stat_prefix: 'limited', max_connections: 4 },
                  ),
                  http('limited'),
                ],
              },
            ],
          },
          httpListener('few', {
            routes: [
              { match: { prefix: '/held' }, route: { cluster: 'few' } },
              { match: { prefix: '/' }, route: { cluster: 'a' } },
            ],
          }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('echo', [ports.echo!]),
          cluster('few', [ports.a!], {
            circuit_breakers: { thresholds: [{ max_requests: 2 }] },
          }),
        ],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
