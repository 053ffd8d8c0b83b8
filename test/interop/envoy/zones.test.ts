/** Localities: zone-aware routing from a local cluster, and the corners of weights of localities. */
import { http1 as http1Backend } from './backend/http1.ts';
import { adminLines } from './harness/admin-lines.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const REQUESTS = 4;
/** Of requests that fail: Envoy does not keep more answers for one client. */
const FAILING = 2;
const several = (count: number): string[] => Array.from({ length: count }, () => 'GET');

type Health = 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED' | 'DRAINING';

/** The endpoints of a zone. */
interface Zone {
  readonly zone: string;
  readonly ports: readonly number[];
  readonly health?: readonly Health[];
  readonly priority?: number;
  readonly weight?: number;
  readonly weights?: readonly number[];
}

const zones = (name: string, list: readonly Zone[], more: Message = {}): Message => ({
  name,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: {
    cluster_name: name,
    endpoints: list.map(({ zone, ports, health = [], priority = 0, weight, weights = [] }) => ({
      locality: { zone },
      priority,
      ...(weight !== undefined && { load_balancing_weight: weight }),
      lb_endpoints: ports.map((port, i) => ({
        endpoint: address(port),
        health_status: health[i] ?? 'HEALTHY',
        ...(weights[i] !== undefined && { load_balancing_weight: weights[i] }),
      })),
    })),
  },
  ...more,
});

const policy = (name: string, fields: Message = {}): Message => ({
  load_balancing_policy: {
    policies: [{ typed_extension_config: extension(name, `load_balancing_policies.${name}`, fields) }],
  },
});
const aware = (fields: Message = {}, more: Message = {}): Message => ({
  common_lb_config: { zone_aware_lb_config: { min_cluster_size: 1, ...fields }, ...more },
});
const typedAware = (fields: Message = {}): Message =>
  policy('least_request.v3.LeastRequest', {
    locality_lb_config: { zone_aware_lb_config: { min_cluster_size: 1, ...fields } },
  });
const byLocality = { common_lb_config: { locality_weighted_lb_config: {} } };

interface Row {
  readonly name: string;
  /** The endpoints, at the backends `a`, `b` and `c`. */
  readonly zones: (a: number, b: number, c: number) => readonly Zone[];
  readonly settings: Message;
  /** Where all requests go. */
  readonly to: 'a' | 'b' | 'c' | 'none' | 'both';
  /** Counters of the cluster that rise with each request. */
  readonly counts?: readonly string[];
  readonly stats?: Readonly<Record<string, number>>;
}

/** More of the upstream is here than of the proxies. */
const here = (a: number, b: number): Zone[] => [
  { zone: 'here', ports: [a] },
  { zone: 'there', ports: [b] },
];

