/**
 * Routes for clients that get virtual hosts one by one (VHDS): what a VirtualService changes is then one resource, and
 * not a table with all hosts of a port.
 */
import { create } from '@bufbuild/protobuf';
import { type VirtualHost, VirtualHostSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { fromAds } from './message.ts';

export interface SplitRoutes {
  readonly routes: readonly RouteConfiguration[];
  /** Named `ROUTES/NAME`, as resources and by their own account: Envoy removes one by the name it calls itself. */
  readonly virtualHosts: readonly VirtualHost[];
}

const splitOf = new WeakMap<readonly RouteConfiguration[], SplitRoutes>();
const partsOf = new WeakMap<RouteConfiguration, SplitTable>();
const namedOf = new WeakMap<VirtualHost, VirtualHost>();

/** One of them. */
interface SplitTable {
  readonly rest: RouteConfiguration;
  readonly virtualHosts: readonly VirtualHost[];
}

/** The same result for the same list; hosts that are the same message before are so after. */
export function splitRoutes(all: readonly RouteConfiguration[]): SplitRoutes {
  const known = splitOf.get(all);
  if (known !== undefined) return known;
  const tables = all.map(splitTable);
  const made: SplitRoutes = {
    routes: tables.map(({ rest }) => rest),
    virtualHosts: tables.flatMap(({ virtualHosts }) => virtualHosts),
  };
  splitOf.set(all, made);
  return made;
}

/** Routes as they were before {@link splitRoutes}. */
export function joinRoutes(routes: RouteConfiguration, hosts: readonly VirtualHost[]): RouteConfiguration {
  const prefix = `${routes.name}/`;
  const own = hosts
    .filter(({ name }) => name.startsWith(prefix))
    .map((host) => renamed(host, host.name.slice(prefix.length)));
  const { $typeName: _, vhds: __, ...rest } = routes;
  return create(RouteConfigurationSchema, { ...rest, virtualHosts: [...own, ...routes.virtualHosts] });
}

/**
 * What takes every host stays where it is: it seldom changes, and requests have an answer before the rest has come. A
 * slash would make another namespace of the name.
 */
function isApart({ name, domains }: VirtualHost): boolean {
  return !domains.includes('*') && !name.includes('/');
}

function hostsApart({ name, virtualHosts }: RouteConfiguration): readonly VirtualHost[] {
  if (name === '' || name.includes('/')) return [];
  const apart = virtualHosts.filter(isApart);
  return new Set(apart.map((host) => host.name)).size === apart.length ? apart : [];
}

function splitTable(routes: RouteConfiguration): SplitTable {
  const known = partsOf.get(routes);
  if (known !== undefined) return known;
  const apart = hostsApart(routes);
  const parts: SplitTable = {
    rest: apart.length === 0 ? routes : withoutHosts(routes, new Set(apart)),
    virtualHosts: apart.map((host) => named(host, routes.name)),
  };
  partsOf.set(routes, parts);
  return parts;
}

function withoutHosts(routes: RouteConfiguration, apart: ReadonlySet<VirtualHost>): RouteConfiguration {
  const { $typeName: _, ...fields } = routes;
  return create(RouteConfigurationSchema, {
    ...fields,
    virtualHosts: routes.virtualHosts.filter((host) => !apart.has(host)),
    vhds: { configSource: fromAds },
  });
}

function named(host: VirtualHost, routes: string): VirtualHost {
  const name = `${routes}/${host.name}`;
  const known = namedOf.get(host);
  if (known?.name === name) return known;
  const made = renamed(host, name);
  namedOf.set(host, made);
  return made;
}

function renamed({ $typeName: _, ...fields }: VirtualHost, name: string): VirtualHost {
  return create(VirtualHostSchema, { ...fields, name });
}
