/** Clusters of clusters: which child gets a request, and whose figures show it. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { untilPage } from './harness/admin-lines.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  listener,
  type Message,
  route,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const REQUESTS = 2;
const several = Array.from({ length: REQUESTS }, () => 'GET');
const ok: Expectation = { status: several.map(() => 200) };
const unavailable: Expectation = {
  status: several.map(() => 503),
  upstream: 'nothing',
  log: / 503 UH no_healthy_upstream .*to=/,
};
const ofFirst: Expectation = { ...ok, upstream: /a\| GET/, never: /b\| GET/ };
const ofSecond: Expectation = { ...ok, upstream: /b\| GET/, never: /a\| GET/ };
const failing = 'HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n';

/** Some requests, one after the other, to the cluster of that name. */
const sent = (name: string, to: string, expect: Expectation, more: Partial<Case> = {}): Case => ({
  name: `aggregate: ${name}`,
  covers: 'aggregate',
  play: http1(
    several.map(() => get(`/${to}`)),
    { methods: several },
  ),
  expect,
  ...more,
});

/** What rises of a cluster by {@link sent}. */
const counted = (name: string, more: Readonly<Record<string, number>> = {}): Record<string, number> => ({
  [`cluster.${name}.upstream_rq_200`]: REQUESTS,
  ...more,
});

const cases: readonly Case[] = [
  sent('the first child that is well', 'plain', {
    ...ofFirst,
    stats: {
      'cluster.a.upstream_rq_total': REQUESTS,
      'cluster.plain.upstream_rq_total': 0,
      ...counted('plain'),
    },
  }),
  sent('the next child where the first is ill', 'second', {
    ...ofSecond,
    stats: { 'cluster.ill.lb_healthy_panic': 0 },
  }),
  sent('the next child where the first is not there', 'missing', ofSecond),
  sent('the next child where the first has no endpoints', 'empty', ofSecond),
  sent('no child is there', 'nobody', {
    ...unavailable,
    stats: { 'cluster.nobody.upstream_cx_none_healthy': REQUESTS },
  }),
  sent('no child has endpoints', 'hollow', {
    ...unavailable,
    stats: {
      'cluster.hollow.upstream_cx_none_healthy': REQUESTS,
      'cluster.none.upstream_cx_none_healthy': 0,
    },
  }),
  sent('a child that is an aggregate', 'nested', ofSecond),
  sent('all children are ill: panic', 'panic', {
    ...ok,
    stats: { 'cluster.ill.lb_healthy_panic': REQUESTS, 'cluster.panic.lb_healthy_panic': 0 },
  }),
  sent('all children are ill, and have no panic', 'calm', {
    ...unavailable,
    stats: {
      'cluster.calm-ill.upstream_cx_none_healthy': 0,
      'cluster.calm.upstream_cx_none_healthy': REQUESTS,
    },
  }),
  sent('all children are ill, and panic is not for the aggregate', 'strict', {
    ...ok,
    stats: { 'cluster.ill.lb_healthy_panic': REQUESTS },
  }),
  sent('an ill priority of the first child before the next child', 'levels', ofFirst),
  sent('degraded endpoints after the healthy ones of the next child', 'degraded', ofSecond),
  sent('degraded endpoints where there are no others', 'poor', ofFirst),
  sent('the over-provisioning of a child', 'provisioned', ofFirst),
  sent('a child that hashes chooses by itself', 'hashed', ofFirst),
  sent('a child that hashes and is ill', 'tables-ill', ofSecond),
  sent('the protocol of a child', 'two', {
    ...ok,
    upstream: /h2\| :method: GET/,
    stats: { 'cluster.h2.upstream_rq_total': REQUESTS },
  }),
  sent('the limit of a child', 'limited', {
    status: several.map(() => 503),
    upstream: 'nothing',
    log: / 503 UO upstream_reset_before_response_started\{overflow\} /,
    stats: { 'cluster.limited-child.upstream_rq_pending_overflow': REQUESTS },
  }),
  sent('the limits of the aggregate are not for requests', 'unlimited', ofFirst),
  sent(
    'retries count with the aggregate',
    'again',
    {
      status: several.map(() => 503),
      stats: { 'cluster.again.upstream_rq_retry': 2 * REQUESTS, 'cluster.a.upstream_rq_retry': 0 },
    },
    { answers: { a: failing } },
  ),
  sent(
    'retries within the limit of the aggregate',
    'no-retries',
    { status: several.map(() => 503), stats: { 'cluster.no-retries.upstream_rq_retry_overflow': REQUESTS } },
    { answers: { a: failing } },
  ),
  sent(
    'a retry elsewhere stays with the child',
    'elsewhere',
    { status: several.map(() => 503), upstream: /a\| GET/, never: /b\| GET/ },
    { answers: { a: failing } },
  ),
  sent(
    'a retry at another priority goes to the next child',
    'other-priority',
    {
      ...ok,
      upstream: [/a\| GET/, /b\| GET/],
      stats: { 'cluster.a.upstream_rq_total': REQUESTS, 'cluster.b.upstream_rq_total': REQUESTS },
    },
    { answers: { a: failing } },
  ),
  sent(
    'retries at other priorities begin anew after the last child',
    'all-priorities',
    {
      status: several.map(() => 503),
      stats: { 'cluster.a.upstream_rq_total': 2 * REQUESTS, 'cluster.b.upstream_rq_total': REQUESTS },
    },
    { answers: { a: failing, b: failing } },
  ),
  sent('the subsets of a child', 'subsets', ofSecond),
  sent('a child without the subset that the route asks for', 'no-subset', {
    ...unavailable,
    stats: {
      'cluster.split.upstream_cx_none_healthy': 0,
      'cluster.no-subset.upstream_cx_none_healthy': REQUESTS,
    },
  }),
  sent('the health of a child is not that of its subset', 'sick-subset', unavailable),
  sent('an endpoint that cannot be reached', 'refusing', {
    status: several.map(() => 503),
    log: / 503 UF upstream_reset_before_response_started/,
    stats: {
      'cluster.closed.upstream_cx_connect_fail': REQUESTS,
      'cluster.refusing.upstream_cx_connect_fail': 0,
      'cluster.refusing.upstream_rq_503': REQUESTS,
    },
  }),
  {
    name: 'aggregate: a connection without HTTP',
    covers: 'aggregate',
    on: 'tcp',
    play: http1([get('/echo')]),
    logLines: 0,
    expect: { status: 200, upstream: /b\| GET/, stats: { 'cluster.b.upstream_rq_total': 1 } },
  },
];

