/** The HTTP connection managers of a sidecar for the calls of its application. */
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { connectionManager, type ManagerOptions } from './http-connection-manager.ts';
import { hostRoutesName } from './names.ts';
import type { Sidecar } from './sidecar.ts';

/** What they have in common. */
export function outboundTraits({
  node: { client },
  self,
  captured,
  looksUp,
  index: { settings },
}: Sidecar): Pick<ManagerOptions, 'side' | 'client' | 'self' | 'captured' | 'looksUp' | 'settings'> {
  return { side: 'outbound', client, self, captured, looksUp, settings };
}

/** Requests that were sent to `port`, whatever the host. */
export function portManager(port: number, sidecar: Sidecar): Filter {
  return connectionManager({
    ...outboundTraits(sidecar),
    statPrefix: `outbound_0.0.0.0_${port}`,
    routes: String(port),
  });
}

/** Requests that were sent to a port of one host, whatever host they name. */
export function hostManager(port: number, host: string, sidecar: Sidecar): Filter {
  const routes = hostRoutesName(port, host);
  return connectionManager({ ...outboundTraits(sidecar), statPrefix: `outbound_${routes}`, routes });
}
