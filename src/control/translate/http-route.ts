/** The HTTP routes of a VirtualService, as far as they concern one kind of caller -> Envoy routes. */
import type { HttpMatch } from '#model/http-match.ts';
import { type Labels, selects } from '#model/metadata.ts';
import type { HttpRoute, VirtualService } from '#model/virtual-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { configPath, filterMetadata } from './message.ts';
import type { ProxyNode } from './node.ts';
import { type RouteContext, type RouteInit, translateAction } from './route-action.ts';
import { routeFilters } from './route-filters.ts';
import { matchEverything, translateMatch } from './route-match.ts';

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
  const namespace = virtualService.metadata.namespace ?? '';
  const context: RouteContext = { index, namespace, port, client: caller.client };
  const concerns = (match: HttpMatch | undefined): boolean =>
    concernsCaller(match, virtualService, port, caller);
  // gRPC clients have no use for it.
  const metadata =
    caller.client === 'grpc'
      ? undefined
      : filterMetadata({ istio: { config: configPath('virtual-service', virtualService.metadata) } });
  return virtualService.spec.http.flatMap((route) => {
    const translated = translateAction(route, context);
    if (translated === undefined) return [];
    const action = {
      ...translated,
      ...routeFilters(route, virtualService.metadata.annotations, caller.client),
      ...(metadata !== undefined && { metadata }),
    };
    if (route.match.length === 0) {
      return concerns(undefined) ? [{ ...named(route.name), match: matchEverything, ...action }] : [];
    }
    return route.match
      .filter(concerns)
      .map((match) => ({ ...named(routeName(route, match)), match: translateMatch(match), ...action }));
  });
}

/** Gateways that a VirtualService is bound to, as `namespace/name` or `mesh`. */
export function gatewayNames(names: readonly string[], namespace: string): readonly string[] {
  return names.map((name) => (name === 'mesh' || name.includes('/') ? name : `${namespace}/${name}`));
}

function concernsCaller(
  match: HttpMatch | undefined,
  { metadata, spec }: VirtualService,
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

function named(name: string | undefined): Pick<RouteInit, 'name'> {
  return name === undefined ? {} : { name };
}

/** Istio's `ROUTE.MATCH`. */
function routeName({ name }: HttpRoute, match: HttpMatch): string | undefined {
  if (name === undefined || match.name === undefined) return name ?? match.name;
  return `${name}.${match.name}`;
}
