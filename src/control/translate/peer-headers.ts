/**
 * The headers in which Heddle's proxies tell each other their workload. A proxy without our filters
 * takes them away in both directions, so that no application sees or forges them.
 */
import type { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Init } from './message.ts';
import type { ProxyNode } from './node.ts';

const peerHeaders: readonly string[] = ['x-envoy-peer-metadata', 'x-envoy-peer-metadata-id'];

/** For every RouteConfiguration of the proxy. */
export function peerHeaderGuard(client: ProxyNode['client']): Init<typeof RouteConfigurationSchema> {
  if (client !== 'envoy') return {};
  return { requestHeadersToRemove: [...peerHeaders], responseHeadersToRemove: [...peerHeaders] };
}
