import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clustersView } from './clusters.ts';
import { readConfigDump } from './config-dump.ts';
import { endpointsView } from './endpoints.ts';
import { listenersView } from './listeners.ts';
import { routesView } from './routes.ts';
import { secretsView } from './secrets.ts';
import type { ProxyAnswers, View } from './view.ts';

const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/envoy.${name}` });
const socket = (address: string, port_value: number): object => ({ socket_address: { address, port_value } });
const manager = (config: object): object => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    ...type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    ...config,
  },
});
const tcpProxy = (config: object): object => ({
  typed_config: { ...type('extensions.filters.network.tcp_proxy.v3.TcpProxy'), ...config },
});
const madeBy = (name: string): object => ({
  filter_metadata: {
    istio: { config: `/apis/networking.istio.io/v1/namespaces/default/virtual-service/${name}` },
  },
});

/** As `/config_dump` of Envoy shows it, cut down to what is read. */
const dump = {
  configs: [
    {
      ...type('admin.v3.ClustersConfigDump'),
      static_clusters: [{ cluster: { name: 'xds-grpc' } }],
      dynamic_active_clusters: [
        { cluster: { name: 'outbound|9080|v1|reviews.default.svc.cluster.local', type: 'EDS' } },
        {
          cluster: {
            name: 'outbound|9080||reviews.default.svc.cluster.local',
            type: 'EDS',
            metadata: {
              filter_metadata: {
                istio: { config: '/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews' },
              },
            },
          },
        },
        { cluster: { name: 'inbound|9080||' } },
        { cluster: { name: 'dynamic', cluster_type: { name: 'envoy.clusters.dynamic_forward_proxy' } } },
      ],
    },
    {
      ...type('admin.v3.ListenersConfigDump'),
      dynamic_listeners: [
        {
          name: 'inbound',
          active_state: {
            listener: {
              name: '127.7.1.1_9080',
              address: socket('127.7.1.1', 9080),
              filter_chains: [
                {
                  filter_chain_match: { transport_protocol: 'tls', application_protocols: ['istio'] },
                  filters: [
                    manager({
                      route_config: {
                        virtual_hosts: [
                          { routes: [{ match: { prefix: '/' }, route: { cluster: 'inbound|9080||' } }] },
                        ],
                      },
                    }),
                  ],
                },
              ],
            },
          },
        },
        {
          name: 'proxy',
          active_state: {
            listener: {
              address: socket('127.7.1.1', 15_007),
              filter_chains: [{ filters: [manager({ rds: { route_config_name: 'http_proxy' } })] }],
            },
          },
        },
        {
          name: 'tcp',
          active_state: {
            listener: {
              address: socket('127.7.1.1', 5432),
              default_filter_chain: { filters: [tcpProxy({ cluster: 'outbound|5432||db.default' })] },
            },
          },
        },
        {
          name: 'outbound_9080',
          active_state: {
            listener: {
              name: 'outbound_9080',
              internal_listener: {},
              filter_chains: [{ filters: [manager({ rds: { route_config_name: '9080' } })] }],
            },
          },
        },
        { name: 'warming only', warming_state: { listener: { name: 'w' } } },
      ],
    },
    {
      ...type('admin.v3.RoutesConfigDump'),
      dynamic_route_configs: [
        {
          route_config: {
            name: 'http_proxy',
            virtual_hosts: [
              { name: 'allow_any', domains: ['*'], routes: [{ match: { connect_matcher: {} } }] },
            ],
          },
        },
        {
          route_config: {
            name: '9080',
            virtual_hosts: [
              {
                name: 'reviews:9080',
                domains: ['reviews', 'reviews.default', 'reviews.default.svc'],
                routes: [
                  { match: { prefix: '/api', headers: [{ name: 'x-tester' }] }, metadata: madeBy('reviews') },
                  { match: { path: '/old' }, redirect: {} },
                  { match: { safe_regex: { regex: '/a.c' } }, direct_response: { status: 403 } },
                  { match: { path_separated_prefix: '/v2' } },
                ],
              },
            ],
          },
        },
      ],
    },
    {
      ...type('admin.v3.SecretsConfigDump'),
      dynamic_active_secrets: [
        {
          name: 'default',
          secret: { tls_certificate: { certificate_chain: { inline_string: 'not a certificate' } } },
        },
        { name: 'ROOTCA', secret: { validation_context: { trusted_ca: {} } } },
      ],
    },
  ],
};
const clusterStatuses = [
  {
    name: 'outbound|9080||reviews.default.svc.cluster.local',
    host_statuses: [
      { address: socket('127.7.1.3', 9080), health_status: { eds_health_status: 'HEALTHY' } },
      {
        address: socket('127.7.1.2', 9080),
        health_status: { eds_health_status: 'HEALTHY', failed_outlier_check: true },
        locality: { region: 'eu', zone: 'eu-1' },
      },
      { address: socket('127.7.1.4', 9080), health_status: { eds_health_status: 'DRAINING' } },
    ],
  },
  {
    name: 'connect|9080',
    host_statuses: [{ address: { envoy_internal_address: { server_listener_name: 'outbound_9080' } } }],
  },
  { name: 'empty' },
];
const answers: ProxyAnswers = { dump: readConfigDump(dump), clusterStatuses };
const cells = <Filters>(view: View<Filters>, filters: Filters): readonly string[] =>
  view.rows(answers, filters).map((row) => row.cells.join(' | '));

describe('heddle pc', () => {
  test('clusters: the parts of the name, sorted', () => {
    assert.deepEqual(cells(clustersView, {}), [
      ' | 9080 | - | inbound | STATIC | ',
      'dynamic | - | - | - | DYNAMIC_FORWARD_PROXY | ',
      'reviews.default.svc.cluster.local | 9080 | - | outbound | EDS | reviews.default',
      'reviews.default.svc.cluster.local | 9080 | v1 | outbound | EDS | ',
      'xds-grpc | - | - | - | STATIC | ',
    ]);
  });

  test('clusters: filters', () => {
    const fqdn = 'reviews.default.svc.cluster.local';
    assert.equal(cells(clustersView, { fqdn }).length, 2);
    assert.equal(cells(clustersView, { fqdn, subset: 'v1' }).length, 1);
    assert.equal(cells(clustersView, { port: 9080, direction: 'INBOUND' }).length, 1);
    assert.equal(cells(clustersView, { port: 1 }).length, 0);
  });

  test('listeners: one row for each filter chain, in order of port', () => {
    assert.deepEqual(cells(listenersView, {}), [
      'internal: outbound_9080 | - | ALL | Route: 9080',
      '127.7.1.1 | 5432 | ALL | Cluster: outbound|5432||db.default',
      '127.7.1.1 | 9080 | Trans: tls; App: istio | Cluster: inbound|9080||',
      '127.7.1.1 | 15007 | ALL | Route: http_proxy',
    ]);
    assert.equal(cells(listenersView, { type: 'tcp' }).length, 1);
    assert.equal(cells(listenersView, { port: 15_007 }).length, 1);
  });

  test('routes: one row for each route, the VirtualService that made it, numbers first', () => {
    assert.deepEqual(cells(routesView, {}), [
      '9080 | reviews:9080 | reviews, reviews.default + 1 more... | /api* [x-tester] | reviews.default',
      '9080 | reviews:9080 | reviews, reviews.default + 1 more... | /old |  (redirect)',
      '9080 | reviews:9080 | reviews, reviews.default + 1 more... | regex /a.c |  (403)',
      '9080 | reviews:9080 | reviews, reviews.default + 1 more... | /v2/* | ',
      'http_proxy | allow_any | * | CONNECT | ',
    ]);
    assert.equal(cells(routesView, { name: 'http_proxy' }).length, 1);
  });

  test('endpoints: any failed check makes one unhealthy', () => {
    assert.deepEqual(cells(endpointsView, {}), [
      'internal: outbound_9080 | HEALTHY | - | connect|9080',
      '127.7.1.2:9080 | UNHEALTHY | eu/eu-1 | outbound|9080||reviews.default.svc.cluster.local',
      '127.7.1.3:9080 | HEALTHY | - | outbound|9080||reviews.default.svc.cluster.local',
      '127.7.1.4:9080 | DRAINING | - | outbound|9080||reviews.default.svc.cluster.local',
    ]);
    assert.equal(cells(endpointsView, { status: 'unhealthy' }).length, 1);
    assert.equal(cells(endpointsView, { address: '127.7.1.3' }).length, 1);
  });

  test('secrets: a certificate that cannot be read leaves its cells empty', () => {
    assert.deepEqual(cells(secretsView, {}), [
      'default | Cert Chain | ACTIVE |  |  |  | ',
      'ROOTCA | CA | ACTIVE |  |  |  | ',
    ]);
  });

  test('what is missing is empty: a dump of nothing, and no dump at all', () => {
    for (const nothing of [{}, { configs: [] }, null, 'text']) {
      assert.deepEqual(readConfigDump(nothing), { listeners: [], routes: [], clusters: [], secrets: [] });
    }
  });
});
