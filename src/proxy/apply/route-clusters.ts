/**
 * The clusters that route tables inside static listeners name: in a file a name without a cluster is
 * a mistake (`validate_clusters`, on for such tables), over xDS the cluster may come later.
 */
import type { Problem } from '#core/problem.ts';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { Route } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { inlineRoutes } from '../route/inline-routes.ts';

/** Routes of `listener` to clusters that `known` lacks. */
export function unknownClusters(listener: Listener, known: ReadonlySet<string>): Problem[] {
  return inlineRoutes(listener).flatMap(({ routes, path }) => {
    if (routes.validateClusters === false) return [];
    return routes.virtualHosts.flatMap((host, h) =>
      host.routes.flatMap((route, r) =>
        clustersOf(route)
          .filter(({ name }) => name !== '' && !known.has(name))
          .map(({ name, at }): Problem => {
            const inside = `${path}.virtual_hosts[${h}].routes[${r}].${at}`;
            return { level: 'error', path: inside, message: `unknown cluster "${name}"` };
          }),
      ),
    );
  });
}

function clustersOf({ action }: Route): { readonly name: string; readonly at: string }[] {
  if (action.case !== 'route') return [];
  const { clusterSpecifier } = action.value;
  switch (clusterSpecifier.case) {
    case 'cluster':
      return [{ name: clusterSpecifier.value, at: 'route.cluster' }];
    case 'weightedClusters':
      return clusterSpecifier.value.clusters.map(({ name }, i) => ({
        name,
        at: `route.weighted_clusters.clusters[${i}].name`,
      }));
    default:
      return [];
  }
}
