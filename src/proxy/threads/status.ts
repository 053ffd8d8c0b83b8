/** What several threads say of the same listeners and clusters, as one. */
import type { ClusterStatus, EndpointStatus, ListenerStatus } from '../contract.ts';

/** Each thread has every listener; the first one also has the paths. */
export function sumListeners(threads: readonly (readonly ListenerStatus[])[]): ListenerStatus[] {
  return sum(
    threads,
    ({ name, state, addresses }) => `${state} ${name} ${state === 'active' ? '' : addresses.join()}`,
    (one, other) => ({
      ...one,
      addresses: other.addresses.length > one.addresses.length ? other.addresses : one.addresses,
      activeConnections: one.activeConnections + other.activeConnections,
    }),
  );
}

export function sumClusters(threads: readonly (readonly ClusterStatus[])[]): ClusterStatus[] {
  return sum(
    threads,
    ({ name }) => name,
    (one, other) => ({
      ...one,
      endpoints: sum([one.endpoints, other.endpoints], ({ address }) => address, addEndpoints),
    }),
  );
}

function addEndpoints(one: EndpointStatus, other: EndpointStatus): EndpointStatus {
  const stats = { ...one.stats };
  for (const [name, value] of Object.entries(other.stats)) stats[name] = (stats[name] ?? 0) + value;
  return { ...one, stats };
}

/** One for each key, in the order of their first appearance. */
function sum<T>(lists: readonly (readonly T[])[], key: (of: T) => string, add: (one: T, other: T) => T): T[] {
  const found = new Map<string, T>();
  for (const of of lists.flat()) {
    const known = found.get(key(of));
    found.set(key(of), known === undefined ? of : add(known, of));
  }
  return [...found.values()];
}
