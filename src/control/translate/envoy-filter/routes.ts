/** Patches of a route table, its virtual hosts and their routes. */
import {
  type Route,
  RouteSchema,
  type VirtualHost,
  VirtualHostSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { copyOf, type Edit, mergePatch } from './edit.ts';
import { patchObjects } from './list.ts';
import { routeMatches, routeTableMatches, virtualHostMatches } from './match.ts';

/** @param table changed */
export function patchRouteTable(table: RouteConfiguration, edit: Edit): void {
  const patches = edit.patches.filter((patch) => routeTableMatches(patch, edit.context, table));
  for (const patch of patches) {
    if (patch.applyTo !== 'ROUTE_CONFIGURATION') continue;
    mergePatch(RouteConfigurationSchema, table, patch);
    edit.applied.add(patch);
  }
  table.virtualHosts = patchObjects<VirtualHost>(table.virtualHosts, {
    edit,
    patches: patches.filter(({ applyTo }) => applyTo === 'VIRTUAL_HOST'),
    matches: (patch, host) => virtualHostMatches(patch, host),
    names: ({ match }) => match.routeConfiguration?.vhost !== undefined,
    merge: (host, patch) => mergePatch(VirtualHostSchema, host, patch),
    valueOf: (patch) => copyOf(VirtualHostSchema, patch),
    inside: (host) => patchRoutes(host, { ...edit, patches }),
  });
}

function patchRoutes(host: VirtualHost, edit: Edit): void {
  host.routes = patchObjects<Route>(host.routes, {
    edit,
    patches: edit.patches.filter(
      (patch) => patch.applyTo === 'HTTP_ROUTE' && virtualHostMatches(patch, host),
    ),
    matches: (patch, route) => routeMatches(patch, route),
    names: ({ match }) => match.routeConfiguration?.vhost?.route !== undefined,
    merge: (route, patch) => mergePatch(RouteSchema, route, patch),
    valueOf: (patch) => copyOf(RouteSchema, patch),
  });
}
