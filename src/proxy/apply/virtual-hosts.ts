/**
 * Virtual hosts that come one by one (VHDS): joined to the routes they belong to, and which of them requests have
 * asked for. They stay as long as the routes do, whatever versions of these come.
 */
import type { Problem } from '#core/problem.ts';
import type { VirtualHost } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { ResourceSource, Wanted } from '../resource-source.ts';
import type { WantedNames } from './interest.ts';

/** Envoy's `http.PREFIX.rds.vhds.ROUTES.*`; a path is without the last part. */
export interface HostCounts {
  count(path: string, event: 'config_reload' | 'update_attempt' | 'update_success' | 'update_rejected'): void;
  /** Nobody counts there any more. */
  forget(path: string): void;
}

const uncounted: HostCounts = { count() {}, forget() {} };

/** What one update says of one RouteConfiguration. */
export interface HostsUpdate {
  readonly version: string;
  readonly hosts: readonly VirtualHost[];
  /** Of resources, and the aliases of each, also of those that there are not. */
  readonly names: readonly string[];
  readonly removed: readonly string[];
}

/** What of it is new: the routes as they are to be. */
export interface JoinedHosts {
  readonly hosts: ReadonlyMap<string, VirtualHost>;
  readonly routes: RouteConfiguration;
}

interface HostedRoutes {
  /** The last accepted version, as its server gave it. */
  routes: RouteConfiguration;
  /** Undefined where that version knows of no others. */
  wanted: Wanted | undefined;
  /** By the names they call themselves (Envoy). */
  hosts: ReadonlyMap<string, VirtualHost>;
  /** Whether the routes may be in force: what there was at first has come, or was refused. */
  isAnswered: boolean;
  /** What requests have asked for, and of that what was answered since. */
  readonly demanded: Set<string>;
  readonly resolved: Set<string>;
  /** Answered, and not in force yet. */
  readonly news: Set<string>;
  readonly statsPath: string;
}

export class VirtualHosts {
  readonly #byRoutes = new Map<string, HostedRoutes>();
  readonly #counts: HostCounts;

  constructor(counts: HostCounts = uncounted) {
    this.#counts = counts;
  }

  /** A version of routes with the virtual hosts that have come for them. */
  join(key: string, routes: RouteConfiguration): RouteConfiguration {
    const hosts = this.#byRoutes.get(key)?.hosts;
    if (routes.vhds === undefined || hosts === undefined || hosts.size === 0) return routes;
    return joined(routes, hosts);
  }

