/** The `tls` routes of VirtualServices, as far as they concern one kind of caller. */
import type { VirtualService } from '#model/virtual-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type ConnectionRule, connectionTarget } from './connection-route.ts';
import { type Caller, concernsCaller } from './http-route.ts';

/**
 * In their order; of two that ask for the same names and addresses the first holds.
 *
 * @param virtualServices of one host, or of all that a gateway serves on the port
 */
export function tlsRules(
  virtualServices: readonly VirtualService[],
  port: number,
  caller: Caller,
  index: ResourceIndex,
): readonly ConnectionRule[] {
  const taken = new Set<string>();
  return virtualServices.flatMap((virtualService) =>
    virtualService.spec.tls.flatMap(({ match, route }) => {
      const target = connectionTarget(route, virtualService, port, index);
      if (target === undefined) return [];
      return match.flatMap((one): ConnectionRule[] => {
        const { sniHosts, destinationSubnets } = one;
        const key = JSON.stringify([sniHosts.toSorted(), destinationSubnets.toSorted()]);
        if (taken.has(key) || !concernsCaller(one, virtualService, port, caller)) return [];
        taken.add(key);
        return [{ sniHosts, destinationSubnets, target }];
      });
    }),
  );
}
