/** One configuration for both proxies: a bootstrap, or the resources that a control plane has for them. */
import {
  address,
  bootstrap,
  cluster as clusterOf,
  extension,
  httpListener,
  type Message,
  protocolOptions,
  route as routeOf,
} from '../../interop/envoy/harness/bootstrap.ts';
import type { Scenario } from './scenario.ts';

/** What the upstreams are called in DNS. */
export const dnsName = 'upstreams.example';

export interface Places {
  /** Of the upstreams: where each listens. */
  readonly upstreams: readonly { readonly host: string; readonly port: number }[];
  /** Of the resolver and the control plane, where there are any. */
  readonly dnsPort: number;
  readonly controlPort: number;
  /** For a listener by xDS, as one that changes should keep its port. */
  readonly listenPort: number;
}

const listenerName = 'chaos';
const clusterName = 'app';
const ads: Message = { ads: {}, resource_api_version: 'V3' };

function appCluster({ protocol, discovery, cluster }: Scenario, places: Places): Message {
  const { http2 = {}, priorities: _, ...fields } = cluster;
  const { load_assignment: assignment, ...base } = clusterOf(clusterName, []);
  return {
    ...base,
    ...(protocol === 'http2'
      ? protocolOptions({ explicit_http_config: { http2_protocol_options: http2 } })
      : {}),
    ...(discovery === 'ads' ? { type: 'EDS', eds_cluster_config: { eds_config: ads } } : {}),
    ...(discovery === 'static' ? { load_assignment: assignmentOf(cluster.priorities, places) } : {}),
    ...(discovery === 'dns' ? byName(places) : {}),
    ...fields,
  };
}

/** In the order of the upstreams, so many in each priority. */
function assignmentOf(priorities: readonly number[] | undefined, { upstreams }: Places): Message {
  const counts = priorities ?? [upstreams.length];
  const before = (priority: number): number =>
    counts.slice(0, priority).reduce((sum, count) => sum + count, 0);
  return {
    cluster_name: clusterName,
    endpoints: counts.map((_, priority) => ({
      priority,
      locality: { zone: `zone-${priority}` },
      lb_endpoints: upstreams
        .slice(before(priority), before(priority + 1))
        .map(({ host, port }) => ({ endpoint: address(port, host) })),
    })),
  };
}

const byName = ({ upstreams: [first], dnsPort }: Places): Message => ({
  type: 'STRICT_DNS',
  dns_lookup_family: 'V4_ONLY',
  dns_refresh_rate: '0.1s',
  dns_failure_refresh_rate: { base_interval: '0.1s', max_interval: '0.1s' },
  typed_dns_resolver_config: extension(
    'envoy.network.dns_resolver.cares',
    'network.dns_resolver.cares.v3.CaresDnsResolverConfig',
    {
      resolvers: [address(dnsPort).address],
      dns_resolver_options: { use_tcp_for_dns_lookups: false, no_default_search_domain: true },
      query_timeout_seconds: 1,
      query_tries: 1,
    },
  ),
  load_assignment: {
    cluster_name: clusterName,
    endpoints: [{ lb_endpoints: [{ endpoint: address(first?.port, dnsName) }] }],
  },
});

const routesOf = ({ route }: Scenario): readonly Message[] => [
  routeOf('/', { ...route, cluster: clusterName }),
];

const listenerOf = (scenario: Scenario, more: Message): Message =>
  httpListener(listenerName, {
    codec: 'HTTP1',
    routes: routesOf(scenario),
    hcm: { access_log: [], ...more },
  });

/** Without an access log: what came of requests is seen by the client. */
export function bootstrapOf(scenario: Scenario, places: Places): Message {
  if (scenario.discovery !== 'ads')
    return bootstrap([listenerOf(scenario, {})], [appCluster(scenario, places)]);
  const control = clusterOf('control', [places.controlPort], {
    ...protocolOptions({ explicit_http_config: { http2_protocol_options: {} } }),
  });
  return bootstrap([], [control], {
    node: { id: 'chaos', cluster: 'chaos' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'control' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
  });
}

/** What a control plane sends. */
export interface Resources {
  readonly cluster: Message;
  readonly endpoint: Message;
  readonly listener: Message;
  readonly route: Message;
}

/** @param revision another one is another configuration that does the same. */
export function resourcesOf(
  scenario: Scenario,
  places: Places,
  revision: Readonly<Record<keyof Resources, number>>,
): Resources {
  const listener = listenerOf(scenario, {
    route_config: undefined,
    rds: { route_config_name: listenerName, config_source: ads },
    max_request_headers_kb: 60 + (revision.listener % 2),
  });
  return {
    cluster: { ...appCluster(scenario, places), connect_timeout: `0.5${revision.cluster % 2}0s` },
    endpoint: assignmentOf(undefined, {
      ...places,
      upstreams: revision.endpoint % 2 === 0 ? places.upstreams : places.upstreams.slice(1),
    }),
    listener: { ...listener, ...address(places.listenPort) },
    route: {
      name: listenerName,
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            routeOf(`/revision-${revision.route % 2}`, { cluster: clusterName }),
            ...routesOf(scenario),
          ],
        },
      ],
    },
  };
}
