/** A data path that only notes what it was told, for tests of what configures it. */
import type { Parsed, Problem } from '#core/problem.ts';
import { oneStep } from '#core/time-slice.ts';
import type { DataPath, Dependencies, Prepared } from '#proxy/contract.ts';
import { fromAds } from '#proxy/resource-source.ts';
import { type Cluster, Cluster_DiscoveryType } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';

export interface FakeDataPath extends DataPath {
  /** In order, such as `install cluster a`. */
  readonly events: string[];
  /** What listeners need, by their name. */
  readonly needs: Map<string, Partial<Dependencies>>;
  /** Names that are refused. */
  readonly refused: Set<string>;
  /** Names whose next installation fails. */
  readonly failing: Set<string>;
}

const nothing: Dependencies = { routes: [], endpoints: [], secrets: [], extensions: [] };

export function fakeDataPath(): FakeDataPath {
  const events: string[] = [];
  const needs = new Map<string, Partial<Dependencies>>();
  const refused = new Set<string>();
  const failing = new Set<string>();

  function prepared(kind: string, name: string, dependencies: Partial<Dependencies>): Parsed<Prepared> {
    const bad: Problem = { level: 'error', path: 'name', message: 'refused by the test' };
    if (refused.has(name)) return { ok: false, problems: [bad] };
    const value: Prepared = {
      name,
      dependencies: { ...nothing, ...dependencies },
      async install(): Promise<void> {
        if (failing.delete(name)) throw new Error('address in use');
        events.push(`install ${kind} ${name}`);
      },
    };
    return { ok: true, value, problems: [] };
  }

  return {
    events,
    needs,
    refused,
    failing,
    prepareCluster: (cluster) => oneStep(() => prepared('cluster', cluster.name, clusterNeeds(cluster))),
    prepareListener: ({ name }) => oneStep(() => prepared('listener', name, needs.get(name) ?? {})),
    prepareRoutes: ({ name }) => oneStep(() => prepared('routes', name, {})),
    setEndpoints: ({ clusterName }) =>
      oneStep((): readonly Problem[] => {
        events.push(`endpoints ${clusterName}`);
        return [];
      }),
    setExtension: (key, config) => void events.push(`extension ${key} ${config?.typeUrl ?? 'removed'}`),
    answerHosts: (routes, hosts) => void events.push(`answer ${routes} ${hosts.join()}`),
    forgetExtension: (key) => void events.push(`forget extension ${key}`),
    forgetEndpoints: (name) => void events.push(`forget endpoints ${name}`),
    removeCluster: (name) => oneStep(() => void events.push(`remove cluster ${name}`)),
    setUnhealthy: (unhealthy) => void events.push(`unhealthy ${unhealthy}`),
    async removeListener(name): Promise<void> {
      events.push(`remove listener ${name}`);
    },
    removeRoutes: (name) => void events.push(`remove routes ${name}`),
    openSockets: () => [],
    leavePaths: () => void events.push('leave paths'),
    async stopListeners(): Promise<void> {},
    async drain(): Promise<void> {
      events.push('drain');
    },
    async close(): Promise<void> {},
    listeners: () => [],
    clusters: () => [],
  };
}

function clusterNeeds({ name, clusterDiscoveryType: type }: Cluster): Partial<Dependencies> {
  return type.case === 'type' && type.value === Cluster_DiscoveryType.EDS
    ? { endpoints: [fromAds(name)] }
    : {};
}
