/** Values of the runtime: where they come from, what they are, and what they change while requests come. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { http1 as http1Backend } from './backend/http1.ts';
import { untilPage } from './harness/admin-lines.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, ClientView, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { pageStatuses } from './harness/shape.ts';
import { get, http1 } from './wire/http1.ts';

const set = (play: Play, query: string): Promise<string> => play.admin(`/runtime_modify?${query}`, 'POST');

/** Sets values, asks, and takes them back. */
const whileSet =
  (query: string, ask: Script): Script =>
  async (play) => {
    await set(play, query);
    const view = await ask(play);
    await set(play, query.replace(/=[^&]*/g, '='));
    return view;
  };

const staticValues: Readonly<Record<string, unknown>> = {
  ...{ zero: 0, text_zero: '0', part: 0.9, over: 101, below: -1, no: false, yes: true, word: 'abc' },
  struct: { numerator: 0 },
  million: { numerator: 0, denominator: 'MILLION' },
  hundred: { numerator: 100, denominator: 'HUNDRED' },
  empty: {},
  more: { numerator: 0, x: 1 },
  foo: { numerator: 0, denominator: 'FOO' },
  yaml: 'numerator: 0',
  nested: { in: { it: 0 } },
};
/** Whether a route of 100 % is still taken. */
const takenWith: readonly (readonly [key: string, taken: boolean])[] = [
  ...(['zero', 'text_zero', 'part', 'struct', 'million', 'empty', 'nested.in.it'] as const).map(
    (key) => [key, false] as const,
  ),
  ...(['over', 'below', 'no', 'yes', 'word', 'hundred', 'more', 'foo', 'yaml', 'unset'] as const).map(
    (key) => [key, true] as const,
  ),
];
const byHand: readonly (readonly [value: string, taken: boolean])[] = [
  ['0', false],
  ['100', true],
  ['numerator: 0', false],
  ['{numerator: 0, denominator: MILLION}', false],
  ['{"numerator": 0}', false],
  ['false', true],
  ['0.5', false],
  [' 0 ', false],
  ['0%', true],
];

const fractionRoute = (key: string): readonly Message[] => [
  {
    match: { path: `/${key}`, runtime_fraction: { runtime_key: key, default_value: { numerator: 100 } } },
    direct_response: { status: 200 },
  },
  { match: { path: `/${key}` }, direct_response: { status: 404 } },
];

const fractions: readonly Case[] = [
  ...takenWith.map(
    ([key, taken]): Case => ({
      name: `runtime: a fraction that is ${key} is ${taken ? 'the default' : 'none'}`,
      covers: 'runtime',
      table: 'values of a static layer',
      play: http1([get(`/${key}`)]),
      expect: { status: taken ? 200 : 404 },
    }),
  ),
  ...byHand.map(
    ([value, taken]): Case => ({
      name: `runtime: set to "${value}" a fraction is ${taken ? 'the default' : 'none'}`,
      covers: 'runtime',
      table: 'values set by hand',
      play: whileSet(`hand=${encodeURIComponent(value)}`, http1([get('/hand')])),
      expect: { status: taken ? 200 : 404 },
    }),
  ),
];

interface Entry {
  readonly layer_values: readonly string[];
  readonly final_value: string;
}

const dumped =
  (pattern: RegExp): Script =>
  async (play) => {
    const { layers, entries } = JSON.parse(await play.admin('/runtime')) as {
      readonly layers: readonly string[];
      readonly entries: Readonly<Record<string, Entry>>;
    };
    const chosen = Object.entries(entries).filter(([key]) => pattern.test(key));
    return {
      statuses: [],
      lines: [
        `layers ${layers}`,
        ...chosen
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(
            ([key, { layer_values, final_value }]: [string, Entry]) =>
              `${key} ${JSON.stringify(layer_values)} ${JSON.stringify(final_value)}`,
          ),
      ],
    };
  };

const writeVersion = (folder: string, version: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, version, name, '..'), { recursive: true });
    writeFileSync(join(folder, version, name), text);
  }
  symlinkSync(version, join(folder, `${version}.link`));
  renameSync(join(folder, `${version}.link`), join(folder, 'current'));
};

