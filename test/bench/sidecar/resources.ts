/** What the sidecars of the benchmark are sent: the shape of a mesh of twenty services, or one bare listener. */

import { messageFromDocument } from '#xds/document.ts';
import { type ResourceKind, type ResourceMessage, resourceTypes } from '#xds/resource-type.ts';
import { createResourceEncoder, type EncodedResource } from '#xds/snapshot.ts';
import {
  address,
  connectionManager,
  type Dialect,
  routeTo,
  transportSocket,
  typeUrl,
} from '../config/bootstrap.ts';
import { type Certificates, retries } from '../config/work.ts';

/** Services of the mesh, beside the sidecar's own. */
const services = 20;
const endpointsOfService = 2;

const encode = createResourceEncoder();

export function resource<Kind extends ResourceKind>(kind: Kind, value: object): EncodedResource {
  const read = messageFromDocument(resourceTypes[kind].schema, { value });
  if (!read.ok) throw new Error(`${kind}: ${JSON.stringify(read.problems)}`);
  return encode(kind, read.value as unknown as ResourceMessage[Kind]);
}

const ads = { ads: {}, resource_api_version: 'V3' };

export interface SidecarPlace extends Dialect {
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** Of the application behind the sidecar. */
  readonly applicationPort: number;
  readonly accessLog: string;
  readonly certificates: Certificates;
}

/**
 * Clusters with mutual TLS and endpoints for every service, a route table that names them all, a listener for
 * calls out and one for calls in, which takes mutual TLS only. What no service's name fits goes to the application.
 */
export function sidecarResources(place: SidecarPlace): EncodedResource[] {
  const names = Array.from({ length: services }, (_, at) => `service-${at}`);
  const application = {
    name: 'inbound',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: assignment('inbound', [place.applicationPort]),
  };
  return [
    resource('cluster', application),
    ...names.map((name) =>
      resource('cluster', { ...edsCluster(name), transport_socket: transportSocket(place, 'originate') }),
    ),
    // Nothing is sent there: a service's endpoints need only be known.
    ...names.map((name) =>
      resource(
        'endpoint',
        assignment(
          name,
          Array.from({ length: endpointsOfService }, () => place.applicationPort),
        ),
      ),
    ),
    listener({
      name: 'outbound',
      port: place.outboundPort,
      place,
      routes: { rds: { config_source: ads, route_config_name: 'outbound' } },
    }),
    listener({
      name: 'inbound',
      port: place.inboundPort,
      place,
      routes: { route_config: { name: 'inbound', virtual_hosts: [virtualHost('inbound', ['*'])] } },
      transportSocket: transportSocket(place, 'terminate'),
    }),
    resource('route', {
      name: 'outbound',
      virtual_hosts: [
        ...names.map((name) => virtualHost(name, [`${name}.local`])),
        virtualHost('inbound', ['*']),
      ],
    }),
  ];
}

interface ListenerPlan {
  readonly name: string;
  readonly port: number;
  readonly place: SidecarPlace;
  readonly routes: object;
  readonly transportSocket?: object;
}

function listener({ name, port, place, routes, transportSocket: socket }: ListenerPlan): EncodedResource {
  const { accessLog, istioStats } = place;
  const manager = connectionManager({ statPrefix: name, accessLog, routes, istioStats });
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  const chain = { filters: [filter], ...(socket === undefined ? {} : { transport_socket: socket }) };
  return resource('listener', { name, address: address(port), filter_chains: [chain] });
}

const virtualHost = (cluster: string, domains: readonly string[]): object => ({
  name: cluster,
  domains,
  routes: [{ match: { prefix: '/' }, route: routeTo(cluster) }],
});

const edsCluster = (name: string): object => ({
  name,
  type: 'EDS',
  connect_timeout: '1s',
  eds_cluster_config: { eds_config: ads },
});

const assignment = (cluster_name: string, ports: readonly number[]): object => ({
  cluster_name,
  endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }],
});

/** A host of `hosts`: all are different, none is ever called. */
const hostAt = (at: number): object => ({
  endpoint: {
    address: {
      socket_address: { address: `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`, port_value: 80 },
    },
  },
});

export interface BarePlace {
  readonly port: number;
  readonly accessLog: string;
  readonly clusters: number;
  /** Endpoints of one cluster besides. */
  readonly hosts: number;
  /** `lb_policy` of that one; absent: round robin. */
  readonly policy?: string;
}

/** One listener that answers by itself, so that nothing but the proxy can make a client wait; and what is updated. */
export function bareResources({
  port,
  accessLog,
  clusters,
  hosts,
  policy = 'ROUND_ROBIN',
}: BarePlace): EncodedResource[] {
  const names = Array.from({ length: clusters }, (_, at) => `service-${at}`);
  const manager = {
    '@type': typeUrl('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    ...connectionManager({
      statPrefix: 'front',
      accessLog,
      istioStats: false,
      routes: {
        route_config: {
          name: 'front',
          virtual_hosts: [
            {
              name: 'all',
              domains: ['*'],
              retry_policy: { retry_on: 'connect-failure', num_retries: retries },
              routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
            },
          ],
        },
      },
    }),
  };
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  return [
    resource('listener', { name: 'front', address: address(port), filter_chains: [{ filters: [filter] }] }),
    resource('cluster', { ...edsCluster('hosts'), lb_policy: policy }),
    ...names.map((name) => resource('cluster', edsCluster(name))),
    resource('endpoint', {
      cluster_name: 'hosts',
      endpoints: [{ lb_endpoints: Array.from({ length: hosts }, (_, at) => hostAt(at + 1)) }],
    }),
    ...names.map((name) => resource('endpoint', assignment(name, [80]))),
  ];
}