  /**
   * A version of routes was accepted.
   *
   * @param inForce whether one before it serves: what has not come is not waited for then (Envoy)
   * @param countedBy `stat_prefix` of the connection manager that named them first
   */
  accept(
    key: string,
    routes: RouteConfiguration,
    wanted: Wanted | undefined,
    { inForce, countedBy }: { readonly inForce: boolean; readonly countedBy: string },
  ): void {
    const known = this.#byRoutes.get(key);
    if (known === undefined) {
      if (wanted === undefined) return;
      const statsPath = `http.${countedBy}.rds.vhds.${routes.name}`;
      this.#count(statsPath, 'update_attempt');
      this.#byRoutes.set(key, {
        ...{ routes, wanted, statsPath, hosts: new Map(), isAnswered: inForce },
        ...{ demanded: new Set(), resolved: new Set(), news: new Set() },
      });
      return;
    }
    known.routes = routes;
    if (known.wanted?.source.id !== wanted?.source.id) {
      known.demanded.clear();
      known.resolved.clear();
      known.isAnswered = inForce;
      this.#counts.forget(known.statsPath);
      if (wanted !== undefined) this.#count(known.statsPath, 'update_attempt');
    }
    known.wanted = wanted;
  }

  /** Keys of the routes of that name whose virtual hosts come from there. */
  keysOf(name: string, source: ResourceSource): string[] {
    return [...this.#byRoutes]
      .filter(([, { routes, wanted }]) => routes.name === name && wanted?.source.id === source.id)
      .map(([key]) => key);
  }

  /** What the routes become with it; undefined where nothing changes. Nothing does before `adopt`. */
  offer(key: string, { hosts, names, removed }: HostsUpdate): JoinedHosts | undefined {
    const known = this.#byRoutes.get(key);
    if (known === undefined) return undefined;
    known.isAnswered = true;
    this.#count(known.statsPath, 'update_attempt');
    const gone = removed.filter((name) => known.hosts.has(name));
    if (names.length === 0 && gone.length === 0) {
      this.#count(known.statsPath, 'update_success');
      return undefined;
    }
    const next = new Map(known.hosts);
    for (const name of gone) next.delete(name);
    for (const host of hosts) next.set(host.name, host);
    return { hosts: next, routes: joined(known.routes, next) };
  }

  adopt(key: string, { names }: HostsUpdate, { hosts }: JoinedHosts): void {
    const known = this.#byRoutes.get(key);
    if (known === undefined) return;
    known.hosts = hosts;
    for (const name of names) known.news.add(name);
    this.#count(known.statsPath, 'config_reload');
    this.#count(known.statsPath, 'update_success');
  }

  /** An update from there was refused: what waits for the first one waits no longer (Envoy). */
  refused(source: ResourceSource): void {
    for (const known of this.#byRoutes.values()) {
      if (known.wanted?.source.id !== source.id) continue;
      known.isAnswered = true;
      this.#count(known.statsPath, 'update_attempt');
      this.#count(known.statsPath, 'update_rejected');
    }
  }

  /** With whose mistakes they are: `problems` of joined routes by the names of the resources. */
  blame(key: string, problems: readonly Problem[], { hosts }: JoinedHosts): Problem[] {
    const first = this.#byRoutes.get(key)?.routes.virtualHosts.length ?? 0;
    const names = [...hosts.keys()];
    return problems.map((problem) => {
      const [, index = '', rest = ''] = /^virtual_hosts\[(\d+)\]\.?(.*)$/.exec(problem.path ?? '') ?? [];
      const name = index === '' ? undefined : names[Number(index) - first];
      return name === undefined ? problem : { ...problem, path: rest, resource: `VHDS ${name}` };
    });
  }

  /** @param wanted as routes in force or on their way there name it */
  hasAnswered({ key }: Wanted): boolean {
    return this.#byRoutes.get(key)?.isAnswered !== false;
  }

  addTo(names: WantedNames, wanted: Wanted): void {
    const known = this.#byRoutes.get(wanted.key);
    names.add(wanted);
    if (known === undefined || known.wanted?.source.id !== wanted.source.id) return;
    for (const host of known.demanded) names.add({ ...wanted, name: `${known.routes.name}/${host}` });
  }

  /**
   * A request waits for a host.
   *
   * @returns whether the server is asked; else there is nothing to wait for, as what it said once holds (Envoy)
   */
  demand(key: string, host: string): boolean {
    const known = this.#byRoutes.get(key);
    if (known?.wanted === undefined || known.resolved.has(host)) return false;
    this.#count(known.statsPath, 'update_attempt');
    known.demanded.add(host);
    return true;
  }

  /** The newest version is in force. @returns the hosts that were asked for, and are answered with it */
  takeNews(key: string): string[] {
    const known = this.#byRoutes.get(key);
    if (known === undefined || known.news.size === 0) return [];
    const start = `${known.routes.name}/`;
    const hosts = [...known.news]
      .filter((name) => name.startsWith(start))
      .map((name) => name.slice(start.length))
      .filter((host) => known.demanded.has(host));
    for (const host of hosts) known.resolved.add(host);
    known.news.clear();
    return hosts;
  }

  forget(key: string): void {
    const known = this.#byRoutes.get(key);
    if (known === undefined) return;
    this.#counts.forget(known.statsPath);
    this.#byRoutes.delete(key);
  }

  #count(path: string, event: Parameters<HostCounts['count']>[1]): void {
    this.#counts.count(path, event);
  }
}

function joined(routes: RouteConfiguration, hosts: ReadonlyMap<string, VirtualHost>): RouteConfiguration {
  return { ...routes, virtualHosts: [...routes.virtualHosts, ...hosts.values()] };
}
