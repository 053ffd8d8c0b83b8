/** Endpoints that are asked how they are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import { checkCluster, checked, interval, onlyOnce } from './cases/checked-clusters.ts';
import { adminLines, untilPage } from './harness/admin-lines.ts';
import { bootstrap, cluster, httpListener, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const REFUSED = 1;

/** What is shown of a cluster when its page matches; and a request to it. */
const shown = (name: string, to: string, until: RegExp, expect: Expectation, stats = /./): Case => ({
  name,
  covers: 'health-checks',
  play: async (play) => {
    await untilPage(play, '/clusters', new RegExp(`^${to}::.*::health_flags::${until.source}$`, 'm'));
    const view = await http1([get(to.startsWith('tcp') ? '/echo' : `/${to}/`)])(play);
    const flags = await adminLines(play, '/clusters', new RegExp(`^${to}::.*health_flags`));
    const all = await adminLines(play, '/stats', new RegExp(`^cluster\\.${to}\\.health_check\\.`));
    return { ...view, lines: [...view.lines, ...flags, ...all.filter((line) => stats.test(line))] };
  },
  expect,
  // Checks go on meanwhile.
  uncounted: 'how many checks there are is a matter of time',
});

const ok: Expectation = { status: 200 };
const down: Expectation = { status: 503, log: / 503 UH / };
/** Of checks that are made but once. */
const once = (to: string, figures: Readonly<Record<string, number>>): RegExp[] =>
  Object.entries(figures).map(
    ([name, value]) => new RegExp(`cluster\\.${to}\\.health_check\\.${name}: ${value}$`),
  );

const healthy = /healthy/;
const failed = /\/failed_active_hc/;

const cases: readonly Case[] = [
  shown('HTTP: 200', 'ok', healthy, {
    ...ok,
    client: once('ok', { attempt: 1, success: 1, failure: 0, healthy: 1, degraded: 0 }),
  }),
  shown('HTTP: another status', 'teapot', failed, {
    ...down,
    client: once('teapot', { attempt: 1, success: 0, failure: 1, network_failure: 0, healthy: 0 }),
  }),
  shown('HTTP: a status that is expected', 'expected', healthy, ok),
  shown('HTTP: a status that may be tried again', 'retriable', failed, down),
  shown('HTTP: nobody listens', 'refused', failed, {
    ...down,
    client: once('refused', { attempt: 1, failure: 1, network_failure: 1 }),
  }),
  shown('HTTP: no answer in time', 'slow', /\/failed_active_hc\/active_hc_timeout/, {
    ...down,
    client: once('slow', { attempt: 1, failure: 1, network_failure: 1 }),
  }),
  shown('HTTP/2', 'second', healthy, ok),
  shown('HTTP: the body holds what it should', 'body', healthy, ok),
  shown('HTTP: the body does not hold what it should', 'empty', failed, down),
  shown('HTTP: the service is another', 'service', failed, {
    ...down,
    client: once('service', { verify_cluster: 1, failure: 1 }),
  }),
  shown('the endpoint is degraded', 'degraded', /\/degraded_active_hc/, {
    ...ok,
    client: once('degraded', { success: 1, healthy: 1, degraded: 1 }),
  }),
  shown('TCP: a connection', 'tcp', healthy, { ...ok, client: once('tcp', { success: 1 }) }),
  shown('TCP: nobody listens', 'tcp-refused', failed, {
    ...ok,
    client: once('tcp-refused', { network_failure: 1 }),
  }),
  shown('TCP: what comes back', 'tcp-echo', healthy, {
    ...ok,
    client: once('tcp-echo', { success: 1 }),
  }),
  shown('TCP: something else comes back', 'tcp-other', /\/failed_active_hc\/active_hc_timeout/, {
    ...ok,
    client: once('tcp-other', { success: 0, failure: 1 }),
  }),
  shown('TCP: the end comes back', 'tcp-end', failed, {
    ...ok,
    client: once('tcp-end', { success: 0, failure: 1 }),
  }),
  shown('gRPC: nobody listens', 'grpc-refused', failed, {
    ...down,
    client: once('grpc-refused', { success: 0, failure: 1, network_failure: 1 }),
  }),
  shown('gRPC: no HTTP/2', 'grpc-plain', failed, {
    ...down,
    client: once('grpc-plain', { success: 0, failure: 1 }),
  }),
  shown('an endpoint that is not checked', 'unchecked', healthy, {
    ...ok,
    client: once('unchecked', { attempt: 0 }),
  }),
  shown('checks go to another port', 'elsewhere', healthy, ok),
  shown('connections are not used again', 'fresh', healthy, ok, /failure/),
  {
    name: 'gRPC: no such service',
    covers: 'health-checks',
    play: async (play) => ({
      statuses: [],
      lines: [
        ...(await adminLines(play, '/clusters', /^grpc::.*health_flags/)),
        ...(await adminLines(play, '/stats', /^cluster\.grpc\.health_check\./)),
      ],
    }),
    expect: { client: [/failed_active_hc/, /failure: 1/] },
    uncounted: 'checks go on meanwhile',
  },
  {
    name: 'an answer to a request fails the check at once',
    covers: 'health-checks',
    play: async (play) => {
      const view = await http1([get('/immediate/')])(play);
      await untilPage(play, '/clusters', /^immediate::.*failed_active_hc/m);
      const flags = await adminLines(play, '/clusters', /^immediate::.*health_flags/);
      const stats = await adminLines(play, '/stats', /^cluster\.immediate\.health_check\./);
      return { ...view, lines: [...view.lines, ...flags, ...stats] };
    },
    answers: {
      a: 'HTTP/1.1 200 OK\r\nx-envoy-immediate-health-check-fail: true\r\ncontent-length: 0\r\n\r\n',
    },
    expect: { status: 200, client: [/excluded_via_immediate_hc_fail/, /passive_failure: 1/] },
    uncounted: 'checks go on meanwhile',
  },
  {
    name: 'what checks find is told of',
    covers: 'health-checks',
    play: async (play) => ({
      statuses: [],
      lines: await events(play, ['ok', 'teapot', 'refused', 'degraded', 'slow']),
    }),
    expect: {
      client: [/add_healthy_event/, /health_check_failure_event/, /degraded_healthy_host/, /NETWORK_TIMEOUT/],
    },
    logLines: 0,
    uncounted: 'checks go on meanwhile',
  },
];

