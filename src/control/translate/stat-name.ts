/** Names of clusters in metrics by Istio's patterns (`inboundClusterStatName`, `outboundClusterStatName`). */
import { type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { OutboundTarget } from './cluster.ts';
import type { InboundPort } from './inbound-ports.ts';

export function outboundName(pattern: string, { service, port, subset }: OutboundTarget): string {
  return filled(pattern, {
    ...namesOf(service),
    SUBSET_NAME: subset?.name ?? '',
    SERVICE_PORT: String(port.port),
    SERVICE_PORT_NAME: port.name ?? '',
    TARGET_PORT: String(port.targetPort ?? port.port),
  });
}

/** @param first undefined: no service leads to the port */
export function inboundName(
  pattern: string,
  port: number,
  first: InboundPort['services'][number] | undefined,
): string {
  return filled(pattern, {
    ...(first === undefined ? { SERVICE: '', SERVICE_NAME: '', SERVICE_FQDN: '' } : namesOf(first.service)),
    SUBSET_NAME: '',
    SERVICE_PORT: String(first?.servicePort.port ?? port),
    SERVICE_PORT_NAME: first?.servicePort.name ?? '',
    TARGET_PORT: String(port),
  });
}

function namesOf(service: MeshService): Readonly<Record<string, string>> {
  const { name, namespace } = service.metadata;
  const host = serviceHost(service);
  const short = service.entry === undefined ? `${name}.${namespace}` : host;
  return { SERVICE: short, SERVICE_NAME: name, SERVICE_FQDN: host };
}

function filled(pattern: string, values: Readonly<Record<string, string>>): string {
  return pattern.replaceAll(/%([A-Z_]+)%/g, (written, name: string) => values[name] ?? written);
}
