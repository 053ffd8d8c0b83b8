/** What a sidecar does for its own application: a listener and a cluster for each of its ports. */
import { selects } from '#model/metadata.ts';
import { type CarriedProtocol, portProtocol } from '#model/port-protocol.ts';
import type { ServicePort } from '#model/service.ts';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { Instance } from '../store/instance.ts';
import { type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { applicationAddress } from './annotation.ts';
import { inspectedFor, portChains } from './inbound-chains.ts';
import { boundListener, httpInspector, type ListenerFilterInit, patience, tlsInspector } from './listener.ts';
import { atAddress, type InboundClusterTraits, inboundCluster } from './local-cluster.ts';
import { type ServerTlsMode, serverTlsMode } from './mutual-tls.ts';
import type { Sidecar, SidecarPart } from './sidecar.ts';
import { meshPorts } from './virtual-host.ts';

/** Where an application listens whose sidecar has its port at the address of the host. */
export const aloneWithSidecar = '127.0.0.1';

/** A port of a workload and what is known about it. */
export interface InboundPort {
  readonly port: number;
  readonly carriedAs: CarriedProtocol;
  /** Whether the application speaks HTTP/2 on it. */
  readonly http2: boolean;
  /** Whether browsers call it. */
  readonly grpcWeb: boolean;
  /** The service ports that lead to it. */
  readonly services: readonly { readonly service: MeshService; readonly servicePort: ServicePort }[];
}

/** Where callers come to the port's own number at the mesh address. */
export function translateInbound(sidecar: Sidecar): SidecarPart {
  const { pod, instance, index, node } = sidecar;
  if (instance === undefined) return { listeners: [], clusters: [] };
  const ports = inboundPorts(instance, index);
  const application = pod === undefined ? aloneWithSidecar : applicationAddress(pod);
  // Who registers himself says where others come to.
  const address = pod === undefined ? (node.addresses[0] ?? node.address) : node.address;
  return {
    listeners: ports.map((inbound) => inboundListener(inbound, { address, port: inbound.port }, sidecar)),
    clusters:
      application === undefined
        ? []
        : ports.map((port) => inboundCluster(describe(port), atAddress(application, port.port))),
  };
}

/** Declared ports and those that services lead to, in order. */
export function inboundPorts(instance: Instance, index: ResourceIndex): readonly InboundPort[] {
  const numbers = new Set(instance.declaredPorts);
  const behind: { port: number; service: MeshService; servicePort: ServicePort }[] = [];
  for (const service of servicesOf(instance, index)) {
    for (const servicePort of meshPorts(service)) {
      const port = instance.portOf(servicePort);
      if (port === undefined) continue;
      numbers.add(port);
      behind.push({ port, service, servicePort });
    }
  }
  return [...numbers]
    .sort((a, b) => a - b)
    .map((port) =>
      portTraits(
        port,
        behind.filter((one) => one.port === port),
      ),
    );
}

/** @param said what is known of it besides the service ports that lead to it */
export function portTraits(
  port: number,
  services: InboundPort['services'],
  said: readonly ServicePort[] = [],
): InboundPort {
  const told = [...services.map(({ servicePort }) => servicePort), ...said];
  const protocols = (told.length === 0 ? [{ port }] : told).map((one) => portProtocol(one));
  const isAny = (protocol: CarriedProtocol): boolean =>
    protocols.some(({ carriedAs }) => carriedAs === protocol);
  return {
    port,
    // Whoever says it wins over who does not.
    carriedAs: isAny('HTTP') ? 'HTTP' : isAny('TCP') ? 'TCP' : 'AUTO',
    http2: protocols.some(({ http2 }) => http2),
    grpcWeb: protocols.some(({ protocol }) => protocol === 'GRPC-WEB'),
    services,
  };
}

function servicesOf({ namespace, labels }: Instance, index: ResourceIndex): MeshService[] {
  return [...index.services.values()].filter(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      Object.keys(spec.selector).length > 0 &&
      selects(spec.selector, labels),
  );
}

/** What its cluster is to know. */
export function describe({ port, carriedAs, http2, services }: InboundPort): InboundClusterTraits {
  return {
    ...{ port, carriedAs, http2 },
    services: services.map(({ service }) => {
      const { name, namespace = '' } = service.metadata;
      return { host: serviceHost(service), name, namespace };
    }),
  };
}

/** @param where it is bound; which port of the application it is, policies know. */
export function inboundListener(
  inbound: InboundPort,
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
