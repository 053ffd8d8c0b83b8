/** The admin interface: what is answered to what, and what its JSON looks like. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Group, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { pageLines, pageShape, pageStatuses, shapeOf } from './harness/shape.ts';
import { get, http1 } from './wire/http1.ts';

/** Of the dump of the bootstrap: what the proxy says of itself. */
const itself: readonly RegExp[] = [
  /bootstrap\.(?:node|hidden_envoy|static_resources|admin|stats_config|layered_runtime)/,
];
/** What there is of Envoy's flags and not of ours. */
const flags: readonly RegExp[] = [
  /^command_line_options\.(?:skip_deprecated_logs|file_flush_min_size|log_stacktrace_single_entry)$/,
  /^command_line_options\.(?:file_flush_interval|parent_shutdown_time|disabled_extensions)/,
  /^node\.(?:user_agent|extensions|listening_addresses|client_features|metadata)/,
];

const shape = (name: string, path: string, expected: RegExp, left: readonly RegExp[] = []): Case => ({
  name: `admin: the shape of ${name}`,
  covers: 'admin',
  play: pageShape(path, left),
  expect: { client: expected },
});

const shapes: readonly Case[] = [
  {
    ...shape('/clusters', '/clusters?format=json', /rq_total/),
    play: async (play) => {
      await http1([get('/echo')])(play);
      const page = JSON.parse(await play.admin('/clusters?format=json'));
      const first = page.cluster_statuses.find(({ name }: { name: string }) => name === 'a');
      const names = first.host_statuses[0].stats.map(
        ({ name, type = 'COUNTER' }: { name: string; type?: string }) => `${type} ${name}`,
      );
      return { statuses: [], lines: [...shapeOf(page), ...names] };
    },
    expect: {
      client: [/^COUNTER rq_total$/, /^GAUGE rq_active$/, /locality\.region: string$/, /priority: number$/],
    },
    logLines: 1,
  },
  shape('/listeners', '/listeners?format=json', /local_address\.socket_address\.port_value: number/),
  shape('/server_info', '/server_info', /^hot_restart_version: string$/, flags),
  shape('/certs', '/certs', /certificates/),
  shape('/memory', '/memory', /^total_physical_bytes: string$/),
  shape('/init_dump', '/init_dump', /\{\}/),
  shape('/runtime', '/runtime', /layers/),
  shape('/config_dump', '/config_dump', /^configs\[\]\.static_clusters\[\]\.cluster\.name: string$/, [
    ...itself.map((pattern) => new RegExp(`configs\\[\\]\\.${pattern.source}`)),
  ]),
  shape(
    '/config_dump with endpoints',
    '/config_dump?include_eds&resource=static_clusters',
    /^configs\[\]\.cluster\.name: string$/,
  ),
  shape(
    '/stats as JSON',
    '/stats?format=json&filter=cluster.a.upstream_rq_total',
    /^stats\[\]\.value: number$/,
  ),
  ...(['summary', 'cumulative', 'disjoint', 'detailed'] as const).map(
    (mode): Case => ({
      ...shape(`histograms, ${mode}`, '', /downstream_rq_time|: number/),
      play: async (play) => {
        await http1([get('/echo')])(play);
        const path = `/stats?format=json&type=Histograms&filter=http.main.downstream_rq_time$&histogram_buckets=${mode}`;
        const page = JSON.parse(await play.admin(path));
        // Whether an interval has ended is a matter of time.
        return {
          statuses: [],
          lines: shapeOf(page, [/\.(?:interval|intervals|totals|cumulative)(?:\[\])?(?:$|\.)/]),
        };
      },
      logLines: 1,
    }),
  ),
];

