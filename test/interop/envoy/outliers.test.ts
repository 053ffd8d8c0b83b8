/** Endpoints that are ejected for what comes of requests to them, and come back. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { clusters, two, watched } from './cases/outlier-clusters.ts';
import { adminLines, untilPage } from './harness/admin-lines.ts';
import {
  bootstrap,
  cluster,
  http2Cluster,
  httpListener,
  listener,
  route,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1, request, type Step } from './wire/http1.ts';

const answer = (status: number, ...headers: readonly string[]): string =>
  head(`HTTP/1.1 ${status} Said`, 'content-length: 0', ...headers);

/** The backend answers with these one after the other, and with the last from then on. */
const inTurn = (...statuses: readonly number[]) => {
  return {
    a: onHttp1((exchange) =>
      exchange.write(answer(statuses[Math.min(exchange.attempt, statuses.length) - 1]!)),
    ),
  };
};

const ejected = (name: string): Step => ({
  act: (play: Play) =>
    untilPage(play, '/clusters', new RegExp(`^${name}::.*health_flags::.*/failed_outlier_check`, 'm')),
});

const back = (name: string): Step => ({
  act: (play: Play) => untilPage(play, '/clusters', new RegExp(`^${name}::.*health_flags::healthy`, 'm')),
});

/** Envoy's main thread takes notice of what workers count, and only then counts anew. */
const noticed = (name: string): Step => ({
  act: (play: Play) =>
    untilPage(play, '/stats', new RegExp(`^${outlier(name, 'detected_consecutive_5xx')}: 1$`, 'm')),
});

const outlier = (name: string, stat: string): string => `cluster.${name}.outlier_detection.ejections_${stat}`;

/** One request after the other to the cluster of that name. */
const sent = (name: string, steps: readonly Step[], of: Partial<Case> & { expect: Expectation }): Case => {
  const methods = steps.filter((step) => typeof step === 'function').map(() => 'GET');
  return { name, covers: 'outliers', play: http1(steps, { methods }), ...of };
};

const times = (count: number, path: string): Step[] => Array.from({ length: count }, () => get(path));

