/** What the ingress gateway serves, and the line that a newcomer can type to see something. */
import { carriedBy, type Gateway, type GatewayServer, takesRequests } from '#model/gateway.ts';
import { routesOfIngresses } from '#model/ingress-routes.ts';
import type { Kind, Resource, ResourceByKind } from '#model/kinds.ts';
import { selects } from '#model/metadata.ts';
import type { VirtualService } from '#model/virtual-service.ts';
import type { GatewayPortPlan, MeshPlan } from './workload-plan.ts';

/** Labels of the ingress gateway: what Istio's own carries, and what `Gateway` documents select. */
export const ingressLabels = { app: 'istio-ingressgateway', istio: 'ingressgateway' } as const;
export const INGRESS_NAMESPACE = 'istio-system';
export const INGRESS_SERVICE_ACCOUNT = 'istio-ingressgateway';
/** Served when no `Gateway` is there yet. */
const DEFAULT_PORT = 80;

export function planIngress(
  resources: readonly Resource[],
): Pick<MeshPlan, 'gatewayPorts' | 'tryPath' | 'tryHost'> {
  const ofKind = <K extends Kind>(kind: K): ResourceByKind[K][] =>
    resources.filter((resource): resource is ResourceByKind[K] => resource.kind === kind);
  const made = routesOfIngresses(ofKind('Ingress'), ofKind('Service'));
  const gateways = [...ofKind('Gateway'), ...made.gateways];
  const ours = gateways.filter(({ spec }) => selects(spec.selector, ingressLabels));
  // Who says where it listens needs no port of this machine's choosing.
  const servers = ours.flatMap(({ spec }) => spec.servers).filter(({ bind = '' }) => bind === '');
  const numbers = [...new Set(servers.map(({ port }) => port.number))].sort((a, b) => a - b);
  const host = servers.filter(takesRequests).flatMap(({ hosts }) => hosts.map((one) => one.host));
  return {
    gatewayPorts: (numbers.length === 0 ? [DEFAULT_PORT] : numbers).map((number) => ({
      number,
      scheme: schemeOf(servers.filter(({ port }) => port.number === number)),
    })),
    tryPath: tryPath(ours, [...ofKind('VirtualService'), ...made.virtualServices]),
    ...tryHost(host),
  };
}

/** How people write that they want to go there. */
function schemeOf(servers: readonly GatewayServer[]): GatewayPortPlan['scheme'] {
  const carried = servers.map(({ port }) => carriedBy(port.protocol));
  if (carried.length === 0 || carried.some(({ http, tls }) => http && !tls)) return 'http';
  return carried.some(({ http }) => http) ? 'https' : 'tcp';
}

/** A path that the first route of the first bound VirtualService takes; `/` where it takes anything. */
function tryPath(gateways: readonly Gateway[], virtualServices: readonly VirtualService[]): string {
  const names = new Set(
    gateways.flatMap(({ metadata }) => [metadata.name, `${metadata.namespace}/${metadata.name}`]),
  );
  const bound = virtualServices.find(({ spec }) => spec.gateways.some((name) => names.has(name)));
  const uri = bound?.spec.http[0]?.match.find((match) => match.uri !== undefined)?.uri;
  return uri?.exact ?? uri?.prefix ?? '/';
}

/** The host to send where a gateway does not take any host. */
function tryHost(hosts: readonly string[]): { readonly tryHost?: string } {
  if (hosts.length === 0 || hosts.includes('*')) return {};
  return { tryHost: hosts[0]!.replace(/^\*/, 'www') };
}