const masks: readonly Case[] = (
  [
    ['mask=bootstrap.node.id', /bootstrap\.node\.id: string$/],
    ['mask=static_clusters', /static_clusters\[\]\.cluster\.name: string$/],
    ['resource=static_clusters&mask=cluster.name', /cluster\.name: string$/],
    ['resource=static_clusters&mask=last_updated', /last_updated: string$/],
    ['resource=static_clusters&name_regex=^b$', /cluster\.name: string$/],
    ['resource=static_clusters&name_regex=b&mask=cluster.name', /cluster\.name: string$/],
    ['resource=static_listeners&mask=listener.name', /listener\.name: string$/],
  ] as const
).map(([query, expected]) => shape(`/config_dump?${query}`, `/config_dump?${query}`, expected));

type Page = readonly ['GET' | 'POST', string];

const refused = (name: string, expected: RegExp, ...pages: readonly Page[]): Case => ({
  name: `admin: ${name}`,
  covers: 'admin',
  play: pageStatuses(...pages),
  expect: { client: expected },
});

const posts = [
  ...['/drain_listeners', '/healthcheck/fail', '/healthcheck/ok', '/logging', '/quitquitquit'],
  ...['/reopen_logs', '/reset_counters', '/runtime_modify', '/cpuprofiler', '/stats/recentlookups/clear'],
];

const statuses: readonly Case[] = [
  refused(
    'what changes something is not asked by GET',
    /: 405$/,
    ...posts.map((path) => ['GET', path] as const),
  ),
  refused(
    'what only shows may be asked by POST',
    /: 200$/,
    ['POST', '/ready'],
    ['POST', '/stats'],
    ['POST', '/clusters'],
  ),
  refused('unknown paths', /: 404$/, ['GET', '/nothing'], ['POST', '/nothing'], ['GET', '/stats/nothing']),
  refused(
    'masks of nothing',
    /: 400$/,
    ['GET', '/config_dump?mask=nope'],
    ['GET', '/config_dump?mask=static_clusters,nope'],
  ),
  refused('masks of what is repeated', /: 400$/, ['GET', '/config_dump?mask=static_clusters.cluster.name']),
  refused('masks of a resource that have nothing', /: 400$/, [
    'GET',
    '/config_dump?resource=static_clusters&mask=foo',
  ]),
  refused('resources there are none of', /: 404$/, ['GET', '/config_dump?resource=nope']),
  refused(
    'names that are no expression',
    /: 400$/,
    ['GET', '/config_dump?name_regex=*'],
    ['GET', '/stats?filter=*'],
  ),
  refused(
    'forms of statistics',
    /: 400$/,
    ['GET', '/stats?format=foo'],
    ['GET', '/stats?type=Foo'],
    ['GET', '/stats?histogram_buckets=foo'],
    ['GET', '/stats/prometheus?histogram_buckets=detailed'],
  ),
  refused(
    'levels of loggers',
    /: 400$/,
    ['POST', '/logging?level=foo'],
    ['POST', '/logging?paths=foo:info'],
    ['POST', '/logging?nope=info'],
    ['POST', '/logging?paths=main'],
    ['POST', '/logging?level=info&paths=main:info'],
  ),
  refused(
    'levels that are set',
    /: 200$/,
    ['POST', '/logging?paths=main:debug,config:info'],
    ['POST', '/logging?runtime=trace'],
    ['POST', '/logging?level=error'],
  ),
  refused('contention', /: 200$/, ['GET', '/contention']),
];

const lines = (name: string, script: Script, expected: RegExp | readonly RegExp[]): Case => ({
  name: `admin: ${name}`,
  covers: 'admin',
  play: script,
  expect: { client: expected },
});

const texts: readonly Case[] = [
  lines(
    '/clusters of some names',
    pageLines('/clusters?filter=^b', /observability|added_via|health_flags/),
    /^b::observability_name::b$/,
  ),
  lines(
    'a level that was set',
    pageLines('/logging?paths=main:debug,dns:warning', /^ {2}(?:main|dns|runtime):/, 'POST'),
    [/^ {2}main: debug$/, /^ {2}dns: warning$/],
  ),
  lines(
    'all levels',
    pageLines('/logging?level=error', /^ {2}(?:main|dns|runtime|config):/, 'POST'),
    /^ {2}main: error$/,
  ),
  lines('/ready', pageLines('/ready', /./), /^LIVE$/),
  lines('no hot restart', pageLines('/hot_restart_version', /./), /^disabled$/),
  lines('/listeners', pageLines('/listeners', /./), /^main::127\.0\.0\.1:PORT_main$/),
];

