/** What several threads say of the same listeners and clusters, as one. */
import type { ClusterStatus, EndpointStatus, ListenerStatus } from '../contract.ts';
import type { ListedCluster } from './message.ts';

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

/** @param threads what each listed, in its order. */
export function sumClusters(threads: readonly (readonly ListedCluster[])[]): ListedCluster[] {
  return sum(
    threads.map(joined),
    ({ name }) => name,
    (one, other) => ({
      ...one,
      endpoints: sum([one.endpoints, other.endpoints], ({ address }) => address, addEndpoints),
    }),
  );
}

/** The parts of each cluster as one. */
function joined(parts: readonly ListedCluster[]): ListedCluster[] {
  const clusters: ListedCluster[] = [];
  for (const part of parts) {
    const last = clusters.at(-1);
    if (last?.name === part.name) last.endpoints.push(...part.endpoints);
    else clusters.push({ ...part, endpoints: [...part.endpoints] });
  }
  return clusters;
}

/** What an answer to the main thread may hold: some hundred microseconds of work. */
const CLUSTERS_A_PAGE = 64;
const ENDPOINTS_A_PAGE = 128;

export function* clusterPages(
  clusters: Iterable<ClusterStatus>,
): Generator<ListedCluster[], void, undefined> {
  let page: ListedCluster[] = [];
  let left = ENDPOINTS_A_PAGE;
  for (const cluster of clusters) {
    let listed: ListedCluster = { ...cluster, endpoints: [] };
    page.push(listed);
    for (const endpoint of cluster.endpoints) {
      if (left-- === 0) {
        yield page;
        listed = { ...listed, endpoints: [] };
        page = [listed];
        left = ENDPOINTS_A_PAGE;
      }
      listed.endpoints.push(endpoint);
    }
    if (page.length < CLUSTERS_A_PAGE) continue;
    yield page;
    page = [];
    left = ENDPOINTS_A_PAGE;
  }
  if (page.length > 0) yield page;
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
