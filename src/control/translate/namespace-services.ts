/** Services by their namespaces: what is made of those of one namespace stays when another's change. */
import { isSameList } from '#core/same-list.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { asked } from './kept.ts';

export interface NamespaceServices {
  /** Tells it from the others of one state: a namespace may come twice, as ServiceEntries are behind Services. */
  readonly name: string;
  readonly services: readonly MeshService[];
  /** Full names of the services. */
  readonly hosts: readonly string[];
}

/** In the order of all services; what is as it was is the same object as in the state before. */
export function namespacesOf(index: ResourceIndex): readonly NamespaceServices[] {
  return asked(index, 'services of namespaces', ['services'], ({ derived, services }) =>
    derived.value<readonly NamespaceServices[]>('services of namespaces', [services], (before = []) => {
      const known = new Map(before.map((one) => [one.name, one]));
      return inNamespaces(services).map((one) => {
        const same = known.get(one.name);
        return same !== undefined && isSameList(same.services, one.services) ? same : one;
      });
    }),
  );
}

function inNamespaces(all: ResourceIndex['services']): readonly NamespaceServices[] {
  const found: { name: string; services: MeshService[]; hosts: string[] }[] = [];
  for (const [host, service] of all) {
    const kind = service.entry === undefined ? 'of' : 'entered in';
    const name = `${kind} ${service.metadata.namespace}`;
    const last = found.at(-1);
    if (last?.name === name) {
      last.services.push(service);
      last.hosts.push(host);
    } else found.push({ name, services: [service], hosts: [host] });
  }
  return found;
}
