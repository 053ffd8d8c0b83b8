/** What rows of load have besides, one at a time: retries that are needed, balancers, and each filter. */
import { typeUrl } from './config/bootstrap.ts';
import type { Besides } from './config/work.ts';

interface BesidesRow {
  /** Of the row. */
  readonly name: string;
  readonly title: string;
  readonly besides: Besides;
}

const filter = (name: string, type: string, config: object): object => ({
  name: `envoy.filters.http.${name}`,
  typed_config: { '@type': typeUrl(`envoy.extensions.filters.http.${name}.v3.${type}`), ...config },
});

const percent = (numerator: number): object => ({ numerator, denominator: 'HUNDRED' });
const always = { default_value: percent(100) };

/** Each looks at every request and lets it pass. */
const filters: Readonly<Record<string, object>> = {
  fault: filter('fault', 'HTTPFault', {
    abort: { http_status: 503, percentage: percent(0) },
    delay: { fixed_delay: '1s', percentage: percent(0) },
  }),
  cors: filter('cors', 'Cors', {}),
  buffer: filter('buffer', 'Buffer', { max_request_bytes: 65_536 }),
  'local-ratelimit': filter('local_ratelimit', 'LocalRateLimit', {
    stat_prefix: 'bench',
    token_bucket: { max_tokens: 1_000_000_000, tokens_per_fill: 1_000_000_000, fill_interval: '1s' },
    filter_enabled: always,
    filter_enforced: always,
  }),
  'header-mutation': filter('header_mutation', 'HeaderMutation', {
    mutations: {
      request_mutations: [{ append: { header: { key: 'x-bench', value: '%PROTOCOL%' } } }],
      response_mutations: [{ remove: 'x-none' }],
    },
  }),
  'health-check': filter('health_check', 'HealthCheck', {
    pass_through_mode: false,
    headers: [{ name: ':path', string_match: { exact: '/health' } }],
  }),
  'set-metadata': filter('set_metadata', 'Config', {
    metadata: [{ metadata_namespace: 'bench', value: { kind: 'load' } }],
  }),
  'header-to-metadata': filter('header_to_metadata', 'Config', {
    request_rules: [{ header: 'user-agent', on_header_present: { key: 'agent', type: 'STRING' } }],
  }),
};

const manyEndpoints = 50;
const byPath = { hash_policy: [{ header: { header_name: ':path' } }] };

export const besidesRows: readonly BesidesRow[] = [
  {
    name: 'retries-armed',
    title: 'retries on 5xx with a time for each, which none needs',
    besides: {
      route: {
        retry_policy: {
          retry_on: '5xx,reset,connect-failure,refused-stream',
          num_retries: 2,
          per_try_timeout: '5s',
        },
      },
    },
  },
  {
    name: 'retries-half',
    title: 'every second request is retried: one of two endpoints refuses connections',
    besides: {
      deadEndpoints: 1,
      cluster: {
        circuit_breakers: { thresholds: [{ max_connections: 1024, max_requests: 8192, max_retries: 1024 }] },
      },
      route: {
        retry_policy: {
          retry_on: 'connect-failure',
          num_retries: 3,
          retry_host_predicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typed_config: {
                '@type': typeUrl('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
              },
            },
          ],
          host_selection_retry_max_attempts: 16,
          retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
        },
      },
    },
  },
  {
    name: 'round-robin-50',
    title: '50 endpoints by round robin',
    besides: { endpoints: manyEndpoints },
  },
  {
    name: 'least-request-50',
    title: '50 endpoints by least request',
    besides: { endpoints: manyEndpoints, cluster: { lb_policy: 'LEAST_REQUEST' } },
  },
  {
    name: 'ring-hash-50',
    title: '50 endpoints by ring hash of the path',
    besides: { endpoints: manyEndpoints, cluster: { lb_policy: 'RING_HASH' }, route: byPath },
  },
  {
    name: 'maglev-50',
    title: '50 endpoints by maglev of the path',
    besides: { endpoints: manyEndpoints, cluster: { lb_policy: 'MAGLEV' }, route: byPath },
  },
  ...Object.entries(filters).map(
    ([name, config]): BesidesRow => ({
      name: `filter-${name}`,
      title: `with the filter ${name.replaceAll('-', '_')}`,
      besides: { filters: [config] },
    }),
  ),
];
