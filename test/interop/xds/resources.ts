/** Resources of scripts, as JSON. */
import type { DescMessage, JsonObject, MessageShape } from '@bufbuild/protobuf';
import { parseYaml } from '#core/yaml.ts';
import { messageFromDocument } from '#xds/document.ts';
import {
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';

const address = (port: number): JsonObject => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});

const http2: JsonObject = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

export const typeUrl = (kind: ResourceKind): string => resourceTypes[kind].typeUrl;

/** Endpoints of `ports`. */
export const assignment = (cluster_name: string, ...ports: number[]): JsonObject => ({
  '@type': typeUrl('endpoint'),
  cluster_name,
  endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }],
});

/** A cluster of the bootstrap through which a management server is asked. */
export const serverCluster = (name: string, ...ports: number[]): JsonObject => {
  const { '@type': _, ...load_assignment } = assignment(name, ...ports);
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    typed_extension_protocol_options: http2,
    load_assignment,
  };
};

export const grpc = (api_type: string, ...clusters: string[]): JsonObject => ({
  api_type,
  transport_api_version: 'V3',
  grpc_services: clusters.map((cluster_name) => ({ envoy_grpc: { cluster_name } })),
});

export const ads: JsonObject = { resource_api_version: 'V3', ads: {} };
export const ownStream = (api_type: string, ...clusters: string[]): JsonObject => ({
  resource_api_version: 'V3',
  api_config_source: grpc(api_type, ...clusters),
});
export const file = (path: string): JsonObject => ({
  resource_api_version: 'V3',
  path_config_source: { path },
});

export const cluster = (name: string, more: JsonObject = {}): JsonObject => ({
  '@type': typeUrl('cluster'),
  name,
  type: 'STATIC',
  ...more,
});

export const edsCluster = (name: string, eds_config: JsonObject = ads, service_name?: string): JsonObject =>
  cluster(name, {
    type: 'EDS',
    eds_cluster_config: { eds_config, ...(service_name !== undefined && { service_name }) },
  });

/** Answers with its own name. */
export const routes = (name: string, body: string, status = 200): JsonObject => ({
  '@type': typeUrl('route'),
  name,
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [{ match: { prefix: '/' }, direct_response: { status, body: { inline_string: body } } }],
    },
  ],
});

export const routesTo = (name: string, target: string): JsonObject => ({
  '@type': typeUrl('route'),
  name,
  virtual_hosts: [
    { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: target } }] },
  ],
});

const router: JsonObject = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};

/** Its routes come from `config_source`. */
export const listener = (
  name: string,
  route_config_name: string,
  config_source: JsonObject = ads,
  filters: JsonObject[] = [],
): JsonObject => listenerOf(name, { rds: { route_config_name, config_source } }, filters);

export const listenerOf = (name: string, hcm: JsonObject, filters: JsonObject[] = []): JsonObject => ({
  '@type': typeUrl('listener'),
  name,
  address: address(0),
  filter_chains: [
    {
      filters: [
        {
          name: 'http',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            stat_prefix: name,
            http_filters: [...filters, router],
            ...hcm,
          },
        },
      ],
    },
  ],
});

/** A state-of-the-world response. */
export const state = (kind: ResourceKind, version: number, ...resources: JsonObject[]): JsonObject => ({
  version_info: String(version),
  nonce: `n${version}-${kind}`,
  type_url: typeUrl(kind),
  resources,
});

export interface DeltaOptions {
  readonly removed?: readonly string[];
  readonly errors?: readonly string[];
  readonly ttl?: string;
}

/** A delta response: each resource by name and version `v<version>`. */
export const delta = (
  kind: ResourceKind,
  version: number,
  resources: readonly JsonObject[],
  { removed = [], errors = [], ttl }: DeltaOptions = {},
): JsonObject => ({
  system_version_info: String(version),
  nonce: `n${version}-${kind}`,
  type_url: typeUrl(kind),
  resources: resources.map((resource) => ({
    name: String(resource.name ?? resource.cluster_name),
    version: `v${version}`,
    resource,
    ...(ttl !== undefined && { ttl }),
  })),
  removed_resources: [...removed],
  resource_errors: errors.map((name) => ({
    resource_name: { name },
    error_detail: { code: 5, message: `no ${name}` },
  })),
});

/** That what was sent as `version` is still good. */
export const heartbeat = (
  kind: ResourceKind,
  nonce: string,
  version: number,
  name: string,
  ttl: string,
): JsonObject => ({
  system_version_info: String(version),
  nonce,
  type_url: typeUrl(kind),
  resources: [{ name, version: `v${version}`, ttl }],
});

/** Inside a `Resource`, as state of the world says how long something is good for. */
export const wrapped = (name: string, ttl: string, resource?: JsonObject): JsonObject => ({
  '@type': 'type.googleapis.com/envoy.service.discovery.v3.Resource',
  name,
  ttl,
  ...(resource !== undefined && { resource }),
});

/** A bootstrap whose resources come by ADS. */
export const adsBootstrap =
  (api_type: 'GRPC' | 'DELTA_GRPC') =>
  ({ servers }: { readonly servers: readonly number[] }): JsonObject => ({
    node: { id: 'test', cluster: 'test' },
    static_resources: { clusters: [serverCluster('xds', servers[0]!)] },
    dynamic_resources: { ads_config: grpc(api_type, 'xds'), cds_config: ads, lds_config: ads },
  });

/** The message that is written as JSON. */
export const deltaOf = (response: JsonObject): DeltaDiscoveryResponse =>
  messageOf(DeltaDiscoveryResponseSchema, response);
export const stateOf = (response: JsonObject): DiscoveryResponse =>
  messageOf(DiscoveryResponseSchema, response);

function messageOf<Desc extends DescMessage>(schema: Desc, response: JsonObject): MessageShape<Desc> {
  const [document] = parseYaml(JSON.stringify(response), 'response').documents;
  const parsed = messageFromDocument(schema, document!);
  if (!parsed.ok)
    throw new Error(parsed.problems.map(({ message, path }) => `${path}: ${message}`).join('; '));
  return parsed.value;
}
