/**
 * What of Envoy's behaviour the comparison stands for, item by item, and which cases stand for each: by what they cover,
 * by their names, by the names of their groups, or by steps of scripts. An item without cases enough says why.
 */
import type { Topic } from './topics.ts';

/** Cases each item has, at least. Rows of one table count once for each outcome. */
export const LEAST_CASES = 5;

export interface Item {
  readonly what: string;
  /** Cases that cover one of these; absent: any. */
  readonly topics?: readonly Topic[];
  /** Found in the name of a case, or in that of its group; absent: all of the topics. */
  readonly names?: RegExp;
  /** Steps of scripts that management servers play (`test/interop/xds`), by `script: step`; besides the cases. */
  readonly steps?: RegExp;
  /** Cases that say this of what Envoy shows; absent: any. */
  readonly expects?: 'stats' | 'log';
  /** Why there are too few: a known gap. */
  readonly gap?: string;
}

const motion: readonly Item[] = [
  { what: 'bootstrap, static', names: /^(route choice|no route|plain GET)/ },
  { what: 'listeners, clusters and secrets by files', names: /^secrets: .*(file|one)/, steps: /^files/ },
  { what: 'ADS, state of the world', steps: /^ADS, state of the world: / },
  { what: 'ADS, delta', steps: /^ADS, delta: / },
  { what: 'ECDS', steps: /^ECDS/ },
  { what: 'TTLs of resources', steps: /how long resources are good for/ },
  { what: 'several management servers', steps: /^(a server to fall back to|several servers)/ },
  { what: 'warming', steps: /^warming: / },
  { what: 'updates of endpoints keep connections', steps: /\bkeeps connections\b/ },
  { what: 'draining of what is removed', steps: /: removed: / },
  { what: 'counters of updates', steps: /^counters of updates/ },
  { what: 'refused updates, resource by resource', steps: /refused|judge/ },
  { what: 'unknown fields over xDS', steps: /\bunknown fields?\b/ },
  { what: 'optional elements that nobody knows', steps: /: optional: / },
];

const routing: readonly Item[] = [
  {
    what: 'virtual hosts',
    topics: ['routing', 'headers'],
    names: /\bhost\b(?! rewrite)|wildcard|strip_|dot at the end/,
  },
  {
    what: 'paths: prefix, path, separated prefix, regex, case',
    topics: ['routing'],
    names: /path|prefix|regex/,
  },
  { what: 'URI templates', topics: ['routing'], names: /template/i },
  { what: 'CONNECT and upgrades', names: /CONNECT|upgrade|websocket/i },
  { what: 'header matchers', topics: ['routing'], names: /header match|inverted header/ },
  { what: 'query parameters', topics: ['routing'], names: /query param/ },
  { what: 'cookies', topics: ['routing'], names: /cookie/ },
  { what: 'choice among many routes, drawn by chance', topics: ['routing'], names: /route choice/ },
  { what: 'gRPC matches', topics: ['routing', 'grpc'], names: /grpc match/i },
  {
    what: 'runtime fractions',
    topics: ['runtime', 'cluster-choice', 'routing'],
    names: /fraction|key|share/,
  },
  { what: 'TLS contexts', topics: ['routing'], names: /tls context/i },
  { what: 'dynamic metadata', names: /dynamic.metadata|metadata/ },
  { what: 'cluster headers', topics: ['routing'], names: /cluster.?header/ },
  {
    what: 'weighted clusters',
    topics: ['cluster-choice', 'routing', 'faults', 'filters'],
    names: /weight|cluster|random/,
  },
  { what: 'rewrites', topics: ['routing'], names: /rewrite/ },
  { what: 'timeouts', topics: ['timeouts', 'upstream'], names: /timeout|max_stream_duration/ },
  { what: 'grpc-timeout', names: /grpc-timeout/ },
  { what: 'hash policies', names: /hash/ },
  { what: 'mirrors', topics: ['mirrors'] },
  { what: 'internal redirects', topics: ['internal-redirects'] },
  { what: 'redirects', topics: ['routing'], names: /redirect/ },
  { what: 'direct responses', names: /direct response/ },
  {
    what: 'header mutation by routes',
    topics: ['routing'],
    names: /headers? (added|replaced|removed)|mutation/,
  },
  { what: 'filters by the route', topics: ['filters', 'faults'], names: /route|host|weighted/ },
  { what: 'VHDS and on_demand', steps: /^VHDS: / },
  { what: 'fault', topics: ['faults'] },
  { what: 'cors', topics: ['filters'], names: /^cors/ },
  { what: 'local_ratelimit', topics: ['local-ratelimit'] },
  { what: 'header_mutation', topics: ['header-mutation'] },
  { what: 'health_check', topics: ['health-check'] },
  { what: 'buffer', topics: ['filters'], names: /^buffer/ },
  { what: 'compressor', topics: ['compression'], names: /^(?!.*decompress)/ },
  { what: 'decompressor', topics: ['compression'], names: /decompress|recod|undone|unpack/i },
  { what: 'stateful_session', topics: ['sessions'] },
  { what: 'set_metadata', topics: ['filters'], names: /^set_metadata/ },
  { what: 'header_to_metadata', topics: ['header-to-metadata'] },
  { what: 'rbac, HTTP', topics: ['rbac'] },
  { what: 'rbac, TCP', topics: ['rbac'], names: /^rbac of connections/ },
];

