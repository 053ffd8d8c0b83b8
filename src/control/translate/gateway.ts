/** Gateways and the VirtualServices bound to them -> listeners and routes of an edge proxy. */

import { create } from '@bufbuild/protobuf';
import { unixPath } from '#model/gateway.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { AddressSchema } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Secret } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { type BindAddress, gatewayBinds } from './annotation.ts';
import { type Gatekeeper, type GatewayChains, gatewayChains } from './gateway-chains.ts';
import { type GatewayAddress, gatewayAddresses } from './gateway-servers.ts';
import { gatewayTopology, proxyProtocolFilter } from './gateway-topology.ts';
import { boundListener, type ListenerInit, patience, tlsInspector } from './listener.ts';
import { passthroughClusters } from './sni-passthrough.ts';

export interface GatewayTranslation {
  /** Besides those of services. */
  readonly clusters: readonly Cluster[];
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  readonly secrets: readonly Secret[];
}

export function translateGateway(whole: Omit<Gatekeeper, 'topology'>): GatewayTranslation {
  const { pod, index, problems } = whole;
  const keeper = { ...whole, topology: gatewayTopology(pod, index, problems) };
  const addresses = gatewayAddresses(pod, index, problems);
  const binds = gatewayBinds(pod, problems);
  const made = addresses.map((address) => ({ address, ...gatewayChains(address, keeper) }));
  const secrets = new Map(made.flatMap((one) => one.secrets).map((secret) => [secret.name, secret]));
  return {
    clusters: passthroughClusters(addresses, keeper.clusters),
    listeners: made
      // Where nothing is served for want of certificates, connections are not taken.
      .filter(({ chains }) => chains.length > 0)
      .map((one) => gatewayListener(one.address, one, binds.get(one.address.port), keeper)),
    routes: made.flatMap(({ routes }) => routes),
    secrets: [...secrets.values()],
  };
}

/** @param placed where the runner has put the port, unless its server says itself where it listens */
function gatewayListener(
  { port, bind, plain, encrypted }: GatewayAddress,
  { chains }: GatewayChains,
  placed: BindAddress | undefined,
  { node, index, topology }: Gatekeeper,
): Listener {
  const announces = topology.proxyProtocol !== undefined;
  const filters = [
    ...(announces ? [proxyProtocolFilter] : []),
    ...(encrypted.length > 0 ? [tlsInspector] : []),
  ];
  const inspected = filters.length > 0 && {
    listenerFilters: filters,
    // Who waits for the server to speak first says nothing that could be looked at.
    ...(encrypted.length > 0 && plain.length > 0 && !announces && patience(index.settings)),
  };
  const rest: ListenerInit = {
    name: `${bind ?? '0.0.0.0'}_${port}`,
    filterChains: [...chains],
    ...inspected,
  };
  const path = bind === undefined ? undefined : unixPath({ bind });
  if (path !== undefined) {
    const address = create(AddressSchema, { address: { case: 'pipe', value: { path } } });
    return boundListener('outbound', '', port, { ...rest, address });
  }
  const own = { address: bind ?? node.address, port };
  const at = bind === undefined ? (placed ?? own) : own;
  return boundListener('outbound', at.address, at.port, rest);
}
