/** Balancing policies: endpoints that requests name, load that endpoints report, requests in flight, new endpoints. */
import { type Http2Answer, onHttp1, onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { BASE, binary, reportedRows, text, UNREAD } from './cases/load-reports.ts';
import { adminLines, thenPage, untilPage } from './harness/admin-lines.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1, type Step, type Message as Text } from './wire/http1.ts';

const policy = (name: string, fields: Message = {}): Message => ({
  policies: [{ typed_extension_config: extension(name, `load_balancing_policies.${name}`, fields) }],
});
const ROUND_ROBIN = policy('round_robin.v3.RoundRobin');
const RETRIED = {
  retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.001s' } },
};

// --- endpoints that requests name

const place = (key: string, ...path: readonly string[]): Message => ({
  key,
  path: path.map((segment) => ({ key: segment })),
});
const override = (fields: Message): Message => ({
  load_balancing_policy: policy('override_host.v3.OverrideHost', {
    fallback_policy: ROUND_ROBIN,
    ...fields,
  }),
});

/** A request whose header says where to, with `@a` for the address of the backend of that name. */
const named =
  (path: string, ...headers: readonly string[]): Text =>
  (play) => {
    const told = headers.map((header) =>
      header.replace(/@(\w)/g, (_, name: string) => `127.0.0.1:${play.backend(name).port}`),
    );
    const text = get(path, ...told);
    return typeof text === 'string' ? text : text(play);
  };

interface Named {
  readonly name: string;
  readonly path?: string;
  readonly headers: readonly string[];
  /** Where its attempts go. */
  readonly to: string;
  readonly status?: number;
}

const SELECTED = 'sel=%DYNAMIC_METADATA(chosen:host:address)%';
const namedRows: readonly Named[] = [
  { name: 'the endpoint of a header', headers: ['x-to: @b'], to: 'b' },
  { name: 'the endpoint of another header', headers: ['x-or: @c'], to: 'c' },
  { name: 'two headers: the first of the list', headers: ['x-or: @c', 'x-to: @b'], to: 'b' },
  { name: 'an endpoint that is not healthy', headers: ['x-to: @d'], to: 'd' },
  { name: 'an endpoint that is not there, and one that is', headers: ['x-to: 127.0.0.9:1,@c'], to: 'c' },
  { name: 'no address, and one', headers: ['x-to: nobody, @c'], to: 'c' },
  { name: 'a header that names none, and the next', headers: ['x-to: nobody', 'x-or: @b'], to: 'b' },
  { name: 'the endpoint of metadata', headers: ['x-meta: @c'], to: 'c' },
  { name: 'metadata after headers', headers: ['x-meta: @c', 'x-to: @b'], to: 'b' },
  { name: 'the next of the list for the next attempt', path: '/fails', headers: ['x-to: @b,@c'], to: 'bc' },
  {
    name: 'the next source for the next attempt',
    path: '/fails',
    headers: ['x-to: @b', 'x-or: @c'],
    to: 'bc',
  },
  { name: 'the same one twice', path: '/fails', headers: ['x-to: @b, @b,@c'], to: 'bbc' },
  { name: 'no more names: the other policy', path: '/fails', headers: ['x-to: @b'], to: 'ba' },
  { name: 'no name: the other policy', headers: [], to: 'a' },
  { name: 'an empty header', headers: ['x-to:'], to: 'a' },
];

const namedCases = namedRows.map(
  ({ name, path = '/name', headers, to }): Case => ({
    name,
    covers: 'policies',
    on: 'named',
    play: http1([named(path, ...headers)]),
    answers: {
      b: onHttp1(({ path: asked, write, name: own }) =>
        write(
          asked === '/fails'
            ? head('HTTP/1.1 503 No', 'content-length: 0')
            : `${head('HTTP/1.1 200 OK', 'content-length: 1')}${own}`,
        ),
      ),
    },
    expect: {
      status: 200,
      upstream: [...to].map((one) => new RegExp(`${one}\\| GET`)),
      log: new RegExp(`sel=127\\.0\\.0\\.1:BACKEND_${to.at(-1)}`),
      never: new RegExp(`[${[...'abcd'].filter((one) => !to.includes(one)).join('')}]\\| GET`),
    },
  }),
);

// --- load that endpoints report

const clientSide = (fields: Message = {}): Message => ({
  load_balancing_policy: policy('client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin', {
    blackout_period: '0s',
    weight_update_period: '0.1s',
    ...fields,
  }),
});

const weightIs = (name: string, weight: number): Step => ({
  act: (play: Play) => untilPage(play, '/clusters', new RegExp(`^${name}::.*::weight::${weight}$`, 'm')),
});

/** The endpoint of the cluster `mark` reports what makes for that weight. */
const report = (weight: number): string =>
  head(`GET /loaded/${weight} HTTP/1.1`, 'host: test.example', 'x-test: probe');

/** Weights of the cluster `mark` have been set twice one after the other: meanwhile those of all others have been, too. */
const updated: Step = {
  act: http1([report(901), weightIs('mark', 901), report(902), weightIs('mark', 902)], {
    methods: ['GET', 'GET'],
    noProbe: true,
  }),
};

const loaded = (header: string): string => head('HTTP/1.1 200 OK', 'content-length: 0', header);

const reportedCases = reportedRows.map(
  ({ name, header, weight, cluster: of = 'load' }): Case => ({
    name: `a report of load: ${name}`,
    covers: 'policies',
    on: 'load',
    play: thenPage(
      http1(
        [
          get(`/${of}`),
          weightIs(of, UNREAD),
          get(`/${of}`),
          weight === UNREAD ? updated : weightIs(of, weight),
        ],
        { methods: ['GET', 'GET'] },
      ),
      '/clusters',
      new RegExp(`^${of}::.*::weight::`),
    ),
    answers: {
      a: onHttp1(({ attempt, write }) =>
        write(loaded(attempt === 1 ? `endpoint-load-metrics: ${BASE}` : header)),
      ),
    },
    expect: { status: [200, 200] },
  }),
);

const answerWith =
  (inHead: readonly string[], inTrailers: readonly string[]): Http2Answer =>
  ({ peer, stream }) => {
    const pairs = (lines: readonly string[]): [string, string][] =>
      lines.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]);
    peer.headers(stream, [[':status', '200'], ...pairs(inHead)]);
    peer.data(stream, 'x');
    peer.headers(stream, [...pairs(inTrailers), ['x-end', 'here']], true);
  };

