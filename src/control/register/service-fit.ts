/** Whether what an instance says of its ports is what a Service knows of its own. */
import type { ServicePort } from '#model/service.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ServiceRegistration } from '../translate/node-registration.ts';
import { servicePortOf } from '../translate/registered-port.ts';
import { meshPorts } from '../translate/virtual-host.ts';

/** Why it cannot be an instance of the service; undefined: it can. */
export function whyUnfit(
  { service: name, ports }: ServiceRegistration,
  service: MeshService,
): string | undefined {
  const { spec, metadata } = service;
  const called = `the Service ${metadata.namespace}/${name}`;
  if (spec.type === 'ExternalName')
    return `${called} is another name for ${spec.externalName}: it has no instances`;
  if (Object.keys(spec.selector).length === 0)
    return `${called} has no selector, so nothing can be its instance`;
  const known = meshPorts(service);
  const complaints = [
    ...ports
      .filter((port) => servicePortOf(port, known) === undefined)
      .map((port) => `no port ${port.name} (${port.number})`),
    ...known
      .filter((one) => !ports.some((port) => servicePortOf(port, known) === one))
      .map((one) => `a port ${textOf(one)} that is not registered`),
  ];
  if (complaints.length === 0) return undefined;
  return `${called} has ${complaints.join(' and ')}; its ports are ${known.map(textOf).join(', ')}`;
}

/** Ports of the entry of an instance, under the names by which the service finds them. */
export function entryPorts(
  { ports }: ServiceRegistration,
  service: MeshService | undefined,
): Readonly<Record<string, number>> {
  const known = service === undefined ? [] : meshPorts(service);
  return Object.fromEntries(
    ports.map((port) => {
      const found = servicePortOf(port, known);
      const target = found?.targetPort;
      return [typeof target === 'string' ? target : (found?.name ?? port.name), port.hostPort];
    }),
  );
}

function textOf({ name, port }: ServicePort): string {
  return name === undefined ? String(port) : `${name} (${port})`;
}
