/** Subsets of endpoints: what a route, a weighted cluster or a request asks of their metadata. */
import { http1 as http1Backend } from './backend/http1.ts';
import { adminLines } from './harness/admin-lines.ts';
import {
  address,
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

/** Even: two endpoints get the same number of them. */
const REQUESTS = 4;
/** Of requests that fail: Envoy does not keep more answers for one client. */
const FAILING = 2;
const several = (count = REQUESTS): string[] => Array.from({ length: count }, () => 'GET');

const lb = (fields: Message): Message => ({ filter_metadata: { 'envoy.lb': fields } });

interface Place {
  readonly metadata?: Message;
  readonly priority?: number;
  readonly health?: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';
  readonly zone?: string;
  readonly zoneWeight?: number;
}

/** An endpoint at one of the backends. */
const at = (port: number, place: Place = {}): Message => ({
  priority: place.priority ?? 0,
  ...(place.zone !== undefined && { locality: { zone: place.zone } }),
  ...(place.zoneWeight !== undefined && { load_balancing_weight: place.zoneWeight }),
  lb_endpoints: [
    {
      endpoint: address(port),
      health_status: place.health ?? 'HEALTHY',
      ...(place.metadata !== undefined && { metadata: lb(place.metadata) }),
    },
  ],
});

const clusterOf = (name: string, endpoints: readonly Message[], more: Message): Message => ({
  name,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: { cluster_name: name, endpoints },
  ...more,
});

const policy = (name: string, fields: Message = {}): Message => ({
  policies: [{ typed_extension_config: extension(name, `load_balancing_policies.${name}`, fields) }],
});
const ROUND_ROBIN = policy('round_robin.v3.RoundRobin');

/** Each way of saying the same. */
const legacy = (fields: Message): Message => ({ lb_subset_config: fields });
const typed = (fields: Message, inner: Message = ROUND_ROBIN): Message => ({
  load_balancing_policy: policy('subset.v3.Subset', { ...fields, subset_lb_policy: inner }),
});

interface Row {
  readonly name: string;
  readonly path: string;
  /** Where all requests go; `none`: they fail, `any`: to all backends in turn. */
  readonly to: 'a' | 'b' | 'c' | 'none' | 'any';
  readonly headers?: readonly string[];
  readonly stats?: Readonly<Record<string, number>>;
}

const byVersion = { subset_selectors: [{ keys: ['version'] }] };
const SELECTORS = [
  { keys: ['version'] },
  { keys: ['stage', 'version'] },
  { keys: ['stage'], fallback_policy: 'ANY_ENDPOINT' },
];

interface Table {
  readonly cluster: (ports: Ports) => Message;
  /** Metadata that routes to it ask for, by the last part of their paths. */
  readonly routes: Readonly<Record<string, Message>>;
  readonly rows: readonly Row[];
}

interface Ports {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const versions = ({ a, b }: Ports): Message[] => [
  at(a, { metadata: { version: '1', stage: 'prod' } }),
  at(b, { metadata: { version: '2', stage: 'dev' } }),
];

const tables: Readonly<Record<string, Table>> = {
  none: {
    cluster: (ports) => clusterOf('none', versions(ports), legacy(byVersion)),
    routes: {
      one: { version: '1' },
      two: { version: '2' },
      gone: { version: '3' },
      number: { version: 1 },
      more: { version: '1', stage: 'prod' },
      empty: {},
    },
    rows: [
      { name: 'a subset', path: 'one', to: 'a', stats: { 'cluster.none.lb_subsets_selected': REQUESTS } },
      { name: 'another subset', path: 'two', to: 'b' },
      {
        name: 'no subset and no fallback',
        path: 'gone',
        to: 'none',
        stats: { 'cluster.none.upstream_cx_none_healthy': FAILING, 'cluster.none.lb_subsets_fallback': 0 },
      },
      { name: 'a number is not its text', path: 'number', to: 'none' },
      { name: 'a key more than the selector has', path: 'more', to: 'none' },
      { name: 'a route that asks for nothing', path: 'empty', to: 'none' },
    ],
  },
  anything: {
    cluster: (ports) =>
      clusterOf('anything', versions(ports), typed({ ...byVersion, fallback_policy: 'ANY_ENDPOINT' })),
    routes: { one: { version: '1' }, gone: { version: '3' } },
    rows: [
      { name: 'typed: a subset', path: 'one', to: 'a', stats: { 'cluster.anything.lb_subsets_fallback': 0 } },
      {
        name: 'fallback to any endpoint',
        path: 'gone',
        to: 'any',
        stats: {
          'cluster.anything.lb_subsets_fallback': REQUESTS,
          'cluster.anything.lb_subsets_selected': 0,
        },
      },
    ],
  },
  standard: {
    cluster: (ports) =>
      clusterOf(
        'standard',
        versions(ports),
        legacy({ ...byVersion, fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'dev' } }),
      ),
    routes: { one: { version: '1' }, gone: { version: '3' } },
    rows: [
      { name: 'a subset beside a default one', path: 'one', to: 'a' },
      {
        name: 'fallback to the default subset',
        path: 'gone',
        to: 'b',
        stats: { 'cluster.standard.lb_subsets_fallback': REQUESTS },
      },
    ],
  },
  nodefault: {
    cluster: (ports) =>
      clusterOf(
        'nodefault',
        versions(ports),
        typed({ ...byVersion, fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'none' } }),
      ),
    routes: { gone: { version: '3' } },
    rows: [{ name: 'a default subset without endpoints', path: 'gone', to: 'none' }],
  },
  panics: {
    cluster: (ports) =>
      clusterOf(
        'panics',
        versions(ports),
        legacy({
          ...byVersion,
          fallback_policy: 'DEFAULT_SUBSET',
          default_subset: { stage: 'none' },
          panic_mode_any: true,
        }),
      ),
    routes: { gone: { version: '3' } },
    rows: [
      {
        name: 'panic_mode_any where the default subset has no endpoints',
        path: 'gone',
        to: 'any',
        stats: {
          'cluster.panics.lb_subsets_fallback_panic': REQUESTS,
          'cluster.panics.lb_subsets_fallback': 0,
        },
      },
    ],
  },
  panicnone: {
    cluster: (ports) =>
      clusterOf('panicnone', versions(ports), legacy({ ...byVersion, panic_mode_any: true })),
    routes: { gone: { version: '3' } },
    rows: [{ name: 'panic_mode_any without a fallback', path: 'gone', to: 'none' }],
  },
  selectors: {
    cluster: (ports) =>
      clusterOf(
        'selectors',
        versions(ports),
        legacy({
          fallback_policy: 'ANY_ENDPOINT',
          default_subset: { stage: 'prod' },
          subset_selectors: [
            { keys: ['version'], fallback_policy: 'NO_FALLBACK' },
            { keys: ['stage'], fallback_policy: 'DEFAULT_SUBSET' },
            { keys: ['x'] },
            { keys: ['version', 'stage'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['stage'] },
            { keys: ['version', 'y'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['version'] },
            { keys: ['stage', 'z'], fallback_policy: 'ANY_ENDPOINT' },
          ],
        }),
      ),
    routes: {
      version: { version: '3' },
      stage: { stage: 'none' },
      x: { x: '1' },
      both: { version: '1', stage: 'prod' },
      reduced: { version: '3', stage: 'dev' },
      twice: { version: '3', stage: 'none' },
      y: { version: '2', y: '7' },
      ygone: { version: '3', y: '7' },
      z: { stage: 'prod', z: '1' },
    },
    rows: [
      { name: 'a selector without fallback', path: 'version', to: 'none' },
      { name: 'a selector with the default subset', path: 'stage', to: 'a' },
      {
        name: 'a selector that leaves it to the cluster',
        path: 'x',
        to: 'any',
        stats: { 'cluster.selectors.lb_subsets_fallback': REQUESTS },
      },
      { name: 'a subset of two keys', path: 'both', to: 'a' },
      {
        name: 'KEYS_SUBSET: another selector',
        path: 'reduced',
        to: 'b',
        stats: { 'cluster.selectors.lb_subsets_selected': REQUESTS },
      },
      { name: 'KEYS_SUBSET: and then its fallback', path: 'twice', to: 'a' },
      { name: 'KEYS_SUBSET: the key that is left', path: 'y', to: 'b' },
      { name: 'KEYS_SUBSET: and no fallback for it', path: 'ygone', to: 'none' },
      {
        name: 'a selector with any endpoint',
        path: 'z',
        to: 'any',
        stats: { 'cluster.selectors.lb_subsets_fallback': 0 },
      },
    ],
  },
  prefix: {
    cluster: (ports) =>
      clusterOf(
        'prefix',
        versions(ports),
        legacy({
          subset_selectors: [
            { keys: ['stage', 'version'], fallback_policy: 'ANY_ENDPOINT' },
            { keys: ['stage'], fallback_policy: 'ANY_ENDPOINT' },
            { keys: ['version'], fallback_policy: 'ANY_ENDPOINT' },
          ],
        }),
      ),
    routes: { stage: { stage: 'none' }, version: { version: '9' }, both: { stage: 'none', version: '9' } },
    rows: [
      { name: 'the keys of a selector begin those of one before it', path: 'stage', to: 'none' },
      { name: 'the keys of a selector end those of one before it', path: 'version', to: 'any' },
      { name: 'the longer one', path: 'both', to: 'any' },
    ],
  },
  lists: {
    cluster: ({ a, b }) =>
      clusterOf(
        'lists',
        [
          at(a, { metadata: { version: ['1', '2'], stage: ['prod'] } }),
          at(b, { metadata: { version: ['3', '4'], stage: ['dev', 'test'] } }),
        ],
        legacy({
          subset_selectors: SELECTORS.slice(0, 2),
          list_as_any: true,
          fallback_policy: 'DEFAULT_SUBSET',
          default_subset: { stage: 'test' },
        }),
      ),
    routes: {
      two: { version: '2' },
      four: { version: '4', stage: 'test' },
      list: { version: ['1', '2'] },
      gone: { version: '5' },
    },
    rows: [
      { name: 'list_as_any: a value of a list', path: 'two', to: 'a' },
      { name: 'list_as_any: values of two lists', path: 'four', to: 'b' },
      { name: 'list_as_any: a route that asks for a list', path: 'list', to: 'b' },
      { name: 'list_as_any: the default subset', path: 'gone', to: 'b' },
    ],
  },
  wholelists: {
    cluster: ({ a, b }) =>
      clusterOf(
        'wholelists',
        [
          at(a, { metadata: { version: ['1', '2'] } }),
          at(b, { metadata: { version: { x: 1, y: [true, null] } } }),
        ],
        legacy(byVersion),
      ),
    routes: {
      list: { version: ['1', '2'] },
      one: { version: '1' },
      object: { version: { y: [true, null], x: 1 } },
    },
    rows: [
      { name: 'a list as it is', path: 'list', to: 'a' },
      { name: 'a value of a list without list_as_any', path: 'one', to: 'none' },
      { name: 'an object, whatever the order of its fields', path: 'object', to: 'b' },
    ],
  },
  redundant: {
    cluster: (ports) =>
      clusterOf(
        'redundant',
        versions(ports),
        typed({
          allow_redundant_keys: true,
          subset_selectors: [
            { keys: ['version'] },
            { keys: ['stage'] },
            { keys: ['stage', 'version'], fallback_policy: 'ANY_ENDPOINT' },
          ],
        }),
      ),
    routes: {
      more: { version: '1', x: 'y' },
      both: { version: '1', stage: 'prod', x: 'y' },
      clash: { version: '1', stage: 'dev', x: 'y' },
      first: { version: '2', w: 'x' },
      foreign: { x: 'y' },
    },
    rows: [
      { name: 'allow_redundant_keys: a key more', path: 'more', to: 'a' },
      { name: 'allow_redundant_keys: the longest selector', path: 'both', to: 'a' },
      { name: 'allow_redundant_keys: its fallback', path: 'clash', to: 'any' },
      { name: 'allow_redundant_keys: a key before', path: 'first', to: 'b' },
      { name: 'allow_redundant_keys: no selector', path: 'foreign', to: 'none' },
    ],
  },
  variants: {
    cluster: (ports) =>
      clusterOf(
        'variants',
        versions(ports),
        legacy({ subset_selectors: SELECTORS.slice(0, 2), metadata_fallback_policy: 'FALLBACK_LIST' }),
      ),
    routes: {
      second: { fallback_list: [{ version: '7' }, { version: '2' }] },
      merged: { stage: 'prod', fallback_list: [{ version: '2' }, { version: '1' }] },
      over: { version: '1', fallback_list: [{ version: '2' }] },
      nothing: { version: '1', fallback_list: [{ version: '8' }] },
      empty: { version: '1', fallback_list: [] },
      text: { version: '1', fallback_list: 'two' },
      words: { version: '1', fallback_list: ['two'] },
      absent: { version: '1' },
    },
    rows: [
      { name: 'fallback_list: the second is there', path: 'second', to: 'b' },
      { name: 'fallback_list: together with what the route asks for', path: 'merged', to: 'a' },
      { name: 'fallback_list: instead of what the route asks for', path: 'over', to: 'b' },
      { name: 'fallback_list: none is there', path: 'nothing', to: 'none' },
      { name: 'fallback_list: an empty one', path: 'empty', to: 'a' },
      { name: 'fallback_list: no list', path: 'text', to: 'a' },
      { name: 'fallback_list: absent', path: 'absent', to: 'a' },
    ],
  },
  plainlist: {
    cluster: (ports) => clusterOf('plainlist', versions(ports), legacy(byVersion)),
    routes: { list: { version: '1', fallback_list: [{ version: '1' }] } },
    rows: [{ name: 'fallback_list without the policy is a key', path: 'list', to: 'none' }],
  },
  health: {
    cluster: ({ a, b, c }) =>
      clusterOf(
        'health',
        [
          at(a, { metadata: { version: '1' }, health: 'UNHEALTHY' }),
          at(b, { metadata: { version: '2' } }),
          at(c, { metadata: { version: '1' }, priority: 1 }),
        ],
        legacy({ ...byVersion, fallback_policy: 'ANY_ENDPOINT' }),
      ),
    routes: { one: { version: '1' }, two: { version: '2' } },
    rows: [
      { name: 'a subset has priorities of its own', path: 'one', to: 'c' },
      { name: 'health of other subsets does not matter', path: 'two', to: 'b' },
    ],
  },
  ill: {
    cluster: ({ a, b }) =>
      clusterOf(
        'ill',
        [at(a, { metadata: { version: '1' }, health: 'UNHEALTHY' }), at(b, { metadata: { version: '2' } })],
        legacy({ ...byVersion, fallback_policy: 'ANY_ENDPOINT' }),
      ),
    routes: { one: { version: '1' } },
    rows: [
      {
        name: 'a subset in panic is no reason for a fallback',
        path: 'one',
        to: 'a',
        stats: { 'cluster.ill.lb_healthy_panic': REQUESTS, 'cluster.ill.lb_subsets_fallback': 0 },
      },
    ],
  },
  single: {
    cluster: ({ a, b, c }) =>
      clusterOf(
        'single',
        [
          at(a, { metadata: { id: 'a' }, health: 'UNHEALTHY' }),
          at(b, { metadata: { id: 'b' } }),
          at(c, { metadata: { id: 'c' }, priority: 1 }),
        ],
        legacy({ subset_selectors: [{ keys: ['id'], single_host_per_subset: true }] }),
      ),
    routes: { a: { id: 'a' }, b: { id: 'b' }, c: { id: 'c' }, d: { id: 'd' } },
    rows: [
      { name: 'single_host_per_subset: an endpoint', path: 'b', to: 'b' },
      { name: 'single_host_per_subset: one of another priority', path: 'c', to: 'c' },
      { name: 'single_host_per_subset: one that is not healthy', path: 'a', to: 'a' },
      { name: 'single_host_per_subset: one that is not there', path: 'd', to: 'none' },
    ],
  },
  noselectors: {
    cluster: (ports) => clusterOf('noselectors', versions(ports), legacy({ fallback_policy: 'NO_FALLBACK' })),
    routes: { one: { version: '1' } },
    rows: [{ name: 'no selectors: no subsets', path: 'one', to: 'any' }],
  },
  typednone: {
    cluster: (ports) => clusterOf('typednone', versions(ports), typed({ fallback_policy: 'NO_FALLBACK' })),
    routes: { one: { version: '1' } },
    rows: [{ name: 'typed: no selectors', path: 'one', to: 'none' }],
  },
  hashed: {
    cluster: ({ a, b, c }) =>
      clusterOf(
        'hashed',
        [
          at(a, { metadata: { version: '1', hash_key: 'one' } }),
          at(b, { metadata: { version: '1', hash_key: 'two' } }),
          at(c, { metadata: { version: '2', hash_key: 'three' } }),
        ],
        typed(byVersion, policy('maglev.v3.Maglev')),
      ),
    routes: { two: { version: '2' }, one: { version: '1' } },
    rows: [{ name: 'a subset that hashes', path: 'two', to: 'c', headers: ['x-key: 1'] }],
  },
  localities: {
    cluster: ({ a, b }) =>
      clusterOf(
        'localities',
        [
          at(a, { metadata: { version: '1' }, zone: 'x', zoneWeight: 1 }),
          at(b, { metadata: { version: '1' }, zone: 'y' }),
        ],
        {
          ...legacy({ ...byVersion, locality_weight_aware: true }),
          common_lb_config: { locality_weighted_lb_config: {} },
        },
      ),
    routes: { one: { version: '1' } },
    rows: [{ name: 'locality_weight_aware: a locality without weight', path: 'one', to: 'a' }],
  },
  unaware: {
    cluster: ({ a, b }) =>
      clusterOf(
        'unaware',
        [
          at(a, { metadata: { version: '1' }, zone: 'x', zoneWeight: 1 }),
          at(b, { metadata: { version: '1' }, zone: 'y' }),
        ],
        { ...legacy(byVersion), common_lb_config: { locality_weighted_lb_config: {} } },
      ),
    routes: { one: { version: '1' } },
    rows: [
      { name: 'without locality_weight_aware weights of localities do not count', path: 'one', to: 'any' },
    ],
  },
};

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