/** Puts these clusters in the place of those there were, and waits until that shows. */
async function tell(play: Play, clusters: readonly Message[], sign: RegExp): Promise<void> {
  const next = join(play.folder, 'next.json');
  writeFileSync(next, clusterFile(clusters));
  renameSync(next, join(play.folder, 'clusters.json'));
  await untilPage(play, '/clusters', sign);
}

/** @param mark what tells one version from another */
const late = (port: number, mark: string, more: Message = {}): Message[] => [
  cluster('late', [port], more),
  cluster(mark, [port]),
];

/** The child is not there, then it is, then it has another endpoint, then it is gone. */
const changing: Script = async (play) => {
  const { port: a } = play.backend('a');
  const { port: b } = play.backend('b');
  const lines: string[] = [];
  const look = async (): Promise<void> => {
    const { statuses } = await http1([get(`/stage-${lines.length}`)])(play);
    lines.push(`answered ${statuses}`);
  };
  await look();
  await tell(play, late(a, 'one'), /^one::/m);
  await look();
  await tell(play, late(b, 'two'), /^two::/m);
  await look();
  await tell(play, [cluster('three', [a])], /^three::/m);
  await untilPage(play, '/clusters', /^(?![\s\S]*\nlate::)/);
  await look();
  return { statuses: [], lines };
};

const on = (port: number, health = 'HEALTHY'): Message => ({
  endpoint: address(port),
  health_status: health,
});

const priorities = (name: string, levels: readonly (readonly Message[])[], more: Message = {}): Message => ({
  ...cluster(name, []),
  load_assignment: {
    cluster_name: name,
    endpoints: levels.map((endpoints, priority) => ({ priority, lb_endpoints: endpoints })),
    ...(more.policy === undefined ? {} : { policy: more.policy }),
  },
  ...(more.fields as Message),
});

const MANY = 12;
const many = Array.from({ length: MANY }, () => 'GET');
const CLOSED_PORTS = [1, 2, 3];

/** Four endpoints; `first` is the health of the one that can be reached. */
const oneOfFour = (name: string, port: number, first: string, more: Message = {}): Message =>
  priorities(name, [[on(port, first), ...CLOSED_PORTS.map((closed) => on(closed, 'UNHEALTHY'))]], {
    fields: more,
  });

