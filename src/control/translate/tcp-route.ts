/** The `tcp` routes of VirtualServices, as far as they concern one kind of caller. */
import type { VirtualService } from '#model/virtual-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type ConnectionRule, connectionTarget } from './connection-route.ts';
import { type Caller, concernsCaller } from './http-route.ts';

/**
 * In their order, up to the first that takes connections to any address: that is the last.
 *
 * @param virtualServices of one host, or of all that a gateway serves on the port
 */
export function tcpRules(
  virtualServices: readonly VirtualService[],
  port: number,
  caller: Caller,
  index: ResourceIndex,
): readonly ConnectionRule[] {
  const rules: ConnectionRule[] = [];
  for (const virtualService of virtualServices) {
    for (const { match, route } of virtualService.spec.tcp) {
      const concerning = match.filter((one) => concernsCaller(one, virtualService, port, caller));
      const takesAll = match.length === 0 && concernsCaller(undefined, virtualService, port, caller);
      const target = connectionTarget(route, virtualService, port, index);
      if (target === undefined || (concerning.length === 0 && !takesAll)) continue;
      // Conditions of one route go to the same place: one that asks for no address makes the others idle (Istio).
      const isLast = takesAll || concerning.some(({ destinationSubnets }) => destinationSubnets.length === 0);
      const destinationSubnets = isLast ? [] : concerning.flatMap((one) => one.destinationSubnets);
      rules.push({ sniHosts: [], destinationSubnets, target });
      if (isLast) return rules;
    }
  }
  return rules;
}
