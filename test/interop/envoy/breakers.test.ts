/** Limits of clusters by priority and by endpoint, budgets of retries, and what shows them. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { adminLines, thenPage } from './harness/admin-lines.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Group, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const held = onHttp1(async (exchange) => {
  await exchange.cue();
  exchange.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
});
const failing = 'HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n';

/** One request that is under way while the limits are looked at, and again when it is through. */
const whileHeld =
  (path: string, pattern: RegExp): Script =>
  async (play) => {
    const lines: string[] = [];
    const view = await http1([
      get(path),
      { saw: /GET/ },
      {
        act: async (at) =>
          lines.push(...(await adminLines(at, '/stats', pattern)).map((line) => `held ${line}`)),
      },
      { cue: 'a' },
    ])(play);
    return {
      ...view,
      lines: [...view.lines, ...lines, ...(await adminLines(play, '/stats', pattern))],
    };
  };

const cases: readonly Case[] = [
  {
    name: 'requests of high priority have limits of their own',
    covers: 'breakers',
    play: http1([get('/none/high'), get('/none/default')], { methods: ['GET', 'GET'] }),
    expect: {
      status: [503, 200],
      log: / 503 UO /,
      stats: { 'cluster.none.upstream_rq_pending_overflow': 1 },
    },
  },
  {
    name: 'a limit that is reached is shown',
    covers: 'breakers',
    answers: { a: held },
    play: whileHeld('/one/default', /^cluster\.one\.circuit_breakers\./),
    expect: {
      status: 200,
      client: [/held .*default\.cx_open: 1/, /held .*default\.rq_open: 1/, /^cluster.*default\.rq_open: 0/],
    },
  },
  {
    name: 'a limit of high priority that is reached is shown',
    covers: 'breakers',
    answers: { a: held },
    play: whileHeld('/one/high', /^cluster\.one\.circuit_breakers\./),
    expect: { status: 200, client: [/held .*high\.rq_open: 1/, /held .*default\.rq_open: 0/] },
  },
  {
    name: 'what is left of limits is shown',
    covers: 'breakers',
    answers: { a: held },
    play: whileHeld('/tracked', /^cluster\.tracked\.circuit_breakers\.default\.remaining_(?!cx_pools)/),
    expect: {
      status: 200,
      client: [/held .*remaining_rq: 6/, /held .*remaining_cx: 4/, /^cluster.*remaining_rq: 7/],
    },
  },
  {
    name: 'no retry within a budget of none',
    covers: 'breakers',
    answers: { a: failing },
    play: http1([get('/budget/none')]),
    expect: {
      status: 503,
      log: / 503 UO via_upstream /,
      stats: { 'cluster.budget-none.upstream_rq_retry_overflow': 1 },
    },
  },
  {
    name: 'a budget allows so many retries in any case',
    covers: 'breakers',
    answers: { a: failing },
    play: http1([get('/budget/least')]),
    expect: {
      status: 503,
      stats: { 'cluster.budget-least.upstream_rq_retry': 2 },
    },
  },
  {
    name: 'a budget takes the place of a number of retries',
    covers: 'breakers',
    answers: { a: failing },
    play: http1([get('/budget/over')]),
    expect: { status: 503, stats: { 'cluster.budget-over.upstream_rq_retry': 2 } },
  },
  {
    name: 'retries of high priority',
    covers: 'breakers',
    answers: { a: failing },
    play: http1([get('/retries/high'), get('/retries/default')], { methods: ['GET', 'GET'] }),
    expect: {
      status: [503, 503],
      stats: { 'cluster.retries.upstream_rq_retry': 2, 'cluster.retries.upstream_rq_retry_overflow': 1 },
    },
  },
  {
    name: 'an endpoint without connections gets one beyond its limit',
    covers: 'breakers',
    play: http1([get('/narrow')]),
    expect: { status: 200, stats: { 'cluster.narrow.upstream_cx_overflow': 1 } },
  },
  {
    name: 'limits are shown with the cluster',
    covers: 'breakers',
    play: thenPage(http1([get('/one/default')]), '/clusters', /^one::(?:default|high)_priority::/),
    expect: { status: 200, client: [/default_priority::max_requests::1/, /high_priority::max_requests::1/] },
  },
  {
    name: 'limits are shown with the cluster as JSON',
    covers: 'breakers',
    logLines: 0,
    play: async (play) => {
      const page = JSON.parse(await play.admin('/clusters?format=json')) as {
        readonly cluster_statuses: readonly { readonly name: string; readonly circuit_breakers: unknown }[];
      };
      const one = page.cluster_statuses.find(({ name }) => name === 'one');
      return { statuses: [], lines: [JSON.stringify(one?.circuit_breakers)] };
    },
    expect: { client: /"priority":"HIGH","max_connections":1,/ },
  },
];

const breakers = (...thresholds: readonly Message[]): Message => ({ circuit_breakers: { thresholds } });
const again: Message = {
  retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.001s' } },
};

export const groups: readonly Group[] = [
  {
    name: 'circuit breakers',
    backends: { a: http1Backend() },
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              route('/none/high', { cluster: 'none', priority: 'HIGH' }),
              route('/none/', { cluster: 'none' }),
              route('/one/high', { cluster: 'one', priority: 'HIGH' }),
              route('/one/', { cluster: 'one' }),
              route('/tracked', { cluster: 'tracked' }),
              route('/narrow', { cluster: 'narrow' }),
              route('/budget/none', { cluster: 'budget-none', ...again }),
              route('/budget/least', { cluster: 'budget-least', ...again }),
              route('/budget/over', { cluster: 'budget-over', ...again }),
              route('/retries/high', { cluster: 'retries', priority: 'HIGH', ...again }),
              route('/retries/', { cluster: 'retries', ...again }),
              route('/'),
            ],
          }),
        ],
        [
          cluster('a', [a]),
          cluster('none', [a], breakers({ priority: 'HIGH', max_pending_requests: 0 })),
          cluster(
            'one',
            [a],
            breakers(
              { max_connections: 1, max_requests: 1 },
              { priority: 'HIGH', max_connections: 1, max_requests: 1 },
            ),
          ),
          cluster(
            'tracked',
            [a],
            breakers({
              track_remaining: true,
              max_connections: 5,
              max_pending_requests: 6,
              max_requests: 7,
              max_retries: 8,
            }),
          ),
          cluster('narrow', [a], {
            circuit_breakers: { per_host_thresholds: [{ max_connections: 0 }] },
          }),
          cluster(
            'budget-none',
            [a],
            breakers({ retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } }),
          ),
          cluster('budget-least', [a], breakers({ retry_budget: { min_retry_concurrency: 1 } })),
          cluster('budget-over', [a], breakers({ max_retries: 0, retry_budget: {} })),
          cluster('retries', [a], breakers({ priority: 'HIGH', max_retries: 0 })),
        ],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