const trailing = (
  name: string,
  inHead: readonly string[],
  inTrailers: readonly string[],
  weight: number,
): Case => ({
  name: `a report of load in trailers: ${name}`,
  covers: 'policies',
  on: 'load',
  play: thenPage(
    http1(
      [get('/h2'), weightIs('h2', UNREAD), get('/h2'), weight === UNREAD ? updated : weightIs('h2', weight)],
      {
        methods: ['GET', 'GET'],
      },
    ),
    '/clusters',
    /^h2::.*::weight::/,
  ),
  answers: {
    h2: onHttp2((exchange) =>
      (exchange.attempt === 1
        ? answerWith([`endpoint-load-metrics: ${BASE}`], [])
        : answerWith(inHead, inTrailers))(exchange),
    ),
  },
  expect: { status: [200, 200] },
});

const trailerCases: readonly Case[] = [
  trailing('alone', [], [text('rps_fractional=501,cpu_utilization=1')], 501),
  trailing(
    'after one in the head',
    [text('rps_fractional=502,cpu_utilization=1')],
    [text('rps_fractional=503,cpu_utilization=1')],
    502,
  ),
  trailing(
    'after one that cannot be read',
    [text('zzz')],
    [text('rps_fractional=504,cpu_utilization=1')],
    504,
  ),
  trailing('binary', [], [`endpoint-load-metrics-bin: ${binary(0.5, 45)}`], 90),
  trailing('that cannot be read', [], [text('zzz')], UNREAD),
];

const medianCases: readonly Case[] = [
  {
    name: 'endpoints that say nothing have the median of the others',
    covers: 'policies',
    on: 'load',
    play: async (play) => {
      const three = [get('/three'), get('/three'), get('/three')];
      const view = await http1([...three, weightIs('three', 200)], { methods: ['GET', 'GET', 'GET'] })(play);
      // Who was first is drawn.
      return { ...view, lines: await adminLines(play, '/clusters', /^three::.*::weight::/) };
    },
    answers: {
      a: loaded(text('rps_fractional=100,cpu_utilization=1')),
      b: loaded(text('rps_fractional=300,cpu_utilization=1')),
      c: head('HTTP/1.1 200 OK', 'content-length: 0'),
    },
    expect: { status: [200, 200, 200] },
    inAnyOrder: true,
  },
];

// --- requests in flight

/** Holds a request at a backend while another comes. */
const busyCases: readonly Case[] = [
  {
    name: 'FULL_SCAN: the endpoint without a request in flight',
    covers: 'policies',
    on: 'busy',
    play: async (play) => {
      const holding = http1([named('/scan?hold', 'x-to: @a')], { noProbe: true })(play);
      await untilPage(play, '/clusters', /^scan::.*::rq_active::1$/m);
      const view = await http1(
        Array.from({ length: 4 }, () => get('/scan')),
        { methods: ['GET', 'GET', 'GET', 'GET'] },
      )(play);
      for (const name of ['a', 'b']) play.backend(name).cue();
      await holding;
      return view;
    },
    answers: Object.fromEntries(
      ['a', 'b'].map((name) => [
        name,
        onHttp1(async (exchange) => {
          if (exchange.path.includes('hold')) await exchange.cue();
          exchange.write(head('HTTP/1.1 200 OK', 'content-length: 0'));
        }),
      ]),
    ),
    expect: {
      status: [200, 200, 200, 200],
      upstream: [/a\| GET \/scan\?hold/, /b\| GET \/scan H/],
      never: /a\| GET \/scan H/,
    },
    logLines: 5,
    inAnyOrder: true,
  },
];