const consecutive: readonly Case[] = [
  sent('5xx in a row', [...times(3, '/row'), ejected('row'), get('/row')], {
    answers: inTurn(500, 501, 505),
    expect: {
      status: [500, 501, 505, 503],
      log: / 503 UH /,
      stats: {
        [outlier('row', 'total')]: 1,
        [outlier('row', 'consecutive_5xx')]: 1,
        [outlier('row', 'detected_consecutive_5xx')]: 1,
        [outlier('row', 'enforced_consecutive_5xx')]: 1,
        [outlier('row', 'enforced_total')]: 1,
        'cluster.row.membership_healthy': -1,
      },
    },
  }),
  sent('a success between them', times(4, '/broken'), {
    answers: inTurn(500, 500, 200, 500),
    expect: { status: [500, 500, 200, 500], stats: { [outlier('broken', 'detected_consecutive_5xx')]: 0 } },
  }),
  sent('gateway errors in a row', [...times(2, '/gateway'), ejected('gateway'), get('/gateway')], {
    answers: inTurn(502, 504),
    expect: {
      status: [502, 504, 503],
      stats: {
        [outlier('gateway', 'detected_consecutive_gateway_failure')]: 1,
        [outlier('gateway', 'enforced_consecutive_gateway_failure')]: 1,
        [outlier('gateway', 'total')]: 0,
      },
    },
  }),
  sent('another error between gateway errors', times(3, '/mixed'), {
    answers: inTurn(502, 500, 503),
    expect: {
      status: [502, 500, 503],
      stats: { [outlier('mixed', 'detected_consecutive_gateway_failure')]: 0 },
    },
  }),
  sent(
    'what is found is not enforced',
    [...times(2, '/lenient'), noticed('lenient'), ...times(2, '/lenient')],
    {
      answers: inTurn(500),
      expect: {
        status: [500, 500, 500, 500],
        stats: {
          [outlier('lenient', 'detected_consecutive_5xx')]: 2,
          [outlier('lenient', 'total')]: 2,
          [outlier('lenient', 'enforced_total')]: 0,
        },
      },
    },
  ),
  sent('no more than a share of the endpoints', times(2, '/share'), {
    answers: inTurn(500),
    expect: {
      status: [500, 500],
      stats: { [outlier('share', 'detected_consecutive_5xx')]: 1, [outlier('share', 'overflow')]: 1 },
    },
  }),
  sent('one endpoint in any case', [...times(2, '/one'), ejected('one')], {
    answers: inTurn(500),
    expect: { status: [500, 500], stats: { [outlier('one', 'enforced_total')]: 1 } },
  }),
  sent('connections that cannot be made', [...times(2, '/refused'), ejected('refused')], {
    expect: {
      status: [503, 503],
      stats: { [outlier('refused', 'detected_consecutive_5xx')]: 1 },
    },
  }),
  sent(
    'connections that cannot be made, counted apart',
    [...times(2, '/apart'), ejected('apart'), get('/apart')],
    {
      expect: {
        status: [503, 503, 503],
        stats: {
          [outlier('apart', 'detected_consecutive_local_origin_failure')]: 1,
          [outlier('apart', 'enforced_consecutive_local_origin_failure')]: 1,
          [outlier('apart', 'detected_consecutive_5xx')]: 0,
        },
      },
    },
  ),
  sent('answers are no failures of connections', times(3, '/answered'), {
    answers: inTurn(500),
    expect: {
      status: [500, 500, 500],
      stats: {
        [outlier('answered', 'detected_consecutive_local_origin_failure')]: 0,
        [outlier('answered', 'detected_consecutive_5xx')]: 0,
      },
    },
  }),
  sent('answers that do not come in time', [...times(2, '/late'), ejected('late')], {
    answers: { a: onHttp1(() => {}) },
    expect: {
      status: [504, 504],
      stats: { [outlier('late', 'detected_consecutive_gateway_failure')]: 1 },
    },
  }),
  sent('tries that do not end in time', [get('/tries'), ejected('tries')], {
    answers: { a: onHttp1(() => {}) },
    expect: {
      status: 504,
      stats: { [outlier('tries', 'detected_consecutive_gateway_failure')]: 1 },
    },
  }),
  sent('connections that are lost', [...times(2, '/lost'), ejected('lost')], {
    answers: { a: onHttp1((exchange) => exchange.reset()) },
    expect: { status: [503, 503], stats: { [outlier('lost', 'detected_consecutive_5xx')]: 1 } },
  }),
  sent('retries count each', [get('/again'), ejected('again')], {
    answers: inTurn(500),
    expect: { status: 500, stats: { [outlier('again', 'detected_consecutive_5xx')]: 1 } },
  }),
];

const grpc = (to: string): Step => request('POST', to, ['content-type: application/grpc', 'te: trailers']);

const calls: readonly Case[] = [
  {
    name: 'gRPC: statuses that stand for a failure of the server',
    covers: 'outliers',
    answers: { a: answer(200, 'content-type: application/grpc', 'grpc-status: 14') },
    play: http1([grpc('/grpc'), grpc('/grpc'), ejected('grpc')], { methods: ['POST', 'POST'] }),
    expect: {
      status: [200, 200],
      stats: { [outlier('grpc', 'detected_consecutive_gateway_failure')]: 1 },
    },
  },
  {
    name: 'gRPC: statuses that are the fault of the client',
    covers: 'outliers',
    answers: { a: answer(200, 'content-type: application/grpc', 'grpc-status: 5') },
    play: http1([grpc('/fine'), grpc('/fine'), grpc('/fine')], { methods: ['POST', 'POST', 'POST'] }),
    expect: {
      status: [200, 200, 200],
      stats: { [outlier('fine', 'detected_consecutive_5xx')]: 0 },
    },
  },
  {
    name: 'gRPC: a status that does not exist',
    covers: 'outliers',
    answers: { a: answer(200, 'content-type: application/grpc', 'grpc-status: 77') },
    play: http1([grpc('/odd'), grpc('/odd'), ejected('odd')], { methods: ['POST', 'POST'] }),
    expect: { status: [200, 200], stats: { [outlier('odd', 'detected_consecutive_5xx')]: 1 } },
  },
  {
    name: 'without gRPC a status of it says nothing',
    covers: 'outliers',
    answers: { a: answer(200, 'grpc-status: 14') },
    play: http1(times(3, '/plain'), { methods: ['GET', 'GET', 'GET'] }),
    expect: { status: [200, 200, 200], stats: { [outlier('plain', 'detected_consecutive_5xx')]: 0 } },
  },
];