const statistics: readonly Case[] = [
  [
    'names of gauges of the server',
    '/stats?type=Gauges&filter=^server.(state|live|concurrency|uptime|version|memory|days|hot_restart_epoch|parent)',
  ],
  ['names of cluster_manager', '/stats?filter=^cluster_manager'],
  ['names of runtime', '/stats?filter=^runtime'],
  ['names of circuit breakers', '/stats?filter=^cluster.a.circuit_breakers'],
  ['names of membership and assignment', '/stats?filter=^cluster.a.(membership|assignment|update)_'],
  ['names of requests of a cluster', '/stats?filter=^cluster.a.(external|internal)'],
  ['names of classes of answers', '/stats?filter=^http.main.downstream_rq_.xx'],
  ['names of tracing', '/stats?filter=^http.main.tracing'],
  ['names of HTTP/3, which nobody speaks', '/stats?filter=^(http.main|cluster.a).*http3'],
  [
    'names by a filter the other way',
    '/stats?filter=^(http|listener|filesystem|main_thread|server|thread_local|workers|overload|envoy|cluster\\.|tls|dns|tcp|xds|access|listener_manager)&invert_filter',
  ],
].map(
  ([name, path]): Case => ({
    name: `stats: ${name}`,
    covers: 'stats',
    play: async (play) => {
      await http1([get('/echo')])(play);
      const page = await play.admin(path!);
      return {
        statuses: [],
        lines: page
          .trim()
          .split('\n')
          .map((line) => line.replace(/: .*/, ''))
          .sort(),
      };
    },
    logLines: 1,
    expect: { client: /\w/ },
  }),
);

const values: readonly Case[] = [
  [
    'of the server',
    '/stats?filter=^server.(state|live|concurrency|hot_restart_epoch|days_until|parent)',
    /^server\.state: 0$/,
  ],
  [
    'of cluster_manager',
    '/stats?filter=^cluster_manager.(active|cluster_added|warming|cluster_modified)',
    /^cluster_manager\.active_clusters: 3$/,
  ],
  ['of limits that are not reached', '/stats?filter=^cluster.a.circuit_breakers', /cx_open: 0$/],
  ['of figures left out', '/stats?filter=upstream_rq_cancelled', /^$/],
  [
    'of figures of one type',
    '/stats?type=Counters&filter=^cluster_manager.(active|cluster_added)',
    /^cluster_manager\.cluster_added: 3$/,
  ],
].map(
  ([name, path, expected]): Case => ({
    name: `stats: values ${name}`,
    covers: 'stats',
    play: pageLines(path as string, /./),
    expect: (expected as RegExp).source === '^$' ? { never: /./ } : { client: expected as RegExp },
  }),
);

const places: Message = {
  endpoints: [
    {
      locality: { region: 'r', zone: 'z', sub_zone: 's' },
      priority: 1,
      lb_endpoints: [
        {
          load_balancing_weight: 3,
          endpoint: {
            hostname: 'b.example',
            address: { socket_address: { address: '127.0.0.1', port_value: 9 } },
          },
        },
      ],
    },
  ],
};

export const groups: readonly Group[] = [
  {
    name: 'admin',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [httpListener('main', { routes: [route('/')] })],
        [
          cluster('a', [ports.a!]),
          { ...cluster('b', []), load_assignment: { cluster_name: 'b', ...places } },
          cluster('c', []),
        ],
        {
          node: { id: 'node-1', cluster: 'cluster-1', locality: { zone: 'z' } },
          stats_config: {
            stats_matcher: {
              exclusion_list: { patterns: [{ suffix: 'upstream_rq_cancelled' }] },
            },
          },
        },
      ),
    cases: [...shapes, ...masks, ...statuses, ...texts, ...statistics, ...values],
  },
];

if (import.meta.main) compare(groups);
