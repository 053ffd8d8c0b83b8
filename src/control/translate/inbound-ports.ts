/** The ports of a workload that callers may come to, by what its Pod and its services say. */
import { selects } from '#model/metadata.ts';
import { type CarriedProtocol, portProtocol } from '#model/port-protocol.ts';
import type { ServicePort } from '#model/service.ts';
import type { Instance } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { meshPorts } from './virtual-host.ts';

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

/** Declared ports and those that services lead to, in order. */
export function inboundPorts(instance: Instance, index: ResourceIndex): readonly InboundPort[] {
  const numbers = new Set(instance.declaredPorts);
  const behind: { port: number; service: MeshService; servicePort: ServicePort }[] = [];
  for (const { service, there } of servicesOf(instance, index)) {
    for (const servicePort of meshPorts(service)) {
      const port = there.portOf(servicePort);
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

/** `there`: as the service knows it, whose slices may say otherwise where it has a port. */
function servicesOf(
  instance: Instance,
  index: ResourceIndex,
): readonly { readonly service: MeshService; readonly there: Instance }[] {
  const { name, namespace, labels } = instance;
  return [...index.services.values()].flatMap((service) => {
    const { metadata, spec } = service;
    if (metadata.namespace !== namespace) return [];
    if (Object.keys(spec.selector).length > 0)
      return selects(spec.selector, labels) ? [{ service, there: instance }] : [];
    const there = index.instancesOf(service).find((one) => one.name === name);
    return there === undefined ? [] : [{ service, there }];
  });
}
