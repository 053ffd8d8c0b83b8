/** The filter health_check. */
import { http1 as http1Backend } from './backend/http1.ts';
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
import { get, http1, request, type Step } from './wire/http1.ts';

const row = (
  name: string,
  on: string,
  steps: readonly Step[],
  expect: Expectation,
  methods: readonly string[] = ['GET'],
): Case => ({
  ...{ name: `health_check: ${name}`, covers: 'health-check', on, expect },
  play: http1(steps, { methods, noProbe: true }),
});

const fail: Step = { act: ({ admin }) => admin('/healthcheck/fail', 'POST') };
const heal: Step = { act: ({ admin }) => admin('/healthcheck/ok', 'POST') };
/** Waits for the answer, and puts an end to it. */
const healed: readonly Step[] = [{ until: /\r\n\r\n/ }, heal];

const cases: readonly Case[] = [
  row('healthy', 'own', [get('/healthz')], {
    status: 200,
    client: /^x-envoy-upstream-healthchecked-cluster: /,
    upstream: 'nothing',
    log: / 200 - health_check_ok /,
  }),
  row('other paths', 'own', [get('/echo')], { status: 200, upstream: /GET \/echo/, never: /healthchecked/ }),
  row(
    'a body',
    'own',
    [request('POST', '/healthz', ['content-length: 5'], 'hello')],
    { status: 200, upstream: 'nothing' },
    ['POST'],
  ),
  row('two headers must match', 'own', [get('/ready')], { status: 200, upstream: /GET \/ready/ }),
  row('failed', 'own', [fail, get('/healthz'), ...healed], {
    status: 503,
    log: / 503 LH health_check_failed /,
  }),
  row('failed, for other requests', 'own', [fail, get('/echo'), ...healed], {
    status: 200,
    client: /^x-envoy-immediate-health-check-fail: true$/,
  }),
  row('without a route', 'lost', [get('/healthz')], { status: 200, log: / 200 - health_check_ok / }),
  row('enough of a cluster', 'enough', [get('/healthz')], {
    status: 200,
    log: / 200 - health_check_ok_cluster_healthy /,
  }),
  row('a cluster without endpoints', 'empty', [get('/healthz')], {
    status: 503,
    log: / 503 LH health_check_failed_cluster_empty /,
  }),
  row('a cluster that may be empty', 'any', [get('/healthz')], { status: 200 }),
  row('a cluster that is not there', 'gone', [get('/healthz')], {
    status: 503,
    log: / 503 LH health_check_failed_no_cluster_found /,
  }),
  row('passed through', 'through', [get('/healthz')], {
    status: 200,
    client: /^x-envoy-upstream-healthchecked-cluster: /,
    upstream: /GET \/healthz/,
  }),
  row('passed through, failed', 'through', [fail, get('/healthz'), ...healed], {
    status: 503,
    upstream: 'nothing',
  }),
  row('too few of a cluster', 'few', [get('/healthz')], {
    status: 503,
    log: / 503 LH health_check_failed_cluster_unhealthy /,
  }),
  row(
    'an answer that is kept',
    'kept',
    [get('/healthz'), { until: /healthz"|path \/healthz/ }, get('/healthz')],
    { status: [200, 200], log: / 200 - health_check_cached / },
    ['GET', 'GET'],
  ),
  row('an upstream that cannot be reached', 'refused', [get('/healthz')], { status: 503 }),
  row(
    'not logged',
    'quiet',
    [get('/healthz'), { until: /\r\n\r\n/ }, get('/echo')],
    { log: /echo/, never: /nothing/ },
    ['GET', 'GET'],
  ),
];
const quiet = cases.at(-1)!;

export const groups: readonly Group[] = [
  {
    name: 'health check',
    backends: { a: http1Backend() },
    flags: ['--service-cluster', 'shop'],
    bootstrap: ({ ports }) => {
      const path = { name: ':path', string_match: { exact: '/healthz' } };
      const filter = (fields: Message): Message =>
        extension('health', 'filters.http.health_check.v3.HealthCheck', {
          pass_through_mode: false,
          headers: [path],
          ...fields,
        });
      const minimum = (name: string, value: number): Message =>
        filter({ cluster_min_healthy_percentages: { [name]: { value } } });
      const quietly: Message = {
        access_log: [
          {
            ...extension('log', 'access_loggers.file.v3.FileAccessLog', {
              path: '@LOG@',
              log_format: { text_format_source: { inline_string: '%REQ(X-TEST)% %REQ(:PATH)%\n' } },
            }),
            filter: { not_health_check_filter: {} },
          },
        ],
      };
      const wants = { name: 'x-ready', present_match: true };
      return bootstrap(
        [
          httpListener('own', {
            filters: [
              filter({}),
              filter({ headers: [{ name: ':path', string_match: { exact: '/ready' } }, wants] }),
            ],
          }),
          httpListener('lost', { filters: [filter({})], routes: [route('/plain')] }),
          httpListener('enough', { filters: [minimum('a', 100)] }),
          httpListener('empty', { filters: [minimum('empty', 50)] }),
          httpListener('any', { filters: [minimum('empty', 0)] }),
          httpListener('gone', { filters: [minimum('gone', 50)] }),
          httpListener('through', { filters: [filter({ pass_through_mode: true })] }),
          httpListener('few', { filters: [minimum('half', 60)] }),
          httpListener('kept', { filters: [filter({ pass_through_mode: true, cache_time: '3600s' })] }),
          httpListener('refused', {
            filters: [filter({ pass_through_mode: true })],
            routes: [route('/', { cluster: 'refused' })],
          }),
          httpListener('quiet', { filters: [filter({})], hcm: quietly }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('empty', []),
          cluster('refused', [1]),
          cluster('half', [ports.a!, { health_status: 'UNHEALTHY', endpoint: address(1) }]),
        ],
      );
    },
    cases: [...cases.slice(0, -1), { ...quiet, logLines: 1 }],
  },
];

if (import.meta.main) compare(groups);
