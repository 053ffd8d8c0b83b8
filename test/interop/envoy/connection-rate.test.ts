/** The network filter local_ratelimit. Buckets fill so slowly that nothing comes back while a case runs. */
import { http1 as http1Backend } from './backend/http1.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  listener,
  type Message,
  tcpLog,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Channel } from './wire/channel.ts';
import { get, http1, type Step } from './wire/http1.ts';
import { tcp } from './wire/tcp.ts';

/** One connection after the other. */
const inTurn =
  (...scripts: readonly Script[]): Script =>
  async (play) => {
    const lines: string[] = [];
    const statuses: number[] = [];
    for (const script of scripts) {
      const view = await script(play);
      lines.push(...view.lines);
      statuses.push(...view.statuses);
    }
    return { statuses, lines };
  };
const ask: Script = tcp(['hello', { until: /echo hello/ }, { end: true }]);
const refused: Script = tcp([]);
const page = (): Script => http1([get('/x')], { noProbe: true });
const row = (
  name: string,
  on: string,
  play: Script,
  logLines: number,
  limited: number,
  expect: Expectation = {},
): Case => ({
  ...{ name: `connection rate: ${name}`, covers: 'connection-rate', on, play, logLines },
  expect: { ...expect, stats: { [`local_rate_limit.${on}.rate_limited`]: limited } },
});

const limit = (name: string, max: number, more: Message = {}): Message =>
  extension('limit', 'filters.network.local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: name,
    token_bucket: { max_tokens: max, tokens_per_fill: max, fill_interval: '3600s' },
    ...more,
  });
const chain = (name: string, ...filters: readonly Message[]): Message =>
  listener(name, {}, { filter_chains: [{ filters }] });
const web: Message = { match: { prefix: '/' }, route: { cluster: 'web' } };
/** While another connection is open. */
const whileOpen =
  (script: Script): Script =>
  async (play) => {
    const other = new Channel(play);
    await other.write('hello');
    await other.until((text) => text.includes('echo hello'), 'an echo');
    const view = await script(play);
    other.end();
    await other.untilClosed();
    return view;
  };
const logged: Message = {
  cluster: 'a',
  access_log: [tcpLog('%RESPONSE_FLAGS%', '%DOWNSTREAM_LOCAL_CLOSE_REASON%', '%ACCESS_LOG_TYPE%')],
};
const keyed = (default_value: boolean, runtime_key: string): Message => ({ default_value, runtime_key });
const full = (name: string, runtime_enabled: Message): Message =>
  extension('limit', 'filters.network.connection_limit.v3.ConnectionLimit', {
    ...{ stat_prefix: name, max_connections: 1, runtime_enabled },
  });
const loopback: Message = { address_prefix: '127.0.0.0', prefix_len: 8 };
const silent: readonly Step[] = [];

