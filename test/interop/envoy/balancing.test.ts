/** Which endpoints get requests, by what is known of their health. */
import { http1 as http1Backend } from './backend/http1.ts';
import { thenPage } from './harness/admin-lines.ts';
import { address, bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

type Health = 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED' | 'DRAINING' | 'TIMEOUT';

const on = (port: number, health: Health = 'HEALTHY', more: Message = {}): Message => ({
  endpoint: address(port),
  health_status: health,
  ...more,
});

/** A cluster of priorities, each with these endpoints. */
const priorities = (
  name: string,
  levels: readonly (readonly Message[])[],
  policy: Message = {},
  more: Message = {},
): Message => ({
  name,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: {
    cluster_name: name,
    policy,
    endpoints: levels.map((endpoints, priority) => ({ priority, lb_endpoints: endpoints })),
  },
  ...more,
});

const REQUESTS = 2;
const several = Array.from({ length: REQUESTS }, () => 'GET');

/** Some requests, one after the other, to the cluster of that name. */
const sent = (name: string, to: string, expect: Expectation): Case => ({
  name,
  covers: 'balancing',
  play: http1(
    several.map(() => get(`/${to}`)),
    { methods: several },
  ),
  expect,
});

const ok: Expectation = { status: several.map(() => 200) };

const cases: readonly Case[] = [
  sent('degraded endpoints get nothing where healthy ones can take it all', 'spared', {
    ...ok,
    upstream: /a\| GET/,
    never: /b\| GET/,
  }),
  sent('degraded endpoints where there are no others', 'degraded', { ...ok, upstream: /b\| GET/ }),
  sent('a priority of degraded endpoints comes after a healthy one', 'second', {
    ...ok,
    upstream: /a\| GET/,
    never: /b\| GET/,
  }),
  sent('degraded endpoints of a cluster that hashes', 'hashed', {
    status: several.map(() => 503),
    upstream: 'nothing',
    stats: { 'cluster.hashed.upstream_cx_none_healthy': REQUESTS },
  }),
  sent('a priority with enough for its factor', 'plenty', { ...ok, upstream: /a\| GET/, never: /b\| GET/ }),
  sent('weights make up the health of a priority', 'weighty', {
    ...ok,
    upstream: /a\| GET/,
    never: /b\| GET/,
  }),
  sent('panic: endpoints that are not healthy', 'panic', {
    ...ok,
    stats: { 'cluster.panic.lb_healthy_panic': REQUESTS },
  }),
  sent('panic is not allowed', 'calm', {
    status: several.map(() => 503),
    upstream: 'nothing',
    stats: { 'cluster.calm.lb_healthy_panic': 0 },
  }),
  sent('traffic fails in panic', 'failing', {
    status: several.map(() => 503),
    upstream: 'nothing',
    log: / 503 UH no_healthy_upstream /,
    stats: { 'cluster.failing.lb_healthy_panic': REQUESTS },
  }),
  sent('draining endpoints do not count', 'draining', {
    ...ok,
    upstream: /a\| GET/,
    never: /b\| GET/,
    stats: { 'cluster.draining.lb_healthy_panic': 0 },
  }),
  sent('endpoints that time out are not used', 'slow', { ...ok, upstream: /a\| GET/, never: /b\| GET/ }),
  {
    name: 'the health of each endpoint is shown',
    covers: 'balancing',
    play: thenPage(
      http1([get('/echo')]),
      '/clusters',
      /^shown::.*::(?:health_flags|hostname|priority|weight)::/,
    ),
    expect: {
      client: [
        /BACKEND_a::health_flags::healthy/,
        /health_flags::\/failed_eds_health/,
        /health_flags::\/degraded_eds_health/,
        /health_flags::\/eds_status_draining/,
      ],
    },
  },
  {
    name: 'how many endpoints are in what state',
    covers: 'balancing',
    play: thenPage(http1([get('/echo')]), '/stats', /^cluster\.shown\.membership_(?!change)/),
    expect: {
      client: [
        /membership_total: 5/,
        /membership_healthy: 1/,
        /membership_degraded: 1/,
        /membership_excluded: 1/,
      ],
    },
  },
];

const paths = [
  ...['spared', 'degraded', 'second', 'hashed', 'plenty', 'weighty', 'panic', 'calm', 'failing'],
  ...['draining', 'slow', 'shown'],
];

export const groups: readonly Group[] = [
  {
    name: 'health of endpoints',
    backends: { a: http1Backend(), b: http1Backend() },
    bootstrap: ({ ports: { a = 0, b = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              ...paths.map((path) =>
                route(`/${path}`, {
                  cluster: path,
                  prefix_rewrite: '/echo',
                  hash_policy: [{ header: { header_name: 'x-test' } }],
                }),
              ),
              route('/'),
            ],
          }),
        ],
        [
          cluster('a', [a]),
          priorities('spared', [[on(a), on(b, 'DEGRADED')]], { overprovisioning_factor: 200 }),
          priorities('degraded', [[on(a, 'UNHEALTHY'), on(b, 'DEGRADED')]], { overprovisioning_factor: 200 }),
          priorities('second', [[on(b, 'DEGRADED')], [on(a)]]),
          priorities('hashed', [[on(b, 'DEGRADED')]], {}, { lb_policy: 'RING_HASH' }),
          priorities('plenty', [[on(a), on(b, 'UNHEALTHY')], [on(b)]], { overprovisioning_factor: 200 }),
          priorities(
            'weighty',
            [
              [
                on(a, 'HEALTHY', { load_balancing_weight: 99 }),
                on(b, 'UNHEALTHY', { load_balancing_weight: 1 }),
              ],
              [on(b)],
            ],
            { weighted_priority_health: true },
          ),
          priorities('panic', [[on(a, 'UNHEALTHY')]]),
          priorities(
            'calm',
            [[on(a, 'UNHEALTHY')]],
            {},
            {
              common_lb_config: { healthy_panic_threshold: { value: 0 } },
            },
          ),
          priorities(
            'failing',
            [[on(a, 'UNHEALTHY')]],
            {},
            {
              common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } },
            },
          ),
          priorities('draining', [[on(a), on(b, 'DRAINING')]]),
          priorities('slow', [[on(a), on(b, 'TIMEOUT')]]),
          priorities('shown', [
            [
              on(a),
              on(b, 'DEGRADED'),
              { ...on(1, 'UNHEALTHY'), load_balancing_weight: 3 },
              { ...on(2, 'DRAINING'), endpoint: { ...address(2), hostname: 'two.example' } },
            ],
            [on(3, 'TIMEOUT')],
          ]),
        ],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