/** The first line of each cluster's log of events, without what no two runs share. */
async function events(play: Play, names: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const name of names) {
    for (;;) {
      const text = readFileSync(join(play.folder, 'checks.log'), 'utf8');
      const found = text.split('\n').filter((line) => line.includes(`"cluster_name":"${name}"`));
      if (found.length > 0) {
        lines.push(...found.map(steady));
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return lines;
}

function steady(line: string): string {
  const { timestamp, ...rest } = JSON.parse(line) as Record<string, unknown>;
  return JSON.stringify(sorted({ ...rest, timestamp: typeof timestamp }));
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

const CONNECTIONS = 6;
const UNSEEN_IMMEDIATE = 'GET /immediate/ HTTP/1.1\r\nhost: test.example\r\nx-test: probe\r\n\r\n';

/** Requests over several connections, which are of several threads. */
function everywhere(name: string, to: string, status: Expectation['status'], flags: RegExp): Case {
  return {
    name,
    covers: 'health-checks',
    uncounted: 'which thread a connection goes to is a matter of chance',
    play: async (play) => {
      const statuses: number[] = [];
      for (let i = 0; i < CONNECTIONS; i++) {
        const view = await http1([get(`/${to}/`)], { noProbe: true })(play);
        statuses.push(...view.statuses);
      }
      const shown = await adminLines(play, '/clusters', new RegExp(`^${to}::.*health_flags`));
      const attempts = await adminLines(
        play,
        '/stats',
        new RegExp(`^cluster\\.${to}\\.health_check\\.attempt`),
      );
      return { statuses, lines: [...shown, ...attempts] };
    },
    expect: {
      status: Array.from({ length: CONNECTIONS }, () => status as number),
      client: [flags, /attempt: 1$/],
    },
  };
}

const names = [
  ...['ok', 'teapot', 'expected', 'retriable', 'refused', 'slow', 'second', 'body', 'empty', 'service'],
  ...['grpc-refused', 'grpc-plain'],
  ...['degraded', 'tcp', 'tcp-refused', 'tcp-echo', 'unchecked', 'elsewhere', 'fresh', 'grpc', 'immediate'],
];

export const groups: readonly Group[] = [
  {
    name: 'active health checks',
    backends: { a: http1Backend(), h: http2Backend(), t: tcpBackend() },
    files: () => ({ 'checks.log': '' }),
    bootstrap: ({ ports: { a = 0, h = 0, t = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              ...names.map((name) => route(`/${name}/`, { cluster: name, prefix_rewrite: '/echo' })),
              route('/'),
            ],
          }),
        ],
        [
          cluster('a', [a]),
          checkCluster('ok', [a], checked('/status/200')),
          checkCluster('teapot', [a], checked('/status/500')),
          checkCluster(
            'expected',
            [a],
            checked('/status/500', { expected_statuses: [{ start: 500, end: 501 }] }),
          ),
          checkCluster(
            'retriable',
            [a],
            checked('/status/500', { retriable_statuses: [{ start: 500, end: 501 }] }),
          ),
          checkCluster('refused', [REFUSED], checked('/status/200')),
          checkCluster('slow', [a], checked('/slow', {}, { timeout: '0.2s' })),
          checkCluster('second', [h], checked('/status/200', { codec_client_type: 'HTTP2' }), true),
          checkCluster(
            'body',
            [a],
            checked('/status/200', { receive: [{ text: '737461747573' }, { text: '323030' }] }),
          ),
          checkCluster('empty', [a], checked('/status/200', { receive: [{ text: 'ff' }] })),
          checkCluster('service', [a], checked('/status/200', { service_name_matcher: { exact: 'other' } })),
          checkCluster('degraded', [a], checked('/degraded')),
          checkCluster('tcp', [t], { ...onlyOnce, tcp_health_check: {} }),
          checkCluster('tcp-refused', [REFUSED], { ...onlyOnce, tcp_health_check: {} }),
          checkCluster('tcp-echo', [t], {
            ...onlyOnce,
            tcp_health_check: { send: { text: '68656c6c6f' }, receive: [{ text: '68656c6c6f' }] },
          }),
          checkCluster('tcp-other', [t], {
            ...onlyOnce,
            timeout: '0.3s',
            tcp_health_check: { send: { text: '68656c6c6f' }, receive: [{ text: 'ffff' }] },
          }),
          checkCluster('tcp-end', [a], {
            ...onlyOnce,
            tcp_health_check: {
              // A request whose answer ends the connection.
              send: { text: Buffer.from('GET /garbage HTTP/1.1\r\nx-test: probe\r\n\r\n').toString('hex') },
              receive: [{ text: 'ffff' }],
            },
          }),
          checkCluster('grpc-refused', [REFUSED], { ...onlyOnce, grpc_health_check: {} }, true),
          checkCluster('grpc-plain', [a], { ...onlyOnce, grpc_health_check: {} }, true),
          checkCluster('unchecked', [a], checked('/status/500'), false, {
            disable_active_health_check: true,
          }),
          checkCluster('elsewhere', [a], checked('/status/200'), false, { port_value: a }),
          checkCluster('fresh', [a], { ...checked('/status/200'), ...interval, reuse_connection: false }),
          checkCluster('grpc', [h], { ...onlyOnce, grpc_health_check: { service_name: 'x' } }, true),
          checkCluster('immediate', [a], checked('/status/200')),
        ],
      ),
    cases,
  },
  {
    name: 'active health checks and several threads',
    flags: ['--concurrency', '2'],
    backends: { a: http1Backend() },
    files: () => ({ 'checks.log': '' }),
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: ['ok', 'teapot', 'immediate']
              .map((name) => route(`/${name}/`, { cluster: name, prefix_rewrite: '/echo' }))
              .concat(route('/')),
          }),
        ],
        [
          cluster('a', [a]),
          checkCluster('ok', [a], checked('/status/200')),
          checkCluster('teapot', [a], checked('/status/500')),
          checkCluster('immediate', [a], checked('/status/200')),
        ],
      ),
    cases: [
      everywhere('all threads know what one of them finds', 'ok', ok.status, /health_flags::healthy/),
      everywhere('all threads know of an endpoint that is not well', 'teapot', 503, /failed_active_hc/),
      {
        name: 'what one thread hears fails the check for all',
        covers: 'health-checks',
        uncounted: 'which thread a connection goes to is a matter of chance',
        answers: {
          a: 'HTTP/1.1 200 OK\r\nx-envoy-immediate-health-check-fail: true\r\ncontent-length: 0\r\n\r\n',
        },
        play: async (play) => {
          const { statuses } = await http1([get('/immediate/')], { noProbe: true })(play);
          await untilPage(play, '/clusters', /^immediate::.*failed_active_hc/m);
          const later: number[] = [];
          for (let i = 0; i < CONNECTIONS; i++) {
            // A thread hears of it a moment later.
            for (let status = 0; status !== 503; ) {
              const view = await http1([UNSEEN_IMMEDIATE], { noProbe: true })(play);
              status = view.statuses[0]!;
            }
            later.push(503);
          }
          return { statuses: [...statuses, ...later], lines: [] };
        },
        logLines: 1,
        expect: { status: [200, 503, 503, 503, 503, 503, 503] },
      },
    ],
  },
];

if (import.meta.main) compare(groups);
