/** Every field of a route table is done, refused or warned of: a new one has to be put into one of the three. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DescMessage, fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import { Metrics } from '#observe/metrics.ts';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { registry } from '#xds/registry.ts';
import { BucketMemory } from '../filter/bucket-memory.ts';
import { compileRoutes } from './table.ts';

interface Fields {
  /** Names, as far as they are honoured; what has no effect in Envoy by itself is among them. */
  readonly done: string;
  /** A value that is an error, or a warning, by the name of its field. */
  readonly refused?: Readonly<Record<string, JsonValue>>;
  readonly warned?: Readonly<Record<string, JsonValue>>;
  /** The path of the message in a table, and a table around it. */
  readonly at?: string;
  readonly around?: (part: JsonObject) => JsonObject;
}

const cluster = { cluster: 'a' };
const aroundHost = (part: JsonObject): JsonObject => ({
  virtualHosts: [{ name: 'h', domains: ['*'], ...part }],
});
const aroundRoute = (part: JsonObject): JsonObject =>
  aroundHost({ routes: [{ match: { prefix: '/' }, ...part }] });
const aroundAction = (part: JsonObject): JsonObject => aroundRoute({ route: { ...cluster, ...part } });
const typedRetry = { '@type': 'type.googleapis.com/envoy.config.route.v3.RetryPolicy' };
const ROUTE = 'virtual_hosts[0].routes[0]';

const known: Readonly<Record<string, Fields>> = {
  RouteConfiguration: {
    done: `name virtual_hosts internal_only_headers response_headers_to_add response_headers_to_remove
      request_headers_to_add request_headers_to_remove most_specific_header_mutations_wins
      max_direct_response_body_size_bytes cluster_specifier_plugins request_mirror_policies
      ignore_port_in_host_matching vhost_header ignore_path_parameters_in_path_matching typed_per_filter_config
      metadata`,
    refused: { route_specifiers: [{ name: 'x' }], vhds: {} },
    warned: { validate_clusters: true },
    at: '',
    around: (part) => part,
  },
  VirtualHost: {
    done: `name domains routes require_tls virtual_clusters request_headers_to_add request_headers_to_remove
      response_headers_to_add response_headers_to_remove typed_per_filter_config include_request_attempt_count
      include_attempt_count_in_response include_is_timeout_retry_header retry_policy hedge_policy
      request_mirror_policies per_request_buffer_limit_bytes request_body_buffer_limit metadata`,
    refused: {
      matcher: {},
      rate_limits: [{}],
      cors: {},
      route_specifiers: [{ name: 'x' }],
    },
    warned: { retry_policy_typed_config: typedRetry },
    at: 'virtual_hosts[0].',
    around: aroundHost,
  },
  Route: {
    done: `name match route redirect direct_response non_forwarding_action metadata typed_per_filter_config
      request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove
      stat_prefix per_request_buffer_limit_bytes request_body_buffer_limit`,
    refused: { filter_action: {}, route_specifiers: [{ name: 'x' }] },
    warned: { decorator: { operation: 'x' }, tracing: {} },
    at: `${ROUTE}.`,
    around: (part) => aroundRoute({ ...('filter_action' in part ? {} : { route: cluster }), ...part }),
  },
  RouteMatch: {
    done: `prefix path safe_regex connect_matcher path_separated_prefix path_match_policy case_sensitive
      runtime_fraction headers query_parameters cookies grpc tls_context dynamic_metadata filter_state`,
  },
  'RouteMatch.ConnectMatcher': { done: '' },
  'RouteMatch.GrpcRouteMatchOptions': { done: '' },
  'RouteMatch.TlsContextMatchOptions': { done: 'presented validated' },
  HeaderMatcher: {
    done: `name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match
      string_match invert_match treat_missing_header_as_empty`,
  },
  QueryParameterMatcher: { done: 'name string_match present_match' },
  CookieMatcher: { done: 'name string_match invert_match' },
  RouteAction: {
    done: `cluster cluster_header weighted_clusters cluster_specifier_plugin inline_cluster_specifier_plugin
      cluster_not_found_response_code prefix_rewrite regex_rewrite path_rewrite_policy path_rewrite
      host_rewrite_literal auto_host_rewrite host_rewrite_header host_rewrite_path_regex host_rewrite
      append_x_forwarded_host timeout idle_timeout flush_timeout max_grpc_timeout grpc_timeout_offset retry_policy
      internal_redirect_policy internal_redirect_action request_mirror_policies priority hash_policy upgrade_configs
      max_stream_duration hedge_policy metadata_match`,
    refused: { rate_limits: [{}], include_vh_rate_limits: true, cors: {} },
    warned: {
      early_data_policy: { name: 'x' },
      max_internal_redirects: 2,
      retry_policy_typed_config: typedRetry,
    },
    at: `${ROUTE}.route.`,
    around: aroundAction,
  },
  WeightedCluster: {
    done: 'clusters total_weight runtime_key_prefix header_name',
    // Without a hash_policy beside it.
    warned: { use_hash_policy: true },
    at: `${ROUTE}.route.weighted_clusters.`,
    around: (part) =>
      aroundRoute({ route: { weightedClusters: { clusters: [{ name: 'a', weight: 1 }], ...part } } }),
  },
  'WeightedCluster.ClusterWeight': {
    done: `name cluster_header weight request_headers_to_add request_headers_to_remove response_headers_to_add
      response_headers_to_remove typed_per_filter_config host_rewrite_literal metadata_match`,
    at: `${ROUTE}.route.weighted_clusters.clusters[0].`,
    around: (part) =>
      aroundRoute({ route: { weightedClusters: { clusters: [{ name: 'a', weight: 1, ...part }] } } }),
  },
  ClusterSpecifierPlugin: { done: 'extension is_optional' },
  RetryPolicy: {
    done: `retry_on num_retries per_try_timeout per_try_idle_timeout retry_host_predicate
      host_selection_retry_max_attempts retriable_status_codes retry_back_off retriable_headers
      retriable_request_headers retry_priority rate_limited_retry_back_off retry_options_predicates`,
    warned: { refresh_cluster_on_retry: true },
    at: `${ROUTE}.route.retry_policy.`,
    around: (part) => aroundAction({ retryPolicy: part }),
  },
  'RetryPolicy.RetryPriority': { done: 'name typed_config' },
  'RetryPolicy.RateLimitedRetryBackOff': { done: 'reset_headers max_interval' },
  'RetryPolicy.ResetHeader': { done: 'name format' },
  HedgePolicy: {
    done: 'hedge_on_per_try_timeout',
    warned: { initial_requests: 2, additional_request_chance: { numerator: 1 } },
    at: `${ROUTE}.route.hedge_policy.`,
    around: (part) => aroundAction({ hedgePolicy: part }),
  },
  'RetryPolicy.RetryHostPredicate': { done: 'name typed_config' },
  'RetryPolicy.RetryBackOff': { done: 'base_interval max_interval' },
  InternalRedirectPolicy: {
    done: `max_internal_redirects redirect_response_codes predicates allow_cross_scheme_redirect
      response_headers_to_copy`,
  },
  'RouteAction.RequestMirrorPolicy': {
    done: `cluster cluster_header runtime_fraction disable_shadow_host_suffix_append request_headers_mutations
      host_rewrite_literal`,
    warned: { trace_sampled: true },
    at: `${ROUTE}.route.request_mirror_policies[0].`,
    around: (part) => aroundAction({ requestMirrorPolicies: [{ ...cluster, ...part }] }),
  },
  'RouteAction.HashPolicy': {
    done: 'header cookie connection_properties query_parameter filter_state terminal',
  },
  'RouteAction.HashPolicy.Header': { done: 'header_name regex_rewrite' },
  'RouteAction.HashPolicy.Cookie': { done: 'name ttl path attributes' },
  'RouteAction.HashPolicy.CookieAttribute': { done: 'name value' },
  'RouteAction.HashPolicy.ConnectionProperties': { done: 'source_ip' },
  'RouteAction.HashPolicy.QueryParameter': { done: 'name' },
  'RouteAction.HashPolicy.FilterState': { done: 'key' },
  'RouteAction.UpgradeConfig': { done: 'upgrade_type enabled connect_config' },
  'RouteAction.UpgradeConfig.ConnectConfig': {
    done: 'allow_post',
    refused: { proxy_protocol_config: {} },
    at: `${ROUTE}.route.upgrade_configs[0].connect_config.`,
    around: (part) => aroundAction({ upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: part }] }),
  },
  'RouteAction.MaxStreamDuration': {
    done: 'max_stream_duration grpc_timeout_header_max grpc_timeout_header_offset',
  },
  RedirectAction: {
    done: `https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite
      path_rewrite response_code strip_query`,
  },
  DirectResponseAction: { done: 'status body body_format' },
  NonForwardingAction: { done: '' },
  VirtualCluster: { done: 'headers name' },
};

