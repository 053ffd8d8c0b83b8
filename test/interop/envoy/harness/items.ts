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

const NO_STREAM = 'played as scripts in test/interop/xds, which are not counted here';
const NOT_BUILT = 'the proxy does not have it yet';
const FEW = 'too few cases yet';

const motion: readonly Item[] = [
  { what: 'bootstrap, static', names: /^(route choice|no route|plain GET)/ },
  { what: 'listeners, clusters and secrets by files', names: /\bfiles\b/, gap: FEW },
  { what: 'ADS, state of the world', names: /\bsotw\b/, gap: NO_STREAM },
  { what: 'ADS, delta', names: /\bdelta\b/, gap: NO_STREAM },
  { what: 'ECDS', names: /\becds\b/i, gap: NO_STREAM },
  { what: 'TTLs of resources', names: /\bttls? of resources\b/, gap: NO_STREAM },
  { what: 'several management servers', names: /\bmanagement servers\b/, gap: NO_STREAM },
  { what: 'warming', names: /\bwarming\b/, gap: NO_STREAM },
  { what: 'updates of endpoints keep connections', names: /\bkeeps? connections\b/, gap: NO_STREAM },
  { what: 'draining of what is removed', names: /\bremoved: /, gap: NO_STREAM },
  { what: 'refused updates, resource by resource', names: /\brefused: /, gap: NO_STREAM },
  { what: 'unknown fields over xDS', names: /\bunknown fields?\b/, gap: NO_STREAM },
  { what: 'optional elements that nobody knows', names: /\boptional\b/, gap: FEW },
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
  { what: 'URI templates', names: /template/i, gap: FEW },
  { what: 'CONNECT and upgrades', names: /CONNECT|upgrade|websocket/i },
  { what: 'header matchers', topics: ['routing'], names: /header match|inverted header/ },
  { what: 'query parameters', topics: ['routing'], names: /query param/, gap: FEW },
  { what: 'cookies', topics: ['routing'], names: /cookie/, gap: FEW },
  { what: 'choice among many routes, drawn by chance', topics: ['routing'], names: /route choice/ },
  { what: 'gRPC matches', topics: ['routing', 'grpc'], names: /grpc match/i, gap: FEW },
  {
    what: 'runtime fractions',
    topics: ['runtime', 'cluster-choice', 'routing'],
    names: /fraction|key|share/,
  },
  { what: 'TLS contexts', topics: ['routing', 'tls'], names: /tls context/i, gap: FEW },
  { what: 'dynamic metadata', names: /dynamic.metadata|metadata/ },
  { what: 'cluster headers', topics: ['routing'], names: /cluster.?header/, gap: FEW },
  {
    what: 'weighted clusters',
    topics: ['cluster-choice', 'routing', 'faults', 'filters'],
    names: /weight|cluster|random/,
  },
  { what: 'rewrites', topics: ['routing'], names: /rewrite/, gap: FEW },
  { what: 'timeouts', topics: ['timeouts', 'upstream'], names: /timeout|max_stream_duration/ },
  { what: 'grpc-timeout', names: /grpc-timeout/, gap: FEW },
  { what: 'hash policies', names: /hash/ },
  { what: 'mirrors', topics: ['mirrors'] },
  { what: 'internal redirects', topics: ['internal-redirects'] },
  { what: 'redirects', topics: ['routing'], names: /redirect/ },
  { what: 'direct responses', names: /direct response/ },
  {
    what: 'header mutation by routes',
    topics: ['routing'],
    names: /headers? (added|replaced|removed)|mutation/,
    gap: FEW,
  },
  { what: 'filters by the route', topics: ['filters', 'faults'], names: /route|host|weighted/ },
  { what: 'VHDS and on_demand', names: /vhds|on_demand/i, gap: NOT_BUILT },
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
  { what: 'rbac, TCP', topics: ['rbac'], names: /tcp|connection|network/i, gap: FEW },
];

const balancing: readonly Item[] = [
  { what: 'STRICT_DNS and LOGICAL_DNS', topics: ['dns'] },
  { what: 'EDS', names: /\beds\b/i, gap: NO_STREAM },
  { what: 'ORIGINAL_DST', topics: ['upstream'], names: /^original destination/ },
  { what: 'aggregate clusters', topics: ['aggregate'] },
  { what: 'dynamic forward proxy', topics: ['dynamic-hosts'] },
  { what: 'round robin', names: /round robin/i, gap: FEW },
  { what: 'least request', names: /least request/i, gap: FEW },
  { what: 'random', names: /\brandom (choice|balanc)/i, gap: FEW },
  {
    what: 'ring hash',
    names: /ring hash/i,
    gap: 'hashing.test.ts of the peers compares the endpoint of each key',
  },
  { what: 'maglev', names: /maglev/i, gap: 'hashing.test.ts of the peers compares the endpoint of each key' },
  { what: 'peak EWMA', names: /ewma/i, gap: NOT_BUILT },
  { what: 'weighted round robin by ORCA', topics: ['policies'], names: /report|load|weight/ },
  { what: 'slow start', topics: ['policies'], names: /slow start/, gap: FEW },
  { what: 'subsets', topics: ['subsets'] },
  { what: 'localities', topics: ['zones'], names: /localit|weight/ },
  { what: 'zones', topics: ['zones'] },
  { what: 'priorities and panic', topics: ['balancing'], names: /priorit|panic|degraded/ },
  { what: 'health states', topics: ['balancing'] },
  { what: 'IPv6 and dual stack', topics: ['ipv6'] },
  { what: 'lists of policies', names: /load_balancing_policy/, gap: FEW },
  { what: 'circuit breakers and retry budgets, counted', topics: ['breakers'] },
  { what: 'connections to upstreams: limits, reuse, age', names: /^pool/, gap: FEW },
  { what: 'preconnect', topics: ['preconnect'] },
  { what: 'happy eyeballs', topics: ['addresses'] },
  { what: 'transport_socket_matches', names: /transport_socket_match/, gap: FEW },
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
  { what: 'health checks: TCP and gRPC', topics: ['health-checks'], names: /^(TCP|gRPC)/, gap: FEW },
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
  { what: '/clusters', names: /with the cluster|health of each endpoint/, gap: FEW },
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
