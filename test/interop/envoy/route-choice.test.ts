/** Which of many routes a request takes, and where it is sent: route tables and requests by chance. */
import { http1 as http1Backend } from './backend/http1.ts';
import { drawRequest, drawTable, drawVirtualClusters, metadata } from './cases/route-tables.ts';
import { bootstrap, cluster, extension, httpListener, type Message } from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Draw } from './harness/draw.ts';
import { head, http1 } from './wire/http1.ts';

const TABLES = 60;
const REQUESTS = 40;

const STATUS_LINE = 'HTTP/1\\.1 \\d';

const hostOf = (table: number): string => `t${table}.example`;

const hosts = (): Message[] =>
  Array.from({ length: TABLES }, (_, table) => ({
    name: `t${table}`,
    domains: [hostOf(table)],
    // Few routes are asked in turn, and many are looked up.
    routes: drawTable(new Draw(`table ${table}`), `t${table}`, table % 2 === 0 ? 6 : 40),
    virtual_clusters: table % 3 === 0 ? drawVirtualClusters(new Draw(`clusters ${table}`)) : [],
  }));

function caseOf(table: number): Case {
  const draw = new Draw(`requests ${table}`);
  const requests = Array.from({ length: REQUESTS }, () => drawRequest(draw));
  return {
    name: `route choice: table ${table}`,
    covers: 'routing',
    table: 'route choice',
    play: http1(
      requests.flatMap(({ path, headers }, i) => [
        head(`GET ${path} HTTP/1.1`, `host: ${hostOf(table)}`, 'x-test: @ID@', ...headers),
        // Envoy ends a connection that has too many answers waiting.
        { until: new RegExp(`(?:${STATUS_LINE}(?:(?!${STATUS_LINE})[^])*){${i + 1}}`) },
      ]),
      { methods: requests.map(() => 'GET'), noProbe: true },
    ),
    expect: { client: /^HTTP\/1\.1 [234]\d\d / },
  };
}

/** What a matcher of a header makes of several values, of none, and of empty ones. */
const matchers: readonly (readonly [
  name: string,
  matcher: Message,
  headers: readonly string[],
  matches: boolean,
])[] = [
  ['one of several values', { string_match: { exact: '2' } }, ['x-m: 1', 'x-m: 2'], true],
  [
    'one of several values, inverted',
    { string_match: { exact: '2' }, invert_match: true },
    ['x-m: 1', 'x-m: 2'],
    false,
  ],
  ['several values joined', { string_match: { exact: '1,2' } }, ['x-m: 1', 'x-m: 2'], false],
  ['one of several numbers', { range_match: { start: 2, end: 3 } }, ['x-m: 1', 'x-m: 2'], true],
  ['a list in one value', { string_match: { exact: '1' } }, ['x-m: 1,2'], false],
  ['no value, inverted', { string_match: { exact: '1' }, invert_match: true }, [], false],
  [
    'no value as an empty one',
    { string_match: { exact: '1' }, invert_match: true, treat_missing_header_as_empty: true },
    [],
    true,
  ],
  [
    'no number as an empty one',
    { range_match: { start: 0, end: 1 }, treat_missing_header_as_empty: true },
    [],
    false,
  ],
  ['an empty value', { string_match: { prefix: 'a' }, invert_match: true }, ['x-m:'], true],
  ['an empty value is there', { present_match: true }, ['x-m:'], true],
  ['absence, as asked for', { present_match: false }, [], true],
  [
    'absence counts as presence where it is an empty value',
    { present_match: true, treat_missing_header_as_empty: true },
    [],
    true,
  ],
];

const matcherHosts = (): Message[] =>
  matchers.map(([, matcher], i) => ({
    name: `m${i}`,
    domains: [`m${i}.example`],
    routes: [
      { match: { prefix: '/', headers: [{ name: 'x-m', ...matcher }] }, direct_response: { status: 299 } },
    ],
  }));

const matcherCases: readonly Case[] = matchers.map(([name, , headers, matches], i) => ({
  name: `header matcher: ${name}`,
  covers: 'routing',
  play: http1([head('GET / HTTP/1.1', `host: m${i}.example`, 'x-test: @ID@', ...headers)], { noProbe: true }),
  expect: { status: matches ? 299 : 404 },
}));

const setMetadata = extension('set', 'filters.http.set_metadata.v3.Config', {
  metadata: [{ metadata_namespace: 'meta', value: metadata }],
});

/** Takes note of a header, after which the route is looked for again. */
const routeAgain = extension('again', 'filters.http.header_to_metadata.v3.Config', {
  request_rules: [
    { header: 'x-test', on_header_present: { metadata_namespace: 'test', key: 'id', type: 'STRING' } },
  ],
});

export const groups: readonly Group[] = [
  {
    name: 'route choice',
    backends: { a: http1Backend(), b: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            hosts: [...hosts(), ...matcherHosts(), { name: 'all', domains: ['*'] }],
            filters: [setMetadata, routeAgain],
          }),
        ],
        [cluster('a', [ports.a!]), cluster('b', [ports.b!])],
        {
          layered_runtime: {
            layers: [
              { name: 'static', static_layer: { share: { none: 0, all: 100 }, weights: { a: 3, b: 5 } } },
            ],
          },
        },
      ),
    cases: [...matcherCases, ...Array.from({ length: TABLES }, (_, table) => caseOf(table))],
  },
];

if (import.meta.main) compare(groups);