const afterwards: readonly Case[] = [
  sent(
    'an endpoint comes back',
    [...times(2, '/back'), ejected('back'), back('back'), get('/back'), get('/back')],
    {
      answers: inTurn(500, 500, 200, 500),
      expect: { status: [500, 500, 200, 500], stats: { [outlier('back', 'enforced_total')]: 1 } },
    },
  ),
  sent(
    'in panic it gets requests, over other connections',
    [get('/pool'), { until: /HTTP\/1\.1 500[\s\S]*\r\n\r\n/ }, get('/pool'), ejected('pool'), get('/pool')],
    {
      answers: inTurn(500, 500, 200),
      expect: {
        status: [500, 500, 200],
        stats: { 'cluster.pool.lb_healthy_panic': 1, 'cluster.pool.upstream_cx_total': 2 },
      },
    },
  ),
  {
    name: 'tcp_proxy: connections that cannot be made',
    covers: 'outliers',
    on: 'tcp',
    logLines: 0,
    play: async (play) => {
      const lines: string[] = [];
      for (let i = 0; i < 2; i++) lines.push(...(await http1([], { raw: true, methods: [] })(play)).lines);
      await untilPage(play, '/clusters', /^tcp::.*\/failed_outlier_check/m);
      return { statuses: [], lines };
    },
    expect: { stats: { [outlier('tcp', 'detected_consecutive_5xx')]: 1 } },
  },
  {
    name: 'ejections and returns are told of',
    covers: 'outliers',
    play: async (play) => {
      const view = await http1([...times(2, '/told'), ejected('told'), back('told')], {
        methods: ['GET', 'GET'],
      })(play);
      return { ...view, lines: [...view.lines, ...(await events(play, 'told', 2))] };
    },
    answers: inTurn(500, 500, 200),
    expect: { client: [/"action":"EJECT"/, /"action":"UNEJECT"/] },
  },
];

