/**
 * The names that the DNS of proxies answers, by the Kubernetes DNS specification: services by their address,
 * headless ones by the addresses of their pods, and each of these pods by a name of its own.
 */
import { create } from '@bufbuild/protobuf';
import type { Pod } from '#model/pod.ts';
import type { Service, ServicePort } from '#model/service.ts';
import {
  type NameTable,
  type NameTable_NameInfoSchema,
  type NameTable_PortSchema,
  NameTableSchema,
} from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { isEndpoint, targetPortOf } from './endpoint.ts';
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
      const pods = index.podsOf(service).filter((pod) => isEndpoint(pod, service));
      table[host] = { ...common, ports, ips: [...new Set(pods.map(addressOf))] };
      for (const pod of pods) addInstance(table, host, service, pod, index);
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
  pod: Pod,
  index: ResourceIndex,
): void {
  const { name, namespace = '' } = service.metadata;
  const label = instanceLabel(service, pod, index);
  const ports = service.spec.ports.flatMap((port): NamedPort[] => {
    const target = targetPortOf(pod, port);
    return target === undefined ? [] : [namedPort(port, target)];
  });
  table[`${label}.${host}`] = {
    registry: REGISTRY,
    shortname: `${label}.${name}`,
    namespace,
    ports,
    ips: [addressOf(pod)],
  };
}

/** `db-0` of the StatefulSet that is named after the service; of others the address, as CoreDNS writes it. */
function instanceLabel(service: Service, pod: Pod, index: ResourceIndex): string {
  const owner = index.ownerOf(pod);
  if (owner?.kind === 'StatefulSet' && owner.spec.serviceName === service.metadata.name)
    return pod.metadata.name;
  return addressOf(pod).replaceAll(/[.:]/g, '-');
}

function addressOf(pod: Pod): string {
  return pod.status.podIP ?? '';
}

function namedPort({ name, protocol }: ServicePort, number: number): NamedPort {
  return { name: name ?? '', protocol: protocol.toLowerCase(), number };
}