const balancing: readonly Item[] = [
  { what: 'STRICT_DNS and LOGICAL_DNS', topics: ['dns'] },
  { what: 'EDS', steps: /endpoint/ },
  { what: 'ORIGINAL_DST', topics: ['upstream'], names: /^original destination/ },
  { what: 'aggregate clusters', topics: ['aggregate'] },
  { what: 'dynamic forward proxy', topics: ['dynamic-hosts'] },
  { what: 'round robin', names: /^round robin/ },
  { what: 'least request', names: /^least request/ },
  { what: 'random', names: /^random balancing/ },
  { what: 'ring hash', names: /^ring hash/ },
  { what: 'maglev', names: /^maglev/ },
  {
    what: 'peak EWMA',
    names: /ewma/i,
    gap: 'a contrib policy, which the release of Envoy is built without: nothing to compare with',
  },
  { what: 'weighted round robin by ORCA', topics: ['policies'], names: /report|load|weight/ },
  { what: 'slow start', topics: ['policies'], names: /slow start/ },
  { what: 'subsets', topics: ['subsets'] },
  { what: 'localities', topics: ['zones'], names: /localit|weight/ },
  { what: 'zones', topics: ['zones'] },
  { what: 'priorities and panic', topics: ['balancing'], names: /priorit|panic|degraded/ },
  { what: 'health states', topics: ['balancing'] },
  { what: 'IPv6 and dual stack', topics: ['ipv6'] },
  { what: 'lists of policies', names: /^load_balancing_policy/ },
  { what: 'circuit breakers and retry budgets, counted', topics: ['breakers'] },
  { what: 'connections to upstreams: limits, reuse, age', names: /^pool/ },
  { what: 'preconnect', topics: ['preconnect'] },
  { what: 'happy eyeballs', topics: ['addresses'] },
  { what: 'transport_socket_matches', names: /^transport_socket_match/ },
  { what: 'PROXY protocol to upstreams', topics: ['proxy-protocol'], names: /protocol out/ },
  { what: 'protocol of upstreams by ALPN or by downstream', topics: ['conversion'] },
];

const recovery: readonly Item[] = [
  { what: 'retries: conditions', names: /retr(y|ies)/ },
  {
    what: 'retries: what requests override',
    topics: ['retries'],
    names: /header|asks|override|x-envoy/,
  },
  { what: 'retries: back-off', topics: ['retries'], names: /back.?off|reset header|waits/ },
  { what: 'retries: hosts and priorities', topics: ['retries'], names: /host|priorit|canary|endpoint/ },
  { what: 'retries: time of each', topics: ['retries'], names: /per.try|time|slow/ },
  { what: 'retries: bodies', topics: ['retries'], names: /body|bodies/ },
  { what: 'hedging', topics: ['hedging'] },
  { what: 'outlier detection', topics: ['outliers'] },
  { what: 'health checks: HTTP', topics: ['health-checks'], names: /^HTTP/ },
  { what: 'health checks: TCP and gRPC', topics: ['health-checks'], names: /^(TCP|gRPC)/ },
  {
    what: 'health checks: threads, events, endpoints',
    topics: ['health-checks'],
    names: /thread|endpoint|checks/,
  },
  { what: 'adaptive concurrency', topics: ['adaptive-concurrency'] },
  { what: 'admission control', topics: ['admission-control'] },
  { what: 'load shedding', topics: ['overload'] },
  { what: 'faults with retries and timeouts', topics: ['faults'], names: /retr|timeout|slow/ },
  { what: 'draining', names: /drain|goodbye|health: /, topics: ['listeners', 'timeouts'] },
];

const observed: readonly Item[] = [
  { what: '/config_dump', topics: ['admin'], names: /config_dump|mask|resource/ },
  { what: 'values of the runtime', topics: ['runtime'] },
  { what: '/clusters', names: /^\/clusters|with the cluster|health of each endpoint/ },
  { what: '/stats', topics: ['stats', 'admin'], names: /stats/ },
  { what: 'other pages', topics: ['admin'] },
  { what: 'counters', expects: 'stats' },
  { what: 'access logs and response flags', expects: 'log' },
  { what: 'operators of access logs', topics: ['access-log'] },
];

/** In the order of what is asked for. */
export const items: Readonly<Record<string, readonly Item[]>> = {
  'configuration in motion': motion,
  routing,
  'clusters and balancing': balancing,
  'failure recovery': recovery,
  observation: observed,
};
