/** What a DestinationRule says of connections that nobody looks into -> fields of the filter that carries them. */

import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import type { TcpProxySchema } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { PolicyReader } from '../store/host-policies.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { policyOfCluster, tunnelTarget } from './host-policy.ts';
import type { ConnectionTarget } from './listener.ts';
import { duration, type Init } from './message.ts';

export type ConnectionTraits = Pick<
  Init<typeof TcpProxySchema>,
  'idleTimeout' | 'maxDownstreamConnectionDuration' | 'hashPolicy' | 'tunnelingConfig'
>;

export function connectionLimits(
  pool: ConnectionPoolPolicy | undefined,
): Pick<ConnectionTraits, 'idleTimeout' | 'maxDownstreamConnectionDuration'> {
  const { idleTimeout, maxConnectionDuration } = pool?.tcp ?? {};
  return {
    ...(idleTimeout !== undefined && { idleTimeout: duration(idleTimeout) }),
    ...(maxConnectionDuration !== undefined && {
      maxDownstreamConnectionDuration: duration(maxConnectionDuration),
    }),
  };
}

/** @param to of several by weight the first counts */
export function connectionTraits(
  to: string | ConnectionTarget,
  reader: PolicyReader,
  index: ResourceIndex,
): ConnectionTraits {
  const cluster = typeof to === 'string' ? to : (to.clusters[0]?.name ?? '');
  const { connectionPool, loadBalancer, tunnel } = policyOfCluster(cluster, reader, index);
  return {
    ...connectionLimits(connectionPool),
    ...(loadBalancer?.consistentHash?.useSourceIp === true && {
      hashPolicy: [{ policySpecifier: { case: 'sourceIp' as const, value: {} } }],
    }),
    ...(tunnel !== undefined && {
      tunnelingConfig: {
        hostname: tunnelTarget(tunnel),
        ...(tunnel.protocol === 'POST' && { usePost: true }),
      },
    }),
  };
}