/** A child without a healthy endpoint, and one that is not in panic where the runtime says 20 %. */
const threshold = (name: string, play: Script): Case => ({
  name: `aggregate: ${name}`,
  covers: 'aggregate',
  play,
  expect: { status: many.map(() => 200), upstream: /a\| GET/, never: /b\| GET/ },
});

const often = http1(
  many.map(() => get('/threshold')),
  { methods: many },
);

/** The threshold is set while it serves, and counts once the health of a child is another. */
const thresholdByHand: Script = async (play) => {
  const { port: a } = play.backend('a');
  const { port: b } = play.backend('b');
  const sick = oneOfFour('sick', b, 'UNHEALTHY');
  await play.admin('/runtime_modify?upstream.healthy_panic_threshold=20', 'POST');
  await tell(play, [sick, oneOfFour('quarter', a, 'HEALTHY'), cluster('four', [a])], /^four::/m);
  const view = await often(play);
  await play.admin('/runtime_modify?upstream.healthy_panic_threshold=', 'POST');
  return view;
};

const clusterFile = (clusters: readonly Message[]): string =>
  JSON.stringify({
    resources: clusters.map((one) => ({
      '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
      ...one,
    })),
  });

const aggregate = (name: string, clusters: readonly string[], more: Message = {}): Message => ({
  name,
  connect_timeout: '1s',
  lb_policy: 'CLUSTER_PROVIDED',
  cluster_type: extension('envoy.clusters.aggregate', 'clusters.aggregate.v3.ClusterConfig', { clusters }),
  ...more,
});

const children: Readonly<Record<string, readonly string[]>> = {
  plain: ['a', 'b'],
  second: ['ill', 'b'],
  missing: ['nowhere', 'b'],
  empty: ['none', 'b'],
  nobody: ['nowhere'],
  hollow: ['none'],
  nested: ['plain', 'b'],
  panic: ['ill', 'none'],
  calm: ['calm-ill'],
  levels: ['two-levels', 'b'],
  degraded: ['poor-a', 'b'],
  poor: ['poor-a', 'none'],
  provisioned: ['half', 'b'],
  hashed: ['hashing', 'b'],
  'tables-ill': ['hashing-ill', 'b'],
  two: ['h2', 'a'],
  limited: ['limited-child', 'b'],
  again: ['a', 'b'],
  elsewhere: ['a', 'b'],
  'other-priority': ['a', 'b'],
  'all-priorities': ['a', 'b'],
  subsets: ['split', 'a'],
  'no-subset': ['split', 'b'],
  'sick-subset': ['split-ill', 'a'],
  refusing: ['closed', 'b'],
};

const otherPriorities: Message = {
  retry_priority: extension(
    'envoy.retry_priorities.previous_priorities',
    'retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
    { update_frequency: 1 },
  ),
};

const side = (port: number, name: string, health?: string): Message => ({
  ...on(port, health),
  metadata: { filter_metadata: { 'envoy.lb': { side: name } } },
});

const bySide: Message = {
  lb_subset_config: { fallback_policy: 'NO_FALLBACK', subset_selectors: [{ keys: ['side'] }] },
};

/** Of the metadata of endpoints. */
const asked: Readonly<Record<string, string>> = {
  subsets: 'right',
  'no-subset': 'middle',
  'sick-subset': 'left',
};

const retrying = {
  'other-priority': { retry_on: '5xx', num_retries: 1, ...otherPriorities },
  'all-priorities': { retry_on: '5xx', num_retries: 2, ...otherPriorities },
  again: { retry_on: '5xx', num_retries: 2 },
  'no-retries': { retry_on: '5xx', num_retries: 2 },
  elsewhere: {
    retry_on: '5xx',
    num_retries: 2,
    retry_host_predicate: [
      extension(
        'envoy.retry_host_predicates.previous_hosts',
        'retry.host.previous_hosts.v3.PreviousHostsPredicate',
      ),
    ],
  },
};

const without = (limit: string): Message => ({
  circuit_breakers: { thresholds: [{ [limit]: 0 }] },
});

const CLOSED_PORT = 1;

