/** What the `tls` and `tcp` routes of VirtualServices have in common: where connections go that nobody looks into. */
import type { ConnectionDestination } from '#model/connection-match.ts';
import type { VirtualService } from '#model/virtual-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import type { ConnectionTarget } from './listener.ts';
import { destinationCluster } from './route-action.ts';

/** Connections that a route takes, and where to. */
export interface ConnectionRule {
  /** Names of a ClientHello, any of them; empty: every one. */
  readonly sniHosts: readonly string[];
  /** Empty: whatever address was called. */
  readonly destinationSubnets: readonly string[];
  readonly target: ConnectionTarget;
}

/** @param port that was called. Without a destination of any weight it is nowhere. */
export function connectionTarget(
  route: readonly ConnectionDestination[],
  { metadata }: VirtualService,
  port: number,
  index: ResourceIndex,
): ConnectionTarget | undefined {
  const { namespace = '', name } = metadata;
  const weighted = route.length > 1 ? route.filter(({ weight }) => weight > 0) : route;
  const clusters = weighted.map(({ destination, weight }) => ({
    name: destinationCluster(destination, { index, namespace, port }),
    weight,
  }));
  const [only, ...others] = clusters;
  if (only === undefined) return undefined;
  return { statPrefix: others.length === 0 ? only.name : `${name}.${namespace}`, clusters };
}

export function prefixRanges(
  subnets: readonly string[],
): { readonly addressPrefix: string; readonly prefixLen: number }[] {
  return subnets.map((subnet) => {
    const [addressPrefix = '', bits] = subnet.split('/');
    const length = bits === undefined ? (addressPrefix.includes(':') ? 128 : 32) : Number(bits);
    return { addressPrefix, prefixLen: length };
  });
}

/** The condition of a rule on connections; `*` is every name, and asks for none. */
export function serverNames(sniHosts: readonly string[]): string[] {
  return sniHosts.includes('*') ? [] : sniHosts.map((host) => host.toLowerCase());
}
