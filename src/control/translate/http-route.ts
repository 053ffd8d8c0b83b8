/** The HTTP routes of a VirtualService, as far as they concern one kind of caller -> Envoy routes. */
import type { HttpMatch } from '#model/http-match.ts';
import type { HttpRoute } from '#model/http-route.ts';
import { type Labels, selects } from '#model/metadata.ts';
import { gatewayNames, type VirtualService } from '#model/virtual-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { withHashPolicy } from './hash-policy.ts';
import { hedged } from './hedging.ts';
import { configPath, filterMetadata } from './message.ts';
import type { ProxyNode } from './node.ts';
import { type RouteContext, type RouteInit, translateAction } from './route-action.ts';
import { routeFilters } from './route-filters.ts';
import { matchEverything, translateMatch } from './route-match.ts';
import { withStickyWeights } from './sticky-weights.ts';

/** Who calls: matches on the caller are decided here and not at run time. */
export interface Caller {
  /** `mesh` for a sidecar; `namespace/name` of the Gateways that a gateway serves on this port. */
  readonly gateways: ReadonlySet<string>;
  readonly namespace: string;
  readonly labels: Labels;
  readonly client: ProxyNode['client'];
  /** Whether it calls services by their addresses and knows nothing of a proxy. */
  readonly captured?: boolean;
}

export function translateHttpRoutes(
  virtualService: VirtualService,
  port: number,
  caller: Caller,
  index: ResourceIndex,
): RouteInit[] {
  const concerns = (match: HttpMatch | undefined): boolean =>
    concernsCaller(match, virtualService, port, caller) && isOfGateway(match, caller);
  const { client } = caller;
  // gRPC clients have no use for it.
  const metadata =
    client === 'grpc'
      ? undefined
      : filterMetadata({ istio: { config: configPath('virtual-service', virtualService.metadata) } });
  return virtualService.spec.http.flatMap((route): RouteInit[] => {
    const { namespace = '', annotations } = route.owner ?? virtualService.metadata;
    const context: RouteContext = { index, namespace, port, client };
    const translated = translateAction(route, context);
    if (translated === undefined) return [];
    const action = {
      ...translated,
      ...routeFilters(route, annotations, client),
      ...(metadata !== undefined && { metadata }),
    };
    if (route.match.length === 0) {
      if (!concerns(undefined)) return [];
      const one: RouteInit = { ...named(route.name), match: matchEverything, ...action };
      return [withStickyWeights(withHashPolicy(one, caller, index), annotations, client)];
    }
    return route.match.filter(concerns).map((match) =>
      withHashPolicy(
        {
          ...named(routeName(route, match)),
          match: translateMatch(match),
          ...(match.statPrefix !== undefined && client !== 'grpc' && { statPrefix: match.statPrefix }),
          ...action,
        },
        caller,
        index,
      ),
    );
  });
}

/**
 * Routes of several VirtualServices for one host: those of each in their order, but what takes every request, and all
 * that stands behind it, comes after the routes of the others that ask for something.
 */
export function joinRoutes(
  parts: readonly (readonly RouteInit[])[],
  caller: Caller,
  index: ResourceIndex,
): RouteInit[] {
  const split = parts.map((routes) => {
    const all = routes.findIndex(({ match }) => isCatchAll(match));
    return all < 0 ? { asking: routes, rest: [] } : { asking: routes.slice(0, all), rest: routes.slice(all) };
  });
  const joined = [...split.flatMap(({ asking }) => asking), ...split.flatMap(({ rest }) => rest)];
  return joined.flatMap((route) => hedged(route, caller, index));
}

/** Whether it takes every request. */
export function isCatchAll(match: RouteInit['match']): boolean {
  if (match?.pathSpecifier?.case !== 'prefix' || match.pathSpecifier.value !== '/') return false;
  return (match.headers ?? []).length === 0 && (match.queryParameters ?? []).length === 0;
}

/** Whether a condition holds for connections and requests of the caller to the port, as far as that is known before. */
export function concernsCaller(
  match: Pick<HttpMatch, 'gateways' | 'port' | 'sourceNamespace' | 'sourceLabels'> | undefined,
  { metadata, spec }: Pick<VirtualService, 'metadata' | 'spec'>,
  port: number,
  caller: Caller,
): boolean {
  const names = gatewayNames(match?.gateways ?? spec.gateways, metadata.namespace ?? '');
  if (!names.some((name) => caller.gateways.has(name))) return false;
  if (match === undefined) return true;
  if (match.port !== undefined && match.port !== port) return false;
  // Labels and namespace of the caller are not known of what comes in through a gateway.
  if (!caller.gateways.has('mesh')) return true;
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== caller.namespace) return false;
  return selects(match.sourceLabels, caller.labels);
}

/** Without gateways of its own, a match asks for labels and namespace of the gateway itself, as of any proxy (Istio). */
function isOfGateway(match: HttpMatch | undefined, { gateways, namespace, labels }: Caller): boolean {
  if (match === undefined || match.gateways !== undefined || gateways.has('mesh')) return true;
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== namespace) return false;
  return selects(match.sourceLabels, labels);
}

function named(name: string | undefined): Pick<RouteInit, 'name'> {
  return name === undefined ? {} : { name };
}

/** Istio's `ROUTE.MATCH`. */
function routeName({ name }: HttpRoute, match: HttpMatch): string | undefined {
  if (name === undefined || match.name === undefined) return name ?? match.name;
  return `${name}.${match.name}`;
}