export const groups: readonly Group[] = [
  {
    name: 'aggregate clusters',
    backends: { a: http1Backend(), b: http1Backend(), h2: http2Backend() },
    bootstrap: ({ ports: { a = 0, b = 0, h2 = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [...Object.keys(children), 'strict', 'unlimited', 'no-retries'].map((path) =>
              route(`/${path}`, {
                cluster: path,
                prefix_rewrite: '/echo',
                hash_policy: [{ header: { header_name: 'x-test' } }],
                ...(path in asked && {
                  metadata_match: { filter_metadata: { 'envoy.lb': { side: asked[path] } } },
                }),
                ...(path in retrying && { retry_policy: retrying[path as keyof typeof retrying] }),
              }),
            ),
          }),
          listener('tcp', tcpProxy('tcp', { cluster: 'second' })),
        ],
        [
          cluster('a', [a]),
          cluster('b', [b]),
          http2Cluster('h2', [h2]),
          cluster('none', []),
          cluster('closed', [CLOSED_PORT]),
          cluster('limited-child', [a], without('max_pending_requests')),
          priorities('ill', [[on(a, 'UNHEALTHY')]]),
          priorities('calm-ill', [[on(a, 'UNHEALTHY')]], {
            fields: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
          }),
          priorities('two-levels', [[on(b, 'UNHEALTHY')], [on(a)]]),
          priorities('poor-a', [[on(a, 'DEGRADED')]]),
          priorities('half', [[on(a), on(b, 'UNHEALTHY')]], { policy: { overprovisioning_factor: 200 } }),
          priorities('hashing', [[on(b, 'UNHEALTHY')], [on(a)]], { fields: { lb_policy: 'RING_HASH' } }),
          priorities('hashing-ill', [[on(a, 'UNHEALTHY')]], { fields: { lb_policy: 'MAGLEV' } }),
          priorities('split', [[side(a, 'left'), side(b, 'right')]], { fields: bySide }),
          priorities('split-ill', [[side(a, 'left', 'UNHEALTHY'), side(b, 'right')]], {
            policy: { overprovisioning_factor: 200 },
            fields: { ...bySide, common_lb_config: { healthy_panic_threshold: { value: 0 } } },
          }),
          ...Object.entries(children).map(([name, clusters]) => aggregate(name, clusters)),
          aggregate('strict', ['ill'], { common_lb_config: { healthy_panic_threshold: { value: 0 } } }),
          aggregate('unlimited', ['a'], without('max_requests')),
          aggregate('no-retries', ['a'], without('max_retries')),
        ],
      ),
    cases,
  },
  {
    name: 'the threshold of panic is in the runtime',
    backends: { a: http1Backend(), b: http1Backend() },
    bootstrap: ({ ports: { a = 0, b = 0 } }) =>
      bootstrap(
        [httpListener('main', { routes: [route('/', { cluster: 'both', prefix_rewrite: '/echo' })] })],
        [
          oneOfFour('sick', b, 'UNHEALTHY'),
          oneOfFour('quarter', a, 'HEALTHY'),
          aggregate('both', ['sick', 'quarter']),
        ],
        {
          layered_runtime: {
            layers: [{ name: 'fixed', static_layer: { 'upstream.healthy_panic_threshold': 20 } }],
          },
        },
      ),
    cases: [threshold('which children are in panic is for the runtime', often)],
  },
  {
    name: 'children that come and go',
    backends: { a: http1Backend(), b: http1Backend(), c: http1Backend() },
    files: () => ({ 'clusters.json': clusterFile([]) }),
    bootstrap: ({ ports: { c = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              route('/threshold', { cluster: 'both', prefix_rewrite: '/echo' }),
              route('/', { cluster: 'all', prefix_rewrite: '/echo' }),
            ],
          }),
        ],
        [cluster('c', [c]), aggregate('all', ['late', 'c']), aggregate('both', ['sick', 'quarter'])],
        {
          layered_runtime: { layers: [{ name: 'admin', admin_layer: {} }] },
          node: { id: 'n', cluster: 'n' },
          dynamic_resources: {
            cds_config: {
              path_config_source: {
                path: '@FOLDER@/clusters.json',
                watched_directory: { path: '@FOLDER@' },
              },
            },
          },
        },
      ),
    cases: [
      {
        name: 'aggregate: a child that comes, changes and goes',
        covers: 'aggregate',
        play: changing,
        logLines: 4,
        uncounted: 'clusters come and go with their figures',
        expect: {
          client: /^answered 200/,
          upstream: [/c\| .*stage-0/, /a\| .*stage-1/, /b\| .*stage-2/, /c\| .*stage-3/],
        },
      },
      {
        ...threshold('the runtime is asked when the health of a child is another', thresholdByHand),
        uncounted: 'clusters come and go with their figures',
      },
    ],
  },
];

if (import.meta.main) compare(groups);