/** The local cluster has as many proxies in each of the zones `here` and `there`. */
const rows: readonly Row[] = [
  {
    name: 'as much of the upstream as of the proxies: all stays',
    zones: here,
    settings: aware(),
    to: 'a',
    counts: ['lb_zone_routing_all_directly'],
  },
  {
    name: 'typed: all stays',
    zones: here,
    settings: typedAware(),
    to: 'a',
    counts: ['lb_zone_routing_all_directly'],
  },
  {
    name: 'a random one, and all stays',
    zones: here,
    settings: { ...aware(), lb_policy: 'RANDOM' },
    to: 'a',
    counts: ['lb_zone_routing_all_directly'],
  },
  {
    name: 'no endpoint in the zone: all goes where there is room',
    zones: (_, b, c) => [
      { zone: 'third', ports: [c] },
      { zone: 'there', ports: [b, 1, 2], health: ['HEALTHY', 'UNHEALTHY', 'UNHEALTHY'] },
    ],
    settings: aware({}, { healthy_panic_threshold: { value: 0 } }),
    to: 'c',
    counts: ['lb_zone_routing_cross_zone'],
  },
  {
    name: 'an unhealthy endpoint in the zone',
    zones: (a, b) => [
      { zone: 'here', ports: [a], health: ['UNHEALTHY'] },
      { zone: 'there', ports: [b] },
    ],
    settings: aware(),
    to: 'b',
    counts: ['lb_zone_routing_cross_zone'],
  },
  {
    name: 'fewer endpoints than min_cluster_size',
    zones: here,
    settings: aware({ min_cluster_size: 3 }),
    to: 'both',
    stats: { lb_zone_routing_all_directly: 0 },
  },
  {
    name: 'the least number of endpoints by default',
    zones: here,
    settings: { common_lb_config: { zone_aware_lb_config: {} } },
    to: 'both',
  },
  { name: 'switched off', zones: here, settings: aware({ routing_enabled: { value: 0 } }), to: 'both' },
  {
    name: 'one zone',
    zones: (a) => [{ zone: 'here', ports: [a] }],
    settings: aware(),
    to: 'a',
    stats: { lb_zone_routing_all_directly: 0 },
  },
  {
    name: 'a first priority alone',
    zones: (a, b) => [
      { zone: 'here', ports: [1], health: ['UNHEALTHY'] },
      { zone: 'here', ports: [a], priority: 1 },
      { zone: 'there', ports: [b], priority: 1 },
    ],
    settings: aware(),
    to: 'both',
  },
  {
    name: 'force_local_zone where the zone has less than its share',
    zones: (a, b, c) => [
      { zone: 'here', ports: [a] },
      { zone: 'there', ports: [b, c] },
    ],
    settings: typedAware({ force_local_zone: {} }),
    to: 'a',
    counts: ['lb_zone_routing_all_directly'],
  },
  {
    name: 'force_locality_direct_routing',
    zones: (a, b, c) => [
      { zone: 'here', ports: [a] },
      { zone: 'there', ports: [b, c] },
    ],
    settings: typedAware({ force_locality_direct_routing: true }),
    to: 'a',
    counts: ['lb_zone_routing_all_directly'],
  },
  {
    name: 'locality_basis: weights instead of numbers',
    zones: (a, b, c) => [
      { zone: 'here', ports: [a], weights: [9] },
      { zone: 'there', ports: [b, c] },
    ],
    settings: typedAware({ locality_basis: 'HEALTHY_HOSTS_WEIGHT' }),
    to: 'a',
    counts: ['lb_zone_routing_all_directly'],
  },
  {
    name: 'panic of the upstream comes before zones',
    zones: (a, _b, c) => [
      { zone: 'here', ports: [a], health: ['UNHEALTHY'] },
      { zone: 'there', ports: [c], health: ['UNHEALTHY'] },
    ],
    settings: aware({ fail_traffic_on_panic: true }),
    to: 'none',
  },
  {
    name: 'degraded endpoints of the zone',
    zones: (a, b) => [
      { zone: 'here', ports: [a], health: ['DEGRADED'] },
      { zone: 'there', ports: [b], health: ['DEGRADED'] },
    ],
    settings: aware(),
    to: 'both',
    stats: { lb_zone_routing_cross_zone: 0 },
  },
  {
    name: 'weights: a locality without any gets nothing',
    zones: (a, b) => [
      { zone: 'x', ports: [a], weight: 2 },
      { zone: 'y', ports: [b] },
    ],
    settings: byLocality,
    to: 'a',
  },
  {
    name: 'weights: no locality with one has an endpoint',
    zones: (a, b) => [
      { zone: 'x', ports: [a], weight: 2, health: ['UNHEALTHY'] },
      { zone: 'y', ports: [b] },
    ],
    settings: byLocality,
    to: 'b',
  },
  {
    name: 'weights: none has one',
    zones: (a, b) => [
      { zone: 'x', ports: [a] },
      { zone: 'y', ports: [b] },
    ],
    settings: byLocality,
    to: 'both',
  },
  {
    name: 'weights: equal ones are taken in turn, whatever is in a locality',
    zones: (a, b) => [
      { zone: 'x', ports: [a], weight: 1 },
      { zone: 'y', ports: [b, 1], weight: 1, health: ['HEALTHY', 'DRAINING'], weights: [7] },
    ],
    settings: byLocality,
    to: 'both',
  },
  {
    name: 'weights in panic do not count',
    zones: (a, b) => [
      { zone: 'x', ports: [a, 1], weight: 2, health: ['UNHEALTHY', 'UNHEALTHY'] },
      { zone: 'y', ports: [b], health: ['UNHEALTHY'] },
    ],
    settings: {
      common_lb_config: { locality_weighted_lb_config: {}, healthy_panic_threshold: { value: 0 } },
    },
    to: 'none',
  },
  {
    name: 'weights of degraded endpoints',
    zones: (a, b) => [
      { zone: 'x', ports: [a], weight: 1, health: ['DEGRADED'] },
      { zone: 'y', ports: [b], health: ['DEGRADED'] },
    ],
    settings: byLocality,
    to: 'a',
  },
  {
    name: 'weights of a cluster that hashes: a locality without any gets nothing',
    zones: (a, b) => [
      { zone: 'x', ports: [a], weight: 2 },
      { zone: 'y', ports: [b] },
    ],
    settings: { ...byLocality, lb_policy: 'RING_HASH' },
    to: 'a',
  },
  {
    name: 'weights of a cluster that hashes: none has one',
    zones: (a, b) => [
      { zone: 'x', ports: [a] },
      { zone: 'y', ports: [b] },
    ],
    settings: { ...byLocality, lb_policy: 'MAGLEV' },
    to: 'none',
  },
  {
    name: 'wrr_locality',
    zones: (a, b) => [
      { zone: 'x', ports: [a], weight: 2 },
      { zone: 'y', ports: [b] },
    ],
    settings: policy('wrr_locality.v3.WrrLocality', {
      endpoint_picking_policy: {
        policies: [
          {
            typed_extension_config: extension(
              'csw',
              'load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin',
            ),
          },
        ],
      },
    }),
    to: 'a',
  },
];

const nameOf = (i: number): string => `row-${i}x`;

