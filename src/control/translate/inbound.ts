/** What a sidecar does for its own application: a listener and a cluster for each of its ports. */
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { CarriedProtocol } from '#model/port-protocol.ts';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { serviceHost } from '../store/mesh-service.ts';
import { applicationAddress } from './annotation.ts';
import { inspectedFor, portChains } from './inbound-chains.ts';
import { type IngressPort, ingressAddress, ingressPorts, sharedEndpoint } from './ingress-ports.ts';
import { boundListener, httpInspector, type ListenerFilterInit, patience, tlsInspector } from './listener.ts';
import { type InboundClusterTraits, inboundCluster } from './local-cluster.ts';
import { type ServerTlsMode, serverTlsMode } from './mutual-tls.ts';
import { keptAlive } from './policy-merge.ts';
import type { Sidecar, SidecarPart } from './sidecar.ts';
import { inboundName } from './stat-name.ts';

/** Where an application listens whose sidecar has its port at the address of the host. */
export const aloneWithSidecar = '127.0.0.1';

/** Where callers come to the port's own number at the mesh address. */
export function translateInbound(sidecar: Sidecar): SidecarPart {
  const { pod, instance, node } = sidecar;
  if (instance === undefined) return { listeners: [], clusters: [] };
  const ports = ingressPorts(sidecar);
  const application = pod === undefined ? aloneWithSidecar : applicationAddress(pod);
  // Who registers himself says where others come to.
  const address = pod === undefined ? (node.addresses[0] ?? node.address) : node.address;
  return {
    listeners: ports.map((inbound) =>
      inboundListener(inbound, { address: ingressAddress(inbound, address), port: inbound.port }, sidecar),
    ),
    clusters:
      application === undefined
        ? []
        : ports.map((port) =>
            inboundCluster(describe(port, sidecar.index.settings), sharedEndpoint(port, application)),
          ),
  };
}

/** What its cluster is to know. */
export function describe(
  { port, carriedAs, http2, services, pool }: IngressPort,
  { connectTimeoutMs, inboundStatName, tcpKeepalive }: MeshSettings,
): InboundClusterTraits {
  const [first] = services;
  const statName = inboundStatName === '' ? '' : inboundName(inboundStatName, port, first);
  const own = keptAlive(pool, tcpKeepalive);
  return {
    ...{ port, carriedAs, http2, connectTimeoutMs, statName },
    ...(own !== undefined && { pool: own }),
    services: services.map(({ service }) => {
      const { name, namespace = '' } = service.metadata;
      return { host: serviceHost(service), name, namespace };
    }),
  };
}

/** @param where it is bound; which port of the application it is, policies know. */
export function inboundListener(
  inbound: IngressPort,
  where: { readonly address: string; readonly port: number },
  sidecar: Sidecar,
): Listener {
  const { node, labels, index } = sidecar;
  const mode = serverTlsMode(index, node.namespace, labels, inbound.port);
  const listenerFilters = inspectors(inbound.carriedAs, mode);
  return boundListener('inbound', where.address, where.port, {
    filterChains: portChains(inbound, mode, sidecar),
    ...(listenerFilters.length > 0 && { listenerFilters, ...patience(index.settings) }),
  });
}

function inspectors(carriedAs: CarriedProtocol, mode: ServerTlsMode): ListenerFilterInit[] {
  const looksFor = inspectedFor(carriedAs, mode);
  return [...(looksFor.tls ? [tlsInspector] : []), ...(looksFor.http ? [httpInspector] : [])];
}