export const groups: readonly Group[] = [
  {
    name: 'connection rate of several threads',
    flags: ['--concurrency', '2'],
    backends: { a: tcpBackend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          chain('threads', limit('threads', 5), tcpProxy('threads')),
          chain(
            'judged',
            extension('rbac', 'filters.network.rbac.v3.RBAC', {
              stat_prefix: 'judged',
              rules: {
                policies: { all: { permissions: [{ any: true }], principals: [{ source_ip: loopback }] } },
              },
            }),
            tcpProxy('judged'),
          ),
        ],
        [cluster('a', [ports.a!])],
      ),
    cases: [
      {
        ...row(
          'five of seven, over both threads',
          'threads',
          inTurn(ask, ask, ask, ask, ask, refused, refused),
          7,
          2,
        ),
        // Each thread writes its own lines.
        inAnyOrder: true,
      },
      {
        ...{ name: 'rbac of connections: two threads count together', covers: 'rbac', on: 'judged' },
        play: inTurn(ask, ask, ask, ask, ask, ask),
        expect: { stats: { 'judged.rbac.allowed': 6 } },
        logLines: 6,
        inAnyOrder: true,
      },
    ],
  },
  {
    name: 'connection rate',
    backends: { a: tcpBackend(), web: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          chain('one', limit('one', 1), tcpProxy('one', logged)),
          chain('two', limit('two', 2), tcpProxy('two')),
          chain('off', limit('off', 1, { runtime_enabled: { default_value: false } }), tcpProxy('off')),
          chain('key-off', limit('key-off', 1, { runtime_enabled: keyed(true, 'off') }), tcpProxy('key-off')),
          chain('key-on', limit('key-on', 1, { runtime_enabled: keyed(false, 'on') }), tcpProxy('key-on')),
          chain('full-off', full('full-off', keyed(true, 'off')), tcpProxy('full-off')),
          chain('full-on', full('full-on', keyed(false, 'on')), tcpProxy('full-on', logged)),
          chain('shared', limit('shared', 1, { share_key: 'both' }), tcpProxy('shared')),
          chain('sharing', limit('sharing', 1, { share_key: 'both' }), tcpProxy('sharing')),
          chain('alone', limit('alone', 1), limit('alone-2', 1), tcpProxy('alone')),
          chain('web', limit('web', 1), http('web', { routes: [web] })),
          chain(
            'connection-limit',
            extension('limit', 'filters.network.connection_limit.v3.ConnectionLimit', {
              stat_prefix: 'none',
              max_connections: 1,
            }),
            limit('connection-limit', 1),
            tcpProxy('connection-limit', logged),
          ),
          chain(
            'full',
            extension('limit', 'filters.network.connection_limit.v3.ConnectionLimit', {
              stat_prefix: 'full',
              max_connections: 1,
            }),
            tcpProxy('full', logged),
          ),
          chain('echo', limit('echo', 1), extension('echo', 'filters.network.echo.v3.Echo')),
        ],
        [cluster('a', [ports.a!]), cluster('web', [ports.web!])],
        { layered_runtime: { layers: [{ name: 'static', static_layer: { off: false, on: true } }] } },
      ),
    cases: [
      row('one of two', 'one', inTurn(ask, refused), 2, 1),
      row('two of three', 'two', inTurn(ask, ask, refused), 3, 1),
      row('off', 'off', inTurn(ask, ask), 2, 0),
      row('off by the runtime', 'key-off', inTurn(ask, ask), 2, 0),
      row('on by the runtime', 'key-on', inTurn(ask, refused), 2, 1),
      {
        ...{ name: 'connection_limit: off by the runtime', covers: 'connection-rate', on: 'full-off' },
        play: whileOpen(ask),
        expect: { stats: { 'connection_limit.full-off.limited_connections': 0 } },
        ...{ logLines: 2, inAnyOrder: true },
      },
      {
        ...{ name: 'connection_limit: on by the runtime', covers: 'connection-rate', on: 'full-on' },
        play: whileOpen(refused),
        expect: {
          log: /over_connection_limit/,
          stats: { 'connection_limit.full-on.limited_connections': 1 },
        },
        ...{ logLines: 2, inAnyOrder: true },
      },
      row('a bucket of two listeners', 'shared', ask, 1, 0),
      row('a bucket of two listeners, the other', 'sharing', refused, 1, 1),
      row('two in a row', 'alone', inTurn(ask, refused, refused), 3, 2),
      row('behind connection_limit', 'connection-limit', inTurn(ask, refused), 2, 1),
      {
        ...{ name: 'connection rate: not let in by connection_limit', covers: 'connection-rate', on: 'full' },
        play: whileOpen(refused),
        expect: { log: /over_connection_limit/, stats: { 'connection_limit.full.limited_connections': 1 } },
        ...{ logLines: 2, inAnyOrder: true },
      },
      row('before HTTP', 'web', inTurn(page(), http1(silent, { raw: true, methods: [] })), 1, 1, {
        status: 200,
      }),
      row('before echo', 'echo', inTurn(tcp(['hello', { until: /hello/ }, { end: true }]), refused), 0, 1),
    ],
  },
];

if (import.meta.main) compare(groups);
