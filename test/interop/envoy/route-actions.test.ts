/** What routes say besides where a request goes: figures, sticky choices, formats, bodies. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import type { Topic } from './harness/topics.ts';
import { Channel } from './wire/channel.ts';
import { get, head, http1, type Step } from './wire/http1.ts';

const row =
  (covers: Topic, of: string) =>
  (name: string, steps: readonly Step[], expect: Expectation, more: Partial<Case> = {}): Case => ({
    ...{ name: `${of}: ${name}`, covers, on: 'main', expect },
    play: http1(steps),
    ...more,
  });

const text = (inline_string: string): Message => ({ text_format_source: { inline_string } });

// --- figures

const exact = (name: string, value: string): Message => ({ name, string_match: { exact: value } });

const counted: Message = {
  name: 'counted',
  domains: ['counted.example'],
  virtual_clusters: [
    {
      name: 'users',
      headers: [{ name: ':path', string_match: { prefix: '/users' } }, exact(':method', 'GET')],
    },
    { name: 'echo', headers: [{ name: ':path', string_match: { contains: 'echo' } }] },
    { name: 'later', headers: [{ name: ':path', string_match: { prefix: '/users/echo' } }] },
  ],
  routes: [
    route('/users/rewritten', { prefix_rewrite: '/echo' }),
    route('/users/retried', { retry_policy: { retry_on: '5xx', num_retries: 2 } }),
    route('/users/slow', { timeout: '0.1s' }),
    route('/named', {}, { stat_prefix: 'mine' }),
    route('/again', { retry_policy: { retry_on: '5xx', num_retries: 1 } }, { stat_prefix: 'again' }),
    route('/gone', { cluster: 'gone' }, { stat_prefix: 'gone' }),
    { match: { prefix: '/direct' }, direct_response: { status: 299 }, stat_prefix: 'direct' },
    route('/'),
  ],
};
const figures = row('virtual-clusters', 'figures');
const at = (path: string, ...headers: readonly string[]): Step =>
  head(`GET ${path} HTTP/1.1`, 'host: counted.example', 'x-test: @ID@', ...headers);
const vcluster = (name: string): string => `vhost.counted.vcluster.${name}.upstream_rq_`;
const ofRoute = (name: string): string => `vhost.counted.route.${name}.upstream_rq_`;
const failing = { a: 'HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n' };

const figureCases: readonly Case[] = [
  figures('of the first that matches', [at('/users/echo')], {
    stats: {
      [`${vcluster('users')}total`]: 1,
      [`${vcluster('users')}200`]: 1,
      [`${vcluster('users')}2xx`]: 1,
    },
  }),
  figures('of a later one', [at('/echo')], { stats: { [`${vcluster('echo')}total`]: 1 } }),
  figures('of no one', [at('/other')], { stats: { [`${vcluster('other')}total`]: 1 } }),
  figures('before a rewrite', [at('/users/rewritten')], { stats: { [`${vcluster('users')}total`]: 1 } }),
  figures(
    'of a failure',
    [at('/users/x')],
    { stats: { [`${vcluster('users')}503`]: 1 } },
    { answers: failing },
  ),
  figures(
    'of retries',
    [at('/users/retried')],
    { stats: { [`${vcluster('users')}retry`]: 2, [`${vcluster('users')}retry_limit_exceeded`]: 1 } },
    { answers: failing },
  ),
  figures(
    'of a retry that helps',
    [at('/users/retried')],
    { stats: { [`${vcluster('users')}retry_success`]: 1 } },
    {
      answers: {
        a: {
          http1: (x) =>
            x.write(`HTTP/1.1 ${x.attempt === 1 ? '503 no' : '200 OK'}\r\ncontent-length: 0\r\n\r\n`),
        },
      },
    },
  ),
  figures(
    'of a timeout',
    [at('/users/slow')],
    { status: 504, stats: { [`${vcluster('users')}timeout`]: 1, [`${vcluster('users')}504`]: 1 } },
    { answers: { a: { http1: () => {} } } },
  ),
  figures('of a route', [at('/named')], {
    stats: { [`${ofRoute('mine')}total`]: 1, [`${ofRoute('mine')}200`]: 1 },
  }),
  figures(
    'of a route that retries',
    [at('/again')],
    { stats: { [`${ofRoute('again')}retry`]: 1, [`${ofRoute('again')}total`]: 2 } },
    { answers: failing },
  ),
  figures('of a route to nobody', [at('/gone')], { status: 503 }),
  figures('of a direct response', [at('/direct')], { status: 299 }),
  figures('of a host without any', [get('/plain')], { status: 200, never: /vhost/ }),
];

// --- choices

const weights = (more: Message, ...of: readonly [string, number][]): Message => ({
  cluster: undefined,
  weighted_clusters: { clusters: of.map(([name, weight]) => ({ name, weight })), ...more },
});
const half: readonly [string, number][] = [
  ['a', 30],
  ['b', 70],
];
const byHash = { hash_policy: [{ header: { header_name: 'x-key' } }] };
const choices: readonly Message[] = [
  route('/weights/header', weights({ header_name: 'x-random' }, ...half)),
  route('/weights/hash', { ...weights({ use_hash_policy: true }, ...half), ...byHash }),
  route('/weights/no-hash', { ...weights({ use_hash_policy: true }, ['a', 0], ['b', 1]), ...byHash }),
  route('/weights/key', weights({ runtime_key_prefix: 'weights' }, ['a', 100], ['b', 0])),
  route(
    '/weights/key-header',
    weights({ runtime_key_prefix: 'weights', header_name: 'x-random' }, ['a', 1], ['b', 1]),
  ),
  route('/weights/total', weights({ total_weight: 100 }, ['a', 0], ['b', 100])),
  { match: { prefix: '/fraction/off', ...fraction(100, 'share.none') }, direct_response: { status: 299 } },
  { match: { prefix: '/fraction/on', ...fraction(0, 'share.all') }, direct_response: { status: 299 } },
  { match: { prefix: '/fraction/struct', ...fraction(0, 'share.struct') }, direct_response: { status: 299 } },
  { match: { prefix: '/fraction/unset', ...fraction(100, 'share.unset') }, direct_response: { status: 299 } },
  { match: { prefix: '/fraction/text', ...fraction(100, 'share.text') }, direct_response: { status: 299 } },
  { match: { prefix: '/fraction/much', ...fraction(0, 'share.much') }, direct_response: { status: 299 } },
  route('/plugin', { cluster: undefined, cluster_specifier_plugin: 'optional' }),
  route('/inline-plugin', {
    cluster: undefined,
    inline_cluster_specifier_plugin: { extension: plugin('inline'), is_optional: true },
  }),
  route('/pseudo', { cluster: undefined, cluster_header: ':authority' }),
];
function fraction(numerator: number, runtime_key: string): Message {
  return { runtime_fraction: { default_value: { numerator, denominator: 'HUNDRED' }, runtime_key } };
}
function plugin(name: string): Message {
  return { name, typed_config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' } };
}
const choice = row('cluster-choice', 'choice');
const RANDOM: readonly [name: string, headers: readonly string[], cluster: string][] = [
  ['29 of 100', ['x-random: 29'], 'a'],
  ['30 of 100', ['x-random: 30'], 'b'],
  ['more than the whole', ['x-random: 115'], 'a'],
  ['the largest number', ['x-random: 18446744073709551615'], 'a'],
  ['zeros', ['x-random: 00000030'], 'b'],
];
const KEYS = ['a', 'b', 'user-1', 'user-2', 'user-3', 'another key', 'Ω', '0', '42', 'z'.repeat(100)];

const choiceCases: readonly Case[] = [
  ...RANDOM.map(([name, headers, to]) =>
    choice(`a header of ${name}`, [get('/weights/header', ...headers)], {
      upstream: new RegExp(`^${to}\\| GET`),
    }),
  ),
  ...KEYS.map((key, i) =>
    choice(`by a hash ${i}`, [get('/weights/hash', `x-key: ${key}`)], { upstream: /^[ab]\| GET/ }),
  ),
  choice('no hash', [get('/weights/no-hash')], { upstream: /^b\| GET/ }),
  choice('weights of the runtime', [get('/weights/key')], { upstream: /^b\| GET/ }),
  ...[0, 1, 2, 3, 4].map((random) =>
    choice(
      `weights of the runtime, and a header of ${random}`,
      [get('/weights/key-header', `x-random: ${random}`)],
      {
        upstream: /^[ab]\| GET/,
      },
    ),
  ),
  choice('a total weight', [get('/weights/total')], { upstream: /^b\| GET/ }),
  choice('none, as the runtime says', [get('/fraction/off')], { status: 200 }),
  choice('all, as the runtime says', [get('/fraction/on')], { status: 299 }),
  choice('a fraction in the runtime', [get('/fraction/struct')], { status: 299 }),
  choice('a key that is not set', [get('/fraction/unset')], { status: 299 }),
  choice('a key that is a text', [get('/fraction/text')], { status: 299 }),
  choice('a key of more than 100', [get('/fraction/much')], { status: 299 }),
  choice('a plugin that is not known, and optional', [get('/plugin')], {
    status: 200,
    upstream: /GET \/plugin/,
  }),
  choice('the same in its place', [get('/inline-plugin')], { status: 200 }),
  choice('a cluster by the host', [head('GET /pseudo HTTP/1.1', 'host: b', 'x-test: @ID@')], {
    upstream: /^b\| GET/,
  }),
];

// --- formats

const formatted: readonly Message[] = [
  route('/format/path', { path_rewrite: '/new/%REQ(x-version)%' }),
  route('/format/nothing', { path_rewrite: '%REQ(x-version)%' }),
  route('/format/host', { host_rewrite: '%REQ(x-version)%.example' }),
  route('/format/no-host', { host_rewrite: '%REQ(x-version)%' }),
  { match: { prefix: '/format/redirect' }, redirect: { path_rewrite: '/new/%REQ(x-version)%' } },
  {
    match: { prefix: '/format/stripped' },
    redirect: { path_rewrite: '/new/%REQ(x-version)%', strip_query: true },
  },
  {
    match: { prefix: '/body/format' },
    direct_response: {
      status: 200,
      body: { inline_string: 'plain' },
      body_format: text('%REQ(:PATH)% %LOCAL_REPLY_BODY% %RESPONSE_CODE%'),
    },
  },
  {
    match: { prefix: '/body/json' },
    direct_response: {
      status: 201,
      body_format: { json_format: { path: '%REQ(:PATH)%', code: '%RESPONSE_CODE%' } },
    },
  },
  {
    match: { prefix: '/body/type' },
    direct_response: { status: 200, body_format: { ...text('<p>'), content_type: 'text/html' } },
  },
  {
    match: { prefix: '/body/file' },
    direct_response: { status: 200, body: { filename: '@FOLDER@/body.txt' } },
  },
  {
    match: { prefix: '/body/watched' },
    direct_response: {
      status: 200,
      body: { filename: '@FOLDER@/watched.txt', watched_directory: { path: '@FOLDER@' } },
    },
  },
  {
    match: { prefix: '/body/changed' },
    direct_response: { status: 200, body: { filename: '@FOLDER@/changed.txt' } },
  },
  {
    match: { prefix: '/body/empty' },
    direct_response: { status: 200, body: { filename: '@FOLDER@/empty.txt' } },
  },
  {
    match: { prefix: '/body/environment' },
    direct_response: { status: 200, body: { environment_variable: 'PATH' } },
  },
  { match: { prefix: '/body/bytes' }, direct_response: { status: 200, body: { inline_bytes: 'aGFsbG8=' } } },
];
/** Puts another file in the place of one, and waits until a change of the watched one, made after that, is seen. */
const replace = (name: string): Step => ({
  async act(play) {
    const text = `after ${name}`;
    for (const one of new Set([name, 'watched.txt'])) {
      writeFileSync(join(play.folder, `new-${one}`), text);
      renameSync(join(play.folder, `new-${one}`), join(play.folder, one));
    }
    await eventually(async () => {
      const channel = new Channel(play);
      await channel.write(head('GET /body/watched HTTP/1.1', 'host: test.example', 'x-test: probe'));
      await channel.until((got) => /\r\n\r\n./.test(got), 'a body');
      channel.socket.destroy();
      assert.ok(channel.text.endsWith(text));
    });
  },
});
const watched = { uncounted: 'asked as often as it takes' };
const format = row('formats', 'format');
const formatCases: readonly Case[] = [
  format('a path', [get('/format/path/x?q=1', 'x-version: v2')], {
    upstream: [/GET \/new\/v2\?q=1 HTTP/, /x-envoy-original-path: \/format\/path\/x\?q=1$/],
  }),
  format('a path with a query of its own', [get('/format/path', 'x-version: v2?a=b')], {
    upstream: /GET \/new\/v2/,
  }),
  format('a path of nothing', [get('/format/nothing?q')], { upstream: /GET \/format\/nothing\?q HTTP/ }),
  format('a path where nothing is named', [get('/format/path?q')], { upstream: /GET \/new\/-?\?q HTTP/ }),
  format('a host', [get('/format/host', 'x-version: v2')], { upstream: /host: v2\.example$/ }),
  format('a host of nothing', [get('/format/no-host')], { upstream: /host: test\.example$/ }),
  format('a redirect', [get('/format/redirect?q=1', 'x-version: v2')], {
    status: 301,
    client: /^location: http:\/\/test\.example\/new\/v2\?q=1$/,
  }),
  format('a redirect without the query', [get('/format/stripped?q=1', 'x-version: v2')], {
    client: /^location: http:\/\/test\.example\/new\/v2$/,
  }),
  format('a body', [get('/body/format?q')], {
    client: [/"\/body\/format\?q plain 0"/, /content-type: text\/plain/],
  }),
  format('a body of JSON', [get('/body/json')], { status: 201, client: /content-type: application\/json/ }),
  format('a type of a body', [get('/body/type')], { client: [/content-type: text\/html/, /"<p>"/] }),
  format('a body of a file', [get('/body/file')], { client: /"from a file/ }),
  format(
    'a file that is watched',
    [replace('watched.txt'), get('/body/watched')],
    { client: /"after/ },
    watched,
  ),
  format(
    'a file that is not watched',
    [replace('changed.txt'), get('/body/changed')],
    { client: /"before/ },
    watched,
  ),
  format('an empty file', [get('/body/empty')], { status: 200 }),
  format('a body of a variable', [get('/body/environment')], { status: 200, client: /bin/ }),
  format('a body of bytes', [get('/body/bytes')], { client: /"hallo"/ }),
];

// --- conditions

const meta = (path: readonly string[], value: Message, more: Message = {}): Message => ({
  dynamic_metadata: [{ filter: 'meta', path: path.map((key) => ({ key })), value, ...more }],
});
const string = (value: string): Message => ({ string_match: { exact: value } });
const conditions: readonly [name: string, match: Message][] = [
  ['text', meta(['text'], string('one'))],
  ['other', meta(['text'], string('two'))],
  ['inverted', meta(['text'], string('two'), { invert: true })],
  ['absent-inverted', meta(['absent'], string('two'), { invert: true })],
  ['absent', meta(['absent'], { present_match: false })],
  ['there', meta(['text'], { present_match: false })],
  ['present', meta(['text'], { present_match: true })],
  ['number', meta(['number'], { double_match: { exact: 5 } })],
  ['range', meta(['number'], { double_match: { range: { start: 5, end: 6 } } })],
  ['range-end', meta(['number'], { double_match: { range: { start: 4, end: 5 } } })],
  ['bool', meta(['bool'], { bool_match: true })],
  ['list', meta(['list'], { list_match: { one_of: string('b') } })],
  ['no-list', meta(['text'], { list_match: { one_of: string('one') } })],
  ['nested', meta(['nested', 'deep'], string('x'))],
  ['not-nested', meta(['text', 'deep'], string('x'))],
  ['null', meta(['nothing'], { null_match: {} })],
  ['null-absent', meta(['absent'], { null_match: {} })],
  ['or', meta(['text'], { or_match: { value_matchers: [string('zero'), string('one')] } })],
  ['state', { filter_state: [{ key: 'no.such', string_match: { exact: 'x' } }] }],
];
const condition = row('routing', 'condition');
const conditionCases: readonly Case[] = conditions.map(([name]) =>
  condition(name, [get(`/if/${name}`)], { client: /^HTTP\/1\.1 2/ }, { table: 'conditions' }),
);
const setMetadata = extension('set', 'filters.http.set_metadata.v3.Config', {
  metadata: [
    {
      metadata_namespace: 'meta',
      value: { text: 'one', number: 5, bool: true, list: ['a', 'b'], nested: { deep: 'x' }, nothing: null },
    },
  ],
});
/** Has the route looked for again. */
const clear = extension('clear', 'filters.http.header_to_metadata.v3.Config', {
  request_rules: [
    { header: 'x-test', on_header_present: { metadata_namespace: 'other', key: 'a', type: 'STRING' } },
  ],
});

// --- hosts by a header

const hostCases: readonly Case[] = [
  row('routing', 'host by a header')(
    'that is there',
    [get('/', 'x-host: one')],
    { status: 201 },
    { on: 'hosts' },
  ),
  row('routing', 'host by a header')('that is not there', [get('/')], { status: 404 }, { on: 'hosts' }),
  row('routing', 'host by a header')(
    'of another',
    [get('/', 'x-host: two')],
    { status: 404 },
    { on: 'hosts' },
  ),
  row('routing', 'host by a header')(
    'in capitals',
    [get('/', 'x-host: ONE')],
    { status: 201 },
    { on: 'hosts' },
  ),
  row('routing', 'host by a header')(
    'of two values',
    [get('/', 'x-host: one', 'x-host: two')],
    { status: 201 },
    { on: 'hosts' },
  ),
];

export const groups: readonly Group[] = [
  {
    name: 'route actions',
    backends: { a: http1Backend(), b: http1Backend() },
    files: () => ({
      ...{ 'body.txt': 'from a file\n', 'empty.txt': '' },
      ...{ 'watched.txt': 'before\n', 'changed.txt': 'before\n' },
    }),
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            hosts: [
              counted,
              {
                name: 'all',
                domains: ['*'],
                routes: [
                  ...choices,
                  ...formatted,
                  ...conditions.map(([name, match]) => ({
                    match: { prefix: `/if/${name}`, ...match },
                    direct_response: { status: 299 },
                  })),
                  { match: { prefix: '/if' }, direct_response: { status: 298 } },
                  route('/'),
                ],
              },
            ],
            filters: [setMetadata, clear],
            table: { cluster_specifier_plugins: [{ extension: plugin('optional'), is_optional: true }] },
          }),
          httpListener('hosts', {
            hosts: [
              {
                name: 'one',
                domains: ['one'],
                routes: [{ match: { prefix: '/' }, direct_response: { status: 201 } }],
              },
            ],
            table: { vhost_header: 'X-Host' },
          }),
        ],
        [cluster('a', [ports.a!]), cluster('b', [ports.b!]), cluster('gone', [])],
        {
          layered_runtime: {
            layers: [
              {
                name: 'static',
                static_layer: {
                  weights: { a: 0, b: 3 },
                  share: {
                    none: 0,
                    all: 100,
                    struct: { numerator: 1, denominator: 'HUNDRED' },
                    text: 'no number',
                    much: 101,
                  },
                },
              },
              {
                name: 'later',
                static_layer: { 'share.struct': { numerator: 10_000, denominator: 'TEN_THOUSAND' } },
              },
            ],
          },
        },
      ),
    cases: [...figureCases, ...choiceCases, ...formatCases, ...conditionCases, ...hostCases],
  },
];

if (import.meta.main) compare(groups);
