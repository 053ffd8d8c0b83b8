/** Connections to upstreams: how many, how long, with which transport; and what is shown of endpoints. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { thenPage, untilPage } from './harness/admin-lines.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1, type Step } from './wire/http1.ts';

const stat = (to: string, name: string, value: number): Step => ({
  act: (play: Play) => untilPage(play, '/stats', new RegExp(`^cluster\\.${to}\\.${name}: ${value}$`, 'm')),
});
/** Requests one after the other; `between` them something happens. */
const inTurn = (
  name: string,
  to: string,
  times: number,
  expect: Expectation,
  between: readonly Step[] = [],
): Case => ({
  name: `pool: ${name}`,
  covers: 'clusters',
  play: http1(
    Array.from({ length: times }, (_, i) => [
      ...(i === 0 ? [] : between),
      get(`/${to}`),
      stat(to, 'upstream_rq_200', i + 1),
    ]).flat(),
    { methods: Array.from({ length: times }, () => 'GET') },
  ),
  expect: { status: Array.from({ length: times }, () => 200), ...expect },
});
const total = (
  to: string,
  connections: number,
  more: Readonly<Record<string, number>> = {},
): Expectation => ({
  stats: {
    [`cluster.${to}.upstream_cx_total`]: connections,
    ...Object.fromEntries(Object.entries(more).map(([name, value]) => [`cluster.${to}.${name}`, value])),
  },
});

/** Two requests that are both there before one is answered. */
const atOnce = (name: string, to: string, at: string, expect: Expectation, waits = false): Case => ({
  name: `pool: ${name}`,
  covers: 'clusters',
  play: async (play) => {
    const ask = (i: number) =>
      http1([head(`GET /${to}?hold=${i} HTTP/1.1`, 'host: test.example', 'x-test: @ID@')], {
        noProbe: true,
      })(play);
    const until = (gauge: string, value: number): Promise<void> =>
      untilPage(play, '/stats', new RegExp(`^cluster\\.${to}\\.${gauge}: ${value}$`, 'm'));
    const asking = [ask(1)];
    await until('upstream_rq_active', 1);
    asking.push(ask(2));
    await (waits ? until('upstream_rq_pending_active', 1) : until('upstream_rq_active', 2));
    for (const _ of asking) play.backend(at).cue();
    const views = await Promise.all(asking);
    return { statuses: views.flatMap(({ statuses }) => statuses), lines: [] };
  },
  answers: {
    a: onHttp1(async (x) => {
      await x.cue();
      x.write(head('HTTP/1.1 200 OK', 'content-length: 0'));
    }),
    h: {
      http2: async ({ peer, stream, cue }) => {
        await cue();
        peer.headers(stream, [[':status', '200']], true);
      },
    },
  },
  expect: { status: [200, 200], ...expect },
  inAnyOrder: true,
});

const cases: readonly Case[] = [
  inTurn('one connection is used again', 'plain', 3, total('plain', 1)),
  inTurn('two requests of each connection', 'two', 4, total('two', 2, { upstream_cx_max_requests: 2 })),
  inTurn(
    'no connection that was idle too long',
    'idle',
    2,
    total('idle', 2, { upstream_cx_idle_timeout: 2 }),
    [stat('idle', 'upstream_cx_idle_timeout', 1)],
  ),
  inTurn(
    'no connection that is too old',
    'old',
    2,
    total('old', 2, { upstream_cx_max_duration_reached: 2 }),
    [stat('old', 'upstream_cx_max_duration_reached', 1)],
  ),
  inTurn('no connection that the upstream has ended', 'ended', 2, total('ended', 2), [
    { act: (play) => play.backend('a').closeConnections() },
    stat('ended', 'upstream_cx_active', 0),
  ]),
  atOnce('two requests at once, two connections', 'pair', 'a', total('pair', 2)),
  atOnce(
    'two requests at once, one connection allowed',
    'single',
    'a',
    total('single', 1, { upstream_cx_overflow: 1 }),
    true,
  ),
  atOnce('two streams share a connection of HTTP/2', 'streams', 'h', total('streams', 1)),
  atOnce('one stream on each connection of HTTP/2', 'lonely', 'h', total('lonely', 2)),
];

// --- transports

