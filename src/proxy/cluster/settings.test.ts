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
const zones = 'has no effect: requests go to endpoints of all zones';

describe('what is said of a cluster', () => {
  const cases: [fields: JsonObject, problems: string[]][] = [
    [eds({ ads: {} }), []],
    [eds({ self: {} }), []],
    [
      eds({ pathConfigSource: { path: '/endpoints.yaml' } }),
      ['error: eds_cluster_config.eds_config.path_config_source: is not supported: must be ads'],
    ],
    [
      eds({ apiConfigSource: { apiType: 'GRPC' } }),
      ['error: eds_cluster_config.eds_config.api_config_source: is not supported: must be ads'],
    ],
    [{ commonLbConfig: { zoneAwareLbConfig: { failTrafficOnPanic: true } } }, []],
    [
      { commonLbConfig: { zoneAwareLbConfig: { routingEnabled: { value: 50 }, minClusterSize: '3' } } },
      [
        `warning: common_lb_config.zone_aware_lb_config.routing_enabled: ${zones}`,
        `warning: common_lb_config.zone_aware_lb_config.min_cluster_size: ${zones}`,
      ],
    ],
    [
      policy('round_robin.v3.RoundRobin', {
        localityLbConfig: { zoneAwareLbConfig: { minClusterSize: '3' } },
      }),
      [
        `warning: load_balancing_policy.policies[0].typed_extension_config.typed_config.locality_lb_config.zone_aware_lb_config.min_cluster_size: ${zones}`,
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
