import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { registry } from '#xds/registry.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import { Findings } from '../findings.ts';
import { readCluster } from './settings.ts';

function found(fields: JsonObject): string[] {
  const findings = new Findings();
  const message = fromJson(ClusterSchema, { name: 'c', ...fields }, { registry });
  readCluster(message, { filters: [] } as unknown as DataPathDeps, findings);
  return findings.problems.map(({ level, path, message: text }) => `${level}: ${path}: ${text}`);
}

const policy = (type: string, fields: JsonObject): JsonObject => ({
  loadBalancingPolicy: {
    policies: [
      {
        typedExtensionConfig: {
          name: 'p',
          typedConfig: {
            '@type': `type.googleapis.com/envoy.extensions.load_balancing_policies.${type}`,
            ...fields,
          },
        },
      },
    ],
  },
});
const eds = (edsConfig: JsonObject): JsonObject => ({ type: 'EDS', edsClusterConfig: { edsConfig } });
const at = 'load_balancing_policy.policies[0].typed_extension_config.typed_config';

describe('what is said of a cluster', () => {
  const cases: [fields: JsonObject, problems: string[]][] = [
    [eds({ ads: {} }), []],
    [eds({ self: {} }), []],
    [eds({ pathConfigSource: { path: '/endpoints.yaml' } }), []],
    [eds({ path: '/endpoints.yaml' }), []],
    [
      eds({ pathConfigSource: { path: '/endpoints.yaml', pollInterval: '1s' } }),
      ['error: eds_cluster_config.eds_config.path_config_source.poll_interval: is not supported'],
    ],
    [
      eds({ apiConfigSource: { apiType: 'AGGREGATED_GRPC' } }),
      ['error: eds_cluster_config.eds_config.api_config_source.api_type: must be GRPC or DELTA_GRPC'],
    ],
    [
      eds({ apiConfigSource: { apiType: 'GRPC', transportApiVersion: 'V3' } }),
      ['error: eds_cluster_config.eds_config.api_config_source.grpc_services: needs a service'],
    ],
    [
      eds({ initialFetchTimeout: '1s' }),
      [
        'error: eds_cluster_config.eds_config: names no source: write ads, path_config_source or api_config_source',
      ],
    ],
    [{ commonLbConfig: { zoneAwareLbConfig: { failTrafficOnPanic: true } } }, []],
    [{ commonLbConfig: { zoneAwareLbConfig: { routingEnabled: { value: 50 }, minClusterSize: '3' } } }, []],
    [
      { commonLbConfig: { zoneAwareLbConfig: { routingEnabled: { value: 101 } } } },
      ['error: common_lb_config.zone_aware_lb_config.routing_enabled.value: must be between 0 and 100'],
    ],
    [
      policy('round_robin.v3.RoundRobin', {
        localityLbConfig: { zoneAwareLbConfig: { forceLocalityDirectRouting: true, forceLocalZone: {} } },
      }),
      [
        `warning: ${at}.locality_lb_config.zone_aware_lb_config.force_locality_direct_routing: has no effect beside force_local_zone`,
      ],
    ],
    [
      { roundRobinLbConfig: { slowStartConfig: { slowStartWindow: '1s', aggression: { runtimeKey: 'a' } } } },
      [
        'warning: round_robin_lb_config.slow_start_config.aggression.default_value: is 0: 1 is used in its place',
      ],
    ],
    [
      { lbPolicy: 'LEAST_REQUEST', leastRequestLbConfig: { choiceCount: 1 } },
      ['error: least_request_lb_config.choice_count: must be at least 2'],
    ],
    [
      { lbPolicy: 'CLUSTER_PROVIDED', lbSubsetConfig: { subsetSelectors: [{ keys: ['a'] }] } },
      ['error: lb_subset_config: does not go with lb_policy CLUSTER_PROVIDED'],
    ],
    [
      { lbSubsetConfig: { subsetSelectors: [{ keys: ['a'] }], localityWeightAware: true } },
      ['error: lb_subset_config.locality_weight_aware: needs common_lb_config.locality_weighted_lb_config'],
    ],
    [
      {
        lbSubsetConfig: {
          subsetSelectors: [
            { keys: ['a'], fallbackKeysSubset: ['a'] },
            { keys: ['a', 'b'], fallbackPolicy: 'KEYS_SUBSET' },
            { keys: ['a', 'b'], fallbackPolicy: 'KEYS_SUBSET', fallbackKeysSubset: ['c'] },
            { keys: ['a', 'b'], fallbackPolicy: 'KEYS_SUBSET', fallbackKeysSubset: ['b', 'a'] },
          ],
        },
      },
      [
        'error: lb_subset_config.subset_selectors[0].fallback_keys_subset: is only for fallback_policy KEYS_SUBSET',
        'error: lb_subset_config.subset_selectors[1].fallback_keys_subset: is missing',
        'error: lb_subset_config.subset_selectors[2].fallback_keys_subset: holds what is not in keys',
        'error: lb_subset_config.subset_selectors[3].fallback_keys_subset: must be fewer than keys',
      ],
    ],
    [
      { ...policy('round_robin.v3.RoundRobin', {}), lbSubsetConfig: { subsetSelectors: [{ keys: ['a'] }] } },
      ['error: lb_subset_config: does not go with load_balancing_policy, which may hold a subset policy'],
    ],
    [policy('subset.v3.Subset', {}), [`error: ${at}.subset_lb_policy: is missing`]],
    [
      policy('override_host.v3.OverrideHost', { overrideHostSources: [{}, { header: 'a', metadata: {} }] }),
      [
        `error: ${at}.override_host_sources[0]: needs header or metadata`,
        `error: ${at}.override_host_sources[1]: has both header and metadata`,
        `error: ${at}.fallback_policy: is missing`,
      ],
    ],
    [
      policy('client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin', {
        enableOobLoadReport: true,
      }),
      [
        `error: ${at}.enable_oob_load_report: is not supported: endpoints report with their answers (endpoint-load-metrics)`,
      ],
    ],
    [
      {
        type: 'STRICT_DNS',
        typedDnsResolverConfig: {
          name: 'cares',
          typedConfig: {
            '@type':
              'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
            queryTries: 2,
          },
        },
      },
      [
        "warning: typed_dns_resolver_config.typed_config.query_tries: has no effect without resolvers: names are asked of the machine's own",
      ],
    ],
    [
      { type: 'STRICT_DNS', dnsFailureRefreshRate: { maxInterval: '1s' } },
      ['error: dns_failure_refresh_rate.base_interval: must be 1 ms or more'],
    ],
    [
      { type: 'STRICT_DNS', dnsFailureRefreshRate: { baseInterval: '2s', maxInterval: '1s' } },
      ['error: dns_failure_refresh_rate.max_interval: must not be below base_interval'],
    ],
  ];
  for (const [fields, problems] of cases) {
    test(JSON.stringify(fields), () => assert.deepEqual(found(fields), problems));
  }
});
