/**
 * The names that the DNS of proxies answers, by the Kubernetes DNS specification: services by their address,
 * headless ones by the addresses of their instances, and each of these pods by a name of its own. Besides them the hosts
 * of ServiceEntries, by their addresses.
 */
import { create } from '@bufbuild/protobuf';
import type { ServicePort } from '#model/service.ts';
import {
  type NameTable,
  type NameTable_NameInfoSchema,
  type NameTable_PortSchema,
  NameTableSchema,
} from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import type { Instance } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { isEndpoint } from './endpoint.ts';
import type { Init } from './message.ts';

type NameInfo = Init<typeof NameTable_NameInfoSchema>;
type NamedPort = Init<typeof NameTable_PortSchema>;

/** Istio's names of what comes from Kubernetes' documents, and of what is from ServiceEntries. */
const REGISTRY = 'Kubernetes';
const EXTERNAL = 'External';

/** The same for all proxies: every service is seen from every namespace. */
export function translateNames(index: ResourceIndex): NameTable {
  const table: Record<string, NameInfo> = {};
  for (const [host, service] of index.services) {
    const { metadata, spec, entry } = service;
    const { name, namespace = '' } = metadata;
    const ips = [...index.addressesOf(host)];
    if (entry !== undefined) {
      // What has no address is where it is without the mesh, as others know it.
      if (ips.length > 0) table[host] = { registry: EXTERNAL, ips };
      continue;
    }
    const common = { registry: REGISTRY, shortname: name, namespace };
    const ports = spec.ports.map((port) => namedPort(port, port.port));
    if (spec.type === 'ExternalName') {
      if (spec.externalName !== undefined) table[host] = { ...common, externalName: spec.externalName };
    } else if (spec.clusterIP === 'None') {
      const instances = index.instancesOf(service).filter((instance) => isEndpoint(instance, service));
      table[host] = { ...common, ports, ips: [...new Set(instances.map(addressOf))] };
      for (const instance of instances) addInstance(table, host, service, instance);
    } else if (ips.length > 0) {
      table[host] = { ...common, ports, ips };
    }
  }
  return create(NameTableSchema, { table });
}

function addInstance(
  table: Record<string, NameInfo>,
  host: string,
  service: MeshService,
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
function instanceLabel(service: MeshService, instance: Instance): string {
  if (instance.governingService === service.metadata.name) return instance.name;
  return addressOf(instance).replaceAll(/[.:]/g, '-');
}

function addressOf({ address }: Instance): string {
  return address ?? '';
}

function namedPort({ name, protocol }: ServicePort, number: number): NamedPort {
  return { name: name ?? '', protocol: protocol.toLowerCase(), number };
}