// --- new endpoints

/** They have the least part for as long as the cases take. */
const STARTING = {
  slow_start_window: '600s',
  aggression: { default_value: 2, runtime_key: 'none' },
  min_weight_percent: { value: 90 },
};
const starting: Readonly<Record<string, Message>> = {
  'round robin': { round_robin_lb_config: { slow_start_config: STARTING } },
  'least request': {
    lb_policy: 'LEAST_REQUEST',
    least_request_lb_config: { slow_start_config: STARTING },
  },
  'typed round robin': {
    load_balancing_policy: policy('round_robin.v3.RoundRobin', { slow_start_config: STARTING }),
  },
  'typed least request': {
    load_balancing_policy: policy('least_request.v3.LeastRequest', { slow_start_config: STARTING }),
  },
};
const startingName = (of: string): string => `starting-${of.replaceAll(' ', '-')}`;
const IN_TURN = ['GET', 'GET', 'GET', 'GET'];

/** All begin at the same time: none is ahead of another. */
const startingCases = Object.keys(starting).map(
  (of): Case => ({
    name: `slow start: ${of}, endpoints that are equally new`,
    covers: 'policies',
    on: 'starting',
    play: http1(
      IN_TURN.map(() => get(`/${startingName(of)}`)),
      { methods: IN_TURN },
    ),
    answers: Object.fromEntries(
      ['a', 'b'].map((name) => [name, head('HTTP/1.1 200 OK', 'content-length: 0')]),
    ),
    expect: { status: [200, 200, 200, 200], upstream: [/a\| GET/, /b\| GET/] },
    inAnyOrder: true,
  }),
);

export const groups: readonly Group[] = [
  {
    name: 'policies',
    backends: {
      a: http1Backend(),
      b: http1Backend(),
      c: http1Backend(),
      d: http1Backend(),
      h2: http2Backend(),
    },
    bootstrap: ({ ports: { a = 0, b = 0, c = 0, d = 0, h2 = 0 } }) =>
      bootstrap(
        [
          httpListener('named', {
            log: [SELECTED],
            filters: [
              extension(
                'envoy.filters.http.header_to_metadata',
                'filters.http.header_to_metadata.v3.Config',
                {
                  request_rules: [
                    {
                      header: 'x-meta',
                      on_header_present: { metadata_namespace: 'to', key: 'host', type: 'STRING' },
                    },
                  ],
                },
              ),
            ],
            routes: [route('/', { cluster: 'named', ...RETRIED })],
          }),
          httpListener('load', {
            routes: [
              route('/loaded', { cluster: 'mark' }),
              ...['load', 'metrics', 'strict', 'three', 'h2'].map((name) =>
                route(`/${name}`, { cluster: name }),
              ),
            ],
          }),
          httpListener('starting', {
            routes: Object.keys(starting).map((of) =>
              route(`/${startingName(of)}`, { cluster: startingName(of) }),
            ),
          }),
          httpListener('busy', { routes: [route('/scan', { cluster: 'scan' }), route('/')] }),
        ],
        [
          {
            ...cluster('named', []),
            ...override({
              override_host_sources: [
                { header: 'x-to' },
                { header: 'X-Or' },
                { metadata: place('to', 'host') },
              ],
              selected_host_key: place('chosen', 'host', 'address'),
            }),
            load_assignment: {
              cluster_name: 'named',
              endpoints: [
                { priority: 0, lb_endpoints: [{ endpoint: address(a) }] },
                { priority: 1, lb_endpoints: [b, c].map((port) => ({ endpoint: address(port) })) },
                { priority: 1, lb_endpoints: [{ endpoint: address(d), health_status: 'UNHEALTHY' }] },
              ],
            },
          },
          cluster('load', [a], clientSide()),
          cluster('strict', [a], clientSide({ error_utilization_penalty: 4 })),
          cluster(
            'metrics',
            [a],
            clientSide({
              metric_names_for_computing_utilization: [
                'named_metrics.foo',
                'utilization.x',
                'mem_utilization',
              ],
            }),
          ),
          cluster('three', [a, b, c], clientSide()),
          cluster('mark', [b], clientSide()),
          cluster(
            'scan',
            [a, b],
            override({
              override_host_sources: [{ header: 'x-to' }],
              fallback_policy: policy('least_request.v3.LeastRequest', { selection_method: 'FULL_SCAN' }),
            }),
          ),
          cluster('a', [a]),
          ...Object.entries(starting).map(([of, settings]) => cluster(startingName(of), [a, b], settings)),
          http2Cluster('h2', [h2], clientSide()),
        ],
      ),
    cases: [...namedCases, ...reportedCases, ...trailerCases, ...medianCases, ...busyCases, ...startingCases],
  },
];

if (import.meta.main) compare(groups);