/** Only in what is refused, or warned of, as a whole. */
const unread = new Set(['RateLimit', 'CorsPolicy', 'FilterAction', 'Decorator', 'Tracing', 'Vhds']);

const PACKAGE = 'envoy.config.route.v3.';

/** Those of the package that a message holds, itself too. */
function messagesOf(desc: DescMessage, found = new Map<string, DescMessage>()): Map<string, DescMessage> {
  const name = desc.typeName.slice(PACKAGE.length);
  if (found.has(name) || unread.has(name)) return found;
  found.set(name, desc);
  for (const { message } of desc.fields)
    if (message?.typeName.startsWith(PACKAGE) === true) messagesOf(message, found);
  return found;
}

function problemsOf(table: JsonObject): { readonly level: string; readonly path: string }[] {
  const deps = {
    metrics: new Metrics(),
    clock: fakeClock(),
    random: seededRandom(1),
    buckets: new BucketMemory(() => new ArrayBuffer(0), 0),
    readFile: () => new Uint8Array(),
    environment: () => undefined,
  };
  const compiled = compileRoutes(fromJson(RouteConfigurationSchema, table, { registry }), {
    filters: [],
    deps,
  });
  return compiled.problems.map(({ level, path = '' }) => ({ level, path }));
}

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);

describe('fields of route tables', () => {
  for (const [name, desc] of messagesOf(RouteConfigurationSchema)) {
    const { done, refused = {}, warned = {}, at = '', around } = known[name] ?? { done: '' };
    test(`${name}: each is known`, () => {
      const told = [...words(done), ...Object.keys(refused), ...Object.keys(warned)];
      assert.deepEqual(desc.fields.map((field) => field.name).sort(), told.sort());
    });
    for (const [level, fields] of [
      ['error', refused],
      ['warning', warned],
    ] as const) {
      for (const [field, value] of Object.entries(fields)) {
        test(`${name}.${field}: ${level}`, () => {
          const problems = problemsOf(around!({ [field]: value }));
          const path = at + field;
          assert.ok(
            problems.some((problem) => problem.level === level && problem.path.startsWith(path)),
            `${path}: ${JSON.stringify(problems)}`,
          );
        });
      }
    }
  }
});