const TRANSPORTS: Readonly<Record<string, Message>> = {
  tls: extension('tls', 'transport_sockets.tls.v3.UpstreamTlsContext'),
  plain: extension('raw', 'transport_sockets.raw_buffer.v3.RawBuffer'),
};
const labels = (values: Message): Message => ({
  metadata: { filter_metadata: { 'envoy.transport_socket_match': values } },
});
const match = (name: string, values: Message, transport: string): Message => ({
  name,
  match: values,
  transport_socket: TRANSPORTS[transport],
});
interface Transported {
  readonly name: string;
  readonly matches: readonly Message[];
  readonly labels: Message;
  readonly at: 'a' | 'secure';
  readonly more?: Message;
}
const transported: readonly Transported[] = [
  {
    name: 'TLS by metadata',
    matches: [match('m', { mode: 'tls' }, 'tls')],
    labels: { mode: 'tls' },
    at: 'secure',
  },
  {
    name: 'another value, and no transport of the cluster',
    matches: [match('m', { mode: 'tls' }, 'tls')],
    labels: { mode: 'none' },
    at: 'a',
  },
  {
    name: 'another value, and the transport of the cluster',
    matches: [match('m', { mode: 'plain' }, 'plain')],
    labels: { mode: 'none' },
    at: 'secure',
    more: { transport_socket: TRANSPORTS.tls },
  },
  {
    name: 'the first of two that match',
    matches: [match('m', { mode: 'x' }, 'plain'), match('n', { mode: 'x' }, 'tls')],
    labels: { mode: 'x' },
    at: 'a',
  },
  {
    name: 'two labels, and one that is missing',
    matches: [match('m', { mode: 'x', zone: 'y' }, 'tls'), match('n', { mode: 'x' }, 'plain')],
    labels: { mode: 'x' },
    at: 'a',
  },
  {
    name: 'one that asks for nothing takes all',
    matches: [match('m', {}, 'tls'), match('n', { mode: 'x' }, 'plain')],
    labels: { mode: 'x' },
    at: 'secure',
  },
  {
    name: 'more labels than are asked for',
    matches: [match('m', { mode: 'x' }, 'tls')],
    labels: { mode: 'x', other: 'y' },
    at: 'secure',
  },
];
const transportName = (i: number): string => `t${i}x`;
const transportCases = transported.map(
  ({ name, at }, i): Case => ({
    name: `transport_socket_matches: ${name}`,
    covers: 'clusters',
    play: http1([get(`/${transportName(i)}`)]),
    expect: { status: 200, upstream: new RegExp(`^${at}\\| GET`) },
  }),
);

// --- what is shown

const shown = (name: string, path: string, lines: RegExp, ...expected: readonly RegExp[]): Case => ({
  name: `/clusters: ${name}`,
  covers: 'admin',
  play: thenPage(http1([get('/shown')]), path, lines),
  expect: { client: expected },
});
const shownCases: readonly Case[] = [
  shown(
    'where endpoints are',
    '/clusters',
    /^shown::.*::(region|zone|sub_zone|canary|priority)::/,
    /region::r$/,
    /zone::z$/,
    /sub_zone::s$/,
    /canary::true$/,
    /priority::1$/,
  ),
  shown(
    'weights and names of endpoints',
    '/clusters',
    /^shown::.*::(weight|hostname)::/,
    /weight::7$/,
    /hostname::one\.example$/,
  ),
  shown(
    'what the cluster is',
    '/clusters',
    /^shown::(observability_name|added_via_api|eds_service_name)/,
    /observability_name::shown$/,
    /added_via_api::false$/,
  ),
  shown(
    'figures of endpoints',
    '/clusters?filter=shown',
    /^shown::.*::(rq_success|rq_total|cx_total|rq_error)::/,
    /rq_success::[1-9]/,
  ),
];

export const groups: readonly Group[] = [
  {
    name: 'connections to upstreams',
    backends: {
      a: http1Backend(),
      h: http2Backend(),
      secure: http1Backend({ tls: ({ server: { cert, key } }) => ({ cert, key }) }),
    },
    bootstrap: ({ ports: { a = 0, h = 0, secure = 0 } }) => {
      const limits = (fields: Message): Message =>
        protocolOptions({
          common_http_protocol_options: fields,
          explicit_http_config: { http_protocol_options: {} },
        });
      const clusters: readonly Message[] = [
        ...['plain', 'ended', 'pair', 'a'].map((name) => cluster(name, [a])),
        cluster('two', [a], limits({ max_requests_per_connection: 2 })),
        cluster('idle', [a], limits({ idle_timeout: '0.1s' })),
        cluster('old', [a], limits({ max_connection_duration: '0.3s' })),
        cluster('single', [a], { circuit_breakers: { thresholds: [{ max_connections: 1 }] } }),
        http2Cluster('streams', [h]),
        http2Cluster(
          'lonely',
          [h],
          protocolOptions({
            explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 1 } },
          }),
        ),
        ...transported.map(({ matches, labels: of, at, more = {} }, i) =>
          cluster(transportName(i), [{ endpoint: address(at === 'a' ? a : secure), ...labels(of) }], {
            transport_socket_matches: matches,
            ...more,
          }),
        ),
        {
          ...cluster('shown', []),
          load_assignment: {
            cluster_name: 'shown',
            endpoints: [
              {
                locality: { region: 'r', zone: 'z', sub_zone: 's' },
                lb_endpoints: [
                  {
                    endpoint: { ...address(a), hostname: 'one.example' },
                    load_balancing_weight: 7,
                    metadata: { filter_metadata: { 'envoy.lb': { canary: true } } },
                  },
                ],
              },
              { priority: 1, lb_endpoints: [{ endpoint: address(1) }] },
            ],
          },
        },
      ];
      const names = clusters.map(({ name }) => String(name)).filter((name) => name !== 'a');
      return bootstrap(
        [
          httpListener('main', {
            routes: [...names.map((name) => route(`/${name}`, { cluster: name })), route('/')],
          }),
        ],
        clusters,
      );
    },
    cases: [...cases, ...transportCases, ...shownCases],
  },
];

if (import.meta.main) compare(groups);