/** Lines of the log of events of a cluster, when so many are there; without what no two runs share. */
async function events(play: Play, name: string, count: number): Promise<string[]> {
  for (;;) {
    const lines = readFileSync(join(play.folder, 'outliers.log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes(`"${name}"`));
    if (lines.length >= count) return lines.map(steady).sort();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function steady(line: string): string {
  const { timestamp, secs_since_last_action: _, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const entries = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ ...Object.fromEntries(entries), timestamp: typeof timestamp });
}

const UNSEEN = 'GET /PATH HTTP/1.1\r\nhost: test.example\r\nx-test: probe\r\n\r\n';
const ROUNDS = 40;

/** Requests that nobody compares, until an endpoint is ejected; then what is shown of the cluster. */
const untilEjected =
  (name: string): Script =>
  async (play) => {
    const isOut = new RegExp(`^${name}::.*/failed_outlier_check`, 'm');
    for (let round = 0; round < ROUNDS && !isOut.test(await play.admin('/clusters')); round++) {
      const steps = Array.from({ length: 12 }, (_, i): Step[] => [
        UNSEEN.replace('PATH', name),
        { until: new RegExp(`(?:HTTP/1\\.1 [\\s\\S]*?){${i + 1}}`) },
      ]).flat();
      await http1(steps, { methods: [], noProbe: true })(play);
    }
    const flags = await adminLines(play, '/clusters', new RegExp(`^${name}::.*health_flags`));
    const stats = await adminLines(play, '/stats', new RegExp(`^cluster\\.${name}\\.outlier_detection`));
    return { statuses: [], lines: [...flags, ...stats] };
  };

const rates: readonly Case[] = [
  {
    name: 'a rate of success far below that of the others',
    covers: 'outliers',
    logLines: 0,
    play: untilEjected('rates'),
    uncounted: 'how many requests it takes is a matter of when intervals end',
    expect: {
      client: [/127\.0\.0\.1:1::health_flags::\/failed_outlier_check/, /ejections_enforced_success_rate: 1/],
    },
  },
  {
    name: 'a share of failures',
    covers: 'outliers',
    logLines: 0,
    play: untilEjected('percentage'),
    uncounted: 'how many requests it takes is a matter of when intervals end',
    expect: {
      client: [
        /127\.0\.0\.1:1::health_flags::\/failed_outlier_check/,
        /ejections_enforced_failure_percentage: 1/,
      ],
    },
  },
  {
    name: 'a share of connections that cannot be made',
    covers: 'outliers',
    logLines: 0,
    play: untilEjected('unreachable'),
    uncounted: 'how many requests it takes is a matter of when intervals end',
    expect: { client: /ejections_enforced_local_origin_failure_percentage: 1/ },
  },
];

const plainRoutes = [
  ...['row', 'broken', 'gateway', 'mixed', 'lenient', 'share', 'one', 'refused', 'apart', 'answered', 'lost'],
  ...['grpc', 'fine', 'odd', 'plain', 'back', 'pool', 'told', 'rates', 'percentage', 'unreachable'],
];

export const groups: readonly Group[] = [
  {
    name: 'outlier detection',
    backends: { a: http1Backend(), b: http1Backend() },
    files: () => ({ 'outliers.log': '' }),
    bootstrap: ({ ports: { a = 0, b = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              ...plainRoutes.map((name) => route(`/${name}`, { cluster: name })),
              route('/late', { cluster: 'late', timeout: '0.1s' }),
              route('/tries', {
                cluster: 'tries',
                timeout: '5s',
                retry_policy: {
                  retry_on: '5xx',
                  num_retries: 1,
                  per_try_timeout: '0.1s',
                  retry_back_off: { base_interval: '0.001s' },
                },
              }),
              route('/again', {
                cluster: 'again',
                retry_policy: {
                  retry_on: '5xx',
                  num_retries: 2,
                  retry_back_off: { base_interval: '0.001s' },
                },
              }),
              route('/'),
            ],
          }),
          listener('tcp', tcpProxy('tcp', { cluster: 'tcp' })),
        ],
        clusters(a, b),
        { cluster_manager: { outlier_detection: { event_log_path: '@FOLDER@/outliers.log' } } },
      ),
    cases: [...consecutive, ...calls, ...afterwards, ...rates],
  },
  {
    name: 'outlier detection by several threads',
    flags: ['--concurrency', '2'],
    backends: { a: http1Backend(), h: http2Backend() },
    bootstrap: ({ ports: { a = 0, h = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [route('/row', { cluster: 'row' }), route('/two', { cluster: 'two' }), route('/')],
          }),
        ],
        [
          cluster('a', [a]),
          cluster('row', [a], watched({ consecutive_5xx: 8 })),
          http2Cluster('two', [h], watched(two)),
        ],
      ),
    cases: [
      {
        name: 'threads count together',
        covers: 'outliers',
        answers: inTurn(500),
        play: async (play) => {
          const statuses: number[] = [];
          for (let i = 0; i < 8; i++) {
            const view = await http1([get('/row')], { noProbe: true })(play);
            statuses.push(...view.statuses);
          }
          await untilPage(play, '/clusters', /^row::.*\/failed_outlier_check/m);
          for (let i = 0; i < 4; i++) {
            const view = await http1([get('/row')], { noProbe: true })(play);
            statuses.push(...view.statuses);
          }
          return { statuses, lines: [] };
        },
        expect: {
          status: [500, 500, 500, 500, 500, 500, 500, 500, 503, 503, 503, 503],
          stats: { [outlier('row', 'enforced_total')]: 1, [outlier('row', 'detected_consecutive_5xx')]: 1 },
        },
      },
    ],
  },
];

if (import.meta.main) compare(groups);