const layers: readonly Case[] = [
  {
    name: 'runtime: static values are shown as they were written',
    covers: 'runtime',
    play: dumped(/^(?:zero|part|no|word|nested|yaml|over)/),
    expect: { client: /^nested\.in\.it \["0",""\] "0"$/ },
  },
  {
    name: 'runtime: a value set by hand is above the others, and goes again',
    covers: 'runtime',
    play: async (play): Promise<ClientView> => {
      await set(play, 'zero=7&new=8');
      const first = await dumped(/^(?:zero|new)$/)(play);
      await set(play, 'zero=&new=');
      const then = await dumped(/^(?:zero|new)$/)(play);
      return { statuses: [], lines: [...first.lines, ...then.lines] };
    },
    expect: { client: [/^new \["","8"\] "8"$/, /^zero \["0","7"\] "7"$/, /^zero \["0",""\] "0"$/] },
  },
  {
    name: 'runtime: the first of two values for one key holds',
    covers: 'runtime',
    play: whileSet('twice=1&twice=2', dumped(/^twice$/)),
    expect: { client: /^twice \["","1"\] "1"$/ },
  },
  {
    name: 'runtime: what cannot be set is refused',
    covers: 'runtime',
    play: pageStatuses(
      ['POST', '/runtime_modify'],
      ['GET', '/runtime_modify?a=1'],
      ['POST', '/runtime_modify?a=%7Ba:%20%5B'],
    ),
    expect: { client: [/modify: 400$/, /^GET .*: 405$/, /5B: 503$/] },
  },
  {
    name: 'runtime: files are read when the link is swapped',
    covers: 'runtime',
    play: async (play) => {
      writeVersion(play.folder, 'v1', {
        'envoy/disk': '3\n',
        'envoy/in/it': '# why\n text \n',
        'envoy/zero': '9',
      });
      await untilPage(play, '/runtime', /"disk": \{/);
      return dumped(/^(?:disk|in|zero)/)(play);
    },
    expect: {
      client: [/^disk \["","3",""\] "3"$/, /^in\.it \["",".*text",""\]/, /^zero \["0","9",""\] "9"$/],
    },
  },
];

const fault = extension('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault', {
  abort: { http_status: 418, percentage: { numerator: 0 } },
});
const log = (filter: Message): Message => ({
  ...extension('log', 'access_loggers.file.v3.FileAccessLog', {
    path: '@LOG@',
    log_format: { text_format_source: { inline_string: '%REQ(X-TEST)% filtered\n' } },
  }),
  filter,
});

const features: readonly Case[] = [
  {
    name: 'runtime: no request may go to a cluster',
    covers: 'runtime',
    on: 'features',
    play: whileSet('circuit_breakers.a.default.max_requests=0', http1([get('/echo')], { noProbe: true })),
    expect: {
      status: 503,
      client: /x-envoy-overloaded: true/,
      log: / UO /,
      stats: { 'cluster.a.upstream_rq_active_overflow': 1 },
    },
  },
  {
    name: 'runtime: no request may wait for a connection',
    covers: 'runtime',
    on: 'features',
    play: whileSet(
      'circuit_breakers.b.default.max_pending_requests=0',
      http1([get('/b')], { noProbe: true }),
    ),
    expect: { status: 503, stats: { 'cluster.b.upstream_rq_pending_overflow': 1 } },
  },
  {
    name: 'runtime: a cluster is in maintenance',
    covers: 'runtime',
    on: 'features',
    play: whileSet('upstream.maintenance_mode.a=100', http1([get('/echo')])),
    expect: { status: 503, client: /maintenance mode/, log: / UO maintenance_mode/ },
  },
  {
    name: 'runtime: faults come and go',
    covers: 'runtime',
    on: 'features',
    play: whileSet('fault.http.abort.abort_percent=100', http1([get('/echo')])),
    expect: { status: 418, log: / FI fault_filter_abort/ },
  },
  {
    name: 'runtime: faults of another status',
    covers: 'runtime',
    on: 'features',
    play: whileSet(
      'fault.http.abort.abort_percent=100&fault.http.abort.http_status=429',
      http1([get('/echo')]),
    ),
    expect: { status: 429 },
  },
  {
    name: 'runtime: faults for one caller',
    covers: 'runtime',
    on: 'features',
    play: whileSet(
      'fault.http.web.abort.abort_percent=100',
      http1([get('/echo', 'x-envoy-downstream-service-cluster: web')]),
    ),
    expect: { status: 418 },
  },
  {
    name: 'runtime: a log is written for all',
    covers: 'runtime',
    on: 'features',
    logLines: 2,
    play: whileSet('log.share=100', http1([get('/echo')], { noProbe: true })),
    expect: { status: 200, log: /filtered$/ },
  },
  {
    name: 'runtime: a log is written from another status on',
    covers: 'runtime',
    on: 'features',
    logLines: 2,
    play: whileSet('log.status=200', http1([get('/echo')], { noProbe: true })),
    expect: { status: 200, log: /filtered$/ },
  },
  {
    name: 'runtime: no connection is let in',
    covers: 'runtime',
    on: 'features',
    logLines: 0,
    play: async (play) => {
      const key = 'envoy.resource_limits.listener.features.connection_limit';
      await set(play, `${key}=0`);
      const { Channel } = await import('./wire/channel.ts');
      const channel = new Channel(play);
      await channel.untilClosed();
      await set(play, `${key}=`);
      return { statuses: [], lines: ['closed'] };
    },
    expect: { client: /^closed$/, stats: { 'listener.features.downstream_cx_overflow': 1 } },
  },
  {
    name: 'runtime: the figures of the runtime',
    covers: 'runtime',
    play: whileSet('one=1&two=2', async (play) => {
      const page = await play.admin('/stats?filter=^runtime.(num|admin)');
      return { statuses: [], lines: page.trim().split('\n') };
    }),
    expect: { client: [/^runtime\.admin_overrides_active: 1$/, /^runtime\.num_layers: \d$/] },
  },
];

export const groups: readonly Group[] = [
  {
    name: 'runtime',
    backends: { a: http1Backend(), b: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [...takenWith.map(([key]) => key), 'hand'].flatMap(fractionRoute),
          }),
          httpListener('features', {
            routes: [route('/b', { cluster: 'b' }), route('/')],
            filters: [fault],
            hcm: {
              access_log: [
                extension('log', 'access_loggers.file.v3.FileAccessLog', {
                  path: '@LOG@',
                  log_format: {
                    text_format_source: {
                      inline_string:
                        '%REQ(X-TEST)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n',
                    },
                  },
                }),
                log({ runtime_filter: { runtime_key: 'log.share' } }),
                log({
                  status_code_filter: {
                    comparison: { op: 'GE', value: { default_value: 600, runtime_key: 'log.status' } },
                  },
                }),
              ],
            },
          }),
        ],
        [cluster('a', [ports.a!]), cluster('b', [ports.b!])],
        {
          layered_runtime: {
            layers: [
              { name: 'fixed', static_layer: staticValues },
              { name: 'files', disk_layer: { symlink_root: '@FOLDER@/current', subdirectory: 'envoy' } },
              { name: 'admin', admin_layer: {} },
            ],
          },
        },
      ),
    files: () => ({}),
    cases: [...layers, ...fractions, ...features],
  },
];

if (import.meta.main) compare(groups);
