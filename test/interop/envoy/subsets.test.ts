/** Subsets of endpoints: what a route, a weighted cluster or a request asks of their metadata. */
import { http1 as http1Backend } from './backend/http1.ts';
import { clusterOf, FAILING, lb, legacy, REQUESTS, type Row, versions } from './cases/subset-clusters.ts';
import { tables } from './cases/subset-tables.ts';
import { adminLines } from './harness/admin-lines.ts';
import {
  bootstrap,
  extension,
  httpListener,
  listener,
  type Message,
  route,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const several = (count = REQUESTS): string[] => Array.from({ length: count }, () => 'GET');

const TO_ALL: readonly RegExp[] = [/a\| GET/, /b\| GET/];
const others = (to: string): RegExp[] =>
  ['a', 'b', 'c'].filter((name) => name !== to).map((name) => new RegExp(`${name}\\| GET`));

function expectation({ to, stats }: Row): Expectation {
  const counted = stats === undefined ? {} : { stats };
  if (to === 'none') {
    return {
      status: several(FAILING).map(() => 503),
      upstream: 'nothing',
      log: / UH no_healthy_upstream /,
      ...counted,
    };
  }
  const status = several().map(() => 200);
  if (to === 'any') return { status, upstream: TO_ALL, ...counted };
  return { status, upstream: new RegExp(`${to}\\| GET`), never: others(to), ...counted };
}

const rows = Object.entries(tables).flatMap(([cluster, table]) =>
  table.rows.map((row): Case => {
    const { name, path, headers = [], to } = row;
    const methods = several(to === 'none' ? FAILING : REQUESTS);
    const requests = methods.map(() => get(`/${cluster}/${path}`, ...headers));
    return {
      name: to === 'any' ? `${name}: any endpoint` : name,
      covers: 'subsets',
      play: http1(requests, { methods }),
      expect: expectation(row),
      ...(to === 'any' && { inAnyOrder: true }),
    };
  }),
);

/** What is asked for comes from more than a route. */
const sources: readonly Case[] = [
  {
    name: 'a weighted cluster asks for more than its route',
    covers: 'subsets',
    play: http1([get('/weighted/more')]),
    expect: { status: 200, upstream: /b\| GET/, stats: { 'cluster.both.lb_subsets_selected': 1 } },
  },
  {
    name: 'a weighted cluster asks for another value than its route',
    covers: 'subsets',
    play: http1([get('/weighted/other')]),
    expect: { status: 200, upstream: /a\| GET/ },
  },
  {
    name: 'a weighted cluster that says nothing asks for what its route does',
    covers: 'subsets',
    play: http1([get('/weighted/silent')]),
    expect: { status: 200, upstream: /b\| GET/ },
  },
  {
    name: 'a request asks for more than its route',
    covers: 'subsets',
    play: http1([get('/stage', 'x-version: 2')]),
    expect: { status: 200, upstream: /b\| GET/ },
  },
  {
    name: 'a request asks for another value than its route',
    covers: 'subsets',
    play: http1([get('/two', 'x-version: 1')]),
    expect: { status: 200, upstream: /a\| GET/ },
  },
  {
    name: 'a request asks, and its route does not',
    covers: 'subsets',
    play: http1([get('/silent', 'x-version: 1')]),
    expect: { status: 200, upstream: /a\| GET/ },
  },
  {
    name: 'nobody asks',
    covers: 'subsets',
    play: http1([get('/silent')]),
    expect: { status: 503, log: / UH / },
  },
  {
    name: 'a connection without HTTP',
    covers: 'subsets',
    on: 'tcp',
    play: http1([get('/echo')]),
    expect: { upstream: /b\| GET/ },
  },
  {
    name: 'a weighted cluster of a connection without HTTP',
    covers: 'subsets',
    on: 'tcp-weighted',
    play: http1([get('/echo')]),
    expect: { upstream: /a\| GET/ },
  },
  {
    name: 'subsets are counted',
    covers: 'subsets',
    // Threads of Envoy count their own, and so does the main thread.
    play: async (play) => {
      const view = await http1([get('/silent', 'x-version: 1')])(play);
      const lines = await adminLines(play, '/stats', /lb_subsets_(?:active|created|removed|single)/);
      return { ...view, lines: [...view.lines, ...lines.map((line) => line.replace(/[1-9]\d*$/, 'some'))] };
    },
    expect: { client: [/both\.lb_subsets_active: some/, /lb_subsets_single_host_per_subset_duplicate: 0/] },
  },
];

const toMetadata = extension(
  'envoy.filters.http.header_to_metadata',
  'filters.http.header_to_metadata.v3.Config',
  {
    request_rules: [
      {
        header: 'x-version',
        on_header_present: { metadata_namespace: 'envoy.lb', key: 'version', type: 'STRING' },
      },
    ],
  },
);

const weighted = (path: string, asked: Message | undefined, own: Message | undefined): Message => ({
  match: { path: `/weighted/${path}` },
  route: {
    prefix_rewrite: '/echo',
    ...(asked !== undefined && { metadata_match: lb(asked) }),
    weighted_clusters: {
      clusters: [{ name: 'both', weight: 1, ...(own !== undefined && { metadata_match: lb(own) }) }],
    },
  },
});

export const groups: readonly Group[] = [
  {
    name: 'subsets of endpoints',
    backends: { a: http1Backend(), b: http1Backend(), c: http1Backend() },
    bootstrap: ({ ports: { a = 0, b = 0, c = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: Object.entries(tables).flatMap(([name, { routes }]) =>
              Object.entries(routes).map(([path, metadata]) => ({
                match: { path: `/${name}/${path}` },
                route: {
                  cluster: name,
                  prefix_rewrite: '/echo',
                  metadata_match: lb(metadata),
                  hash_policy: [{ header: { header_name: 'x-key' } }],
                },
              })),
            ),
          }),
        ],
        Object.values(tables).map(({ cluster: made }) => made({ a, b, c })),
      ),
    cases: rows,
  },
  {
    name: 'what asks for subsets',
    backends: { a: http1Backend(), b: http1Backend() },
    bootstrap: ({ ports: { a = 0, b = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            filters: [toMetadata],
            routes: [
              weighted('more', { version: '2' }, { stage: 'dev' }),
              weighted('other', { version: '2' }, { version: '1' }),
              weighted('silent', { version: '2' }, undefined),
              route('/stage', {
                cluster: 'both',
                prefix_rewrite: '/echo',
                metadata_match: lb({ stage: 'dev' }),
              }),
              route('/two', {
                cluster: 'both',
                prefix_rewrite: '/echo',
                metadata_match: lb({ version: '2' }),
              }),
              route('/', { cluster: 'both', prefix_rewrite: '/echo' }),
            ],
          }),
          listener('tcp', tcpProxy('tcp', { cluster: 'both', metadata_match: lb({ version: '2' }) })),
          listener(
            'tcp-weighted',
            tcpProxy('tcp-weighted', {
              metadata_match: lb({ version: '2' }),
              weighted_clusters: {
                clusters: [{ name: 'both', weight: 1, metadata_match: lb({ version: '1' }) }],
              },
            }),
          ),
        ],
        [
          clusterOf(
            'both',
            versions({ a, b, c: 0 }),
            legacy({ subset_selectors: [{ keys: ['version'] }, { keys: ['stage', 'version'] }] }),
          ),
        ],
      ),
    cases: sources,
  },
];

if (import.meta.main) compare(groups);
