/** What applications are told of services, and on which port of its sidecar each finds a TCP service. */
import { serviceAddresses } from '#control/store/service-addresses.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { Service, ServicePort } from '#model/service.ts';
import type { ServicePortPlan } from './workload-plan.ts';

/** First port for TCP services whose own number is not free on the mesh address. */
const FIRST_ASSIGNED_PORT = 21_000;
/** The mesh's own ports (Istio's): 15000-15090, 15443; nothing else is put among them. */
const isMeshPort = (port: number): boolean => (port >= 15_000 && port <= 15_100) || port === 15_443;

/** TCP ports of all services, in order of the documents. */
export function planServices(services: readonly Service[]): readonly ServicePortPlan[] {
  const byHost = new Map(
    services.map((service) => [
      serviceHost({ service: service.metadata.name, namespace: service.metadata.namespace ?? 'default' }),
      service,
    ]),
  );
  const addresses = serviceAddresses(byHost);
  return [...byHost].flatMap(([host, { metadata, spec }]) =>
    spec.ports
      .filter(({ protocol }) => protocol === 'TCP')
      .map((port) => ({
        service: metadata.name,
        namespace: metadata.namespace ?? 'default',
        ...(port.name !== undefined && { name: port.name }),
        port: port.port,
        ...(addresses.has(host) && { address: addresses.get(host)![0]! }),
        http: goesByProxyVariables(port),
      })),
  );
}

/** HTTP/2 has a port of its own as TCP has: not every client of gRPC heeds the proxy variables. */
function goesByProxyVariables(port: ServicePort): boolean {
  const { carriedAs, http2 } = portProtocol(port);
  return carriedAs === 'HTTP' && !http2;
}

/** `db.default.svc.cluster.local` */
export function serviceHost({ service, namespace }: Pick<ServicePortPlan, 'service' | 'namespace'>): string {
  return `${service}.${namespace}.svc.cluster.local`;
}

/** Key of a service's port: `db.default.svc.cluster.local:5432`. */
export function servicePortKey(port: ServicePortPlan): string {
  return `${serviceHost(port)}:${port.port}`;
}

/**
 * The port on an instance's mesh address for each TCP service: its own number where that is free,
 * so that `DB_SERVICE_PORT` is what people expect; else the next from 21000 on.
 *
 * @param taken ports of the instance's own containers
 */
export function assignServicePorts(
  services: readonly ServicePortPlan[],
  taken: readonly number[],
  lowestPort: number,
): ReadonlyMap<string, number> {
  const used = new Set(taken);
  const assigned = new Map<string, number>();
  const waiting: ServicePortPlan[] = [];
  for (const service of services.filter(({ http }) => !http)) {
    const { port } = service;
    if (used.has(port) || isMeshPort(port) || port < lowestPort) {
      waiting.push(service);
      continue;
    }
    used.add(port);
    assigned.set(servicePortKey(service), port);
  }
  let next = FIRST_ASSIGNED_PORT;
  for (const service of waiting) {
    while (used.has(next)) next++;
    used.add(next);
    assigned.set(servicePortKey(service), next);
  }
  return assigned;
}