function expectation({ to, counts = [], stats = {} }: Row, i: number): Expectation {
  const count = to === 'none' ? FAILING : REQUESTS;
  const all: [string, number][] = [
    ...counts.map((name): [string, number] => [`cluster.${nameOf(i)}.${name}`, count]),
    ...Object.entries(stats).map(([name, by]): [string, number] => [`cluster.${nameOf(i)}.${name}`, by]),
  ];
  const expected = {
    status: several(count).map(() => (to === 'none' ? 503 : 200)),
    stats: Object.fromEntries(all),
  };
  if (to === 'none') return expected;
  if (to === 'both') return { ...expected, upstream: [/a\| GET/, /b\| GET/] };
  const never = ['a', 'b', 'c'].filter((name) => name !== to).map((name) => new RegExp(`${name}\\| GET`));
  return { ...expected, upstream: new RegExp(`${to}\\| GET`), never };
}

const cases: readonly Case[] = rows.map((row, i) => {
  const methods = several(row.to === 'none' ? FAILING : REQUESTS);
  return {
    name: row.name,
    covers: 'zones',
    play: http1(
      methods.map(() => get(`/${nameOf(i)}`)),
      { methods },
    ),
    expect: expectation(row, i),
    ...(row.to === 'both' && { inAnyOrder: true }),
  };
});

const clusters = (a: number, b: number, c: number): Message[] =>
  rows.map((row, i) => zones(nameOf(i), row.zones(a, b, c), row.settings));
const routes = rows.map((_, i) => route(`/${nameOf(i)}`, { cluster: nameOf(i), prefix_rewrite: '/echo' }));
const at = (zone: string): Message => ({ node: { id: 'one', cluster: 'two', locality: { zone } } });

/** What is counted once, or with each request, where this proxy's own cluster is of little use. */
const useless = (
  name: string,
  local: readonly Zone[],
  expect: Expectation,
  zone = 'here',
  more: Message = {},
): Group => ({
  name: `local cluster: ${name}`,
  backends: { a: http1Backend(), b: http1Backend() },
  bootstrap: ({ ports: { a = 0, b = 0 } }) =>
    bootstrap(
      [
        httpListener('main', {
          routes: [route('/up', { cluster: 'up', prefix_rewrite: '/echo' }), route('/')],
        }),
      ],
      [cluster('a', [a]), zones('local', local), zones('up', here(a, b), aware())],
      { ...at(zone), cluster_manager: { local_cluster_name: 'local' }, ...more },
    ),
  cases: [
    {
      name,
      covers: 'zones',
      play: async (play) => {
        const methods = several(REQUESTS);
        const view = await http1(
          methods.map(() => get('/up')),
          { methods },
        )(play);
        const lines = await adminLines(play, '/stats', /^cluster\.up\.lb_zone/);
        return { ...view, lines: [...view.lines, ...lines] };
      },
      expect,
      inAnyOrder: true,
    },
  ],
});

export const groups: readonly Group[] = [
  {
    name: 'zones',
    backends: { a: http1Backend(), b: http1Backend(), c: http1Backend() },
    bootstrap: ({ ports: { a = 0, b = 0, c = 0 } }) =>
      bootstrap(
        [httpListener('main', { routes: [...routes, route('/')] })],
        [
          zones('local', [
            { zone: 'here', ports: [1, 2] },
            { zone: 'there', ports: [3, 4] },
          ]),
          cluster('a', [a]),
          ...clusters(a, b, c),
        ],
        { ...at('here'), cluster_manager: { local_cluster_name: 'local' } },
      ),
    cases,
  },
  useless('in one zone', [{ zone: 'here', ports: [1] }], { upstream: [/a\| GET/, /b\| GET/] }),
  useless(
    'not in this zone',
    [
      { zone: 'x', ports: [1] },
      { zone: 'there', ports: [2] },
    ],
    { upstream: [/a\| GET/, /b\| GET/] },
  ),
  useless(
    'in panic',
    [
      { zone: 'here', ports: [1], health: ['UNHEALTHY'] },
      { zone: 'there', ports: [2], health: ['UNHEALTHY'] },
    ],
    { upstream: [/a\| GET/, /b\| GET/], stats: { 'cluster.up.lb_local_cluster_not_ok': REQUESTS } },
  ),
  useless(
    'few are well, which the runtime does not call panic',
    [
      { zone: 'here', ports: [1, 2, 3], health: ['HEALTHY', 'UNHEALTHY', 'UNHEALTHY'] },
      { zone: 'there', ports: [4, 5, 6], health: ['HEALTHY', 'UNHEALTHY', 'UNHEALTHY'] },
    ],
    {
      upstream: /a\| GET/,
      never: /b\| GET/,
      stats: { 'cluster.up.lb_local_cluster_not_ok': 0, 'cluster.up.lb_zone_routing_all_directly': REQUESTS },
    },
    'here',
    {
      layered_runtime: {
        layers: [{ name: 'fixed', static_layer: { 'upstream.healthy_panic_threshold': 20 } }],
      },
    },
  ),
  useless(
    'most proxies are here',
    [
      { zone: 'here', ports: [1] },
      { zone: 'there', ports: [2] },
    ],
    { upstream: [/a\| GET/, /b\| GET/] },
    'elsewhere',
  ),
];

if (import.meta.main) compare(groups);
