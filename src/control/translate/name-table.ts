/**
 * The names that the DNS of proxies answers, by the Kubernetes DNS specification: services by their address,
 * headless ones by the addresses of their instances, and each of these pods by a name of its own.
 */
import { create } from '@bufbuild/protobuf';
import type { Service, ServicePort } from '#model/service.ts';
import {
  type NameTable,
  type NameTable_NameInfoSchema,
  type NameTable_PortSchema,
  NameTableSchema,
} from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import type { Instance } from '../store/instance.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { isEndpoint } from './endpoint.ts';
import type { Init } from './message.ts';

type NameInfo = Init<typeof NameTable_NameInfoSchema>;
type NamedPort = Init<typeof NameTable_PortSchema>;

/** Istio's name of what comes from Kubernetes' documents. */
const REGISTRY = 'Kubernetes';

/** The same for all proxies: every service is seen from every namespace. */
export function translateNames(index: ResourceIndex): NameTable {
  const table: Record<string, NameInfo> = {};
  for (const [host, service] of index.services) {
    const { metadata, spec } = service;
    const { name, namespace = '' } = metadata;
    const common = { registry: REGISTRY, shortname: name, namespace };
    const ports = spec.ports.map((port) => namedPort(port, port.port));
    if (spec.type === 'ExternalName') {
      if (spec.externalName !== undefined) table[host] = { ...common, externalName: spec.externalName };
    } else if (spec.clusterIP === 'None') {
      const instances = index.instancesOf(service).filter((instance) => isEndpoint(instance, service));
      table[host] = { ...common, ports, ips: [...new Set(instances.map(addressOf))] };
      for (const instance of instances) addInstance(table, host, service, instance);
    } else {
      const address = index.addressOf(host);
      if (address !== undefined) table[host] = { ...common, ports, ips: [address] };
    }
  }
  return create(NameTableSchema, { table });
}

function addInstance(
  table: Record<string, NameInfo>,
  host: string,
  service: Service,
  instance: Instance,
): void {
  const { name, namespace = '' } = service.metadata;
  const label = instanceLabel(service, instance);
  const ports = service.spec.ports.flatMap((port): NamedPort[] => {
    const target = instance.portOf(port);
    return target === undefined ? [] : [namedPort(port, target)];
  });
  table[`${label}.${host}`] = {
    registry: REGISTRY,
    shortname: `${label}.${name}`,
    namespace,
    ports,
    ips: [addressOf(instance)],
  };
}

/** `db-0` of the StatefulSet that is named after the service; of others the address, as CoreDNS writes it. */
function instanceLabel(service: Service, instance: Instance): string {
  if (instance.governingService === service.metadata.name) return instance.name;
  return addressOf(instance).replaceAll(/[.:]/g, '-');
}

function addressOf({ address }: Instance): string {
  return address ?? '';
}

function namedPort({ name, protocol }: ServicePort, number: number): NamedPort {
  return { name: name ?? '', protocol: protocol.toLowerCase(), number };
}
