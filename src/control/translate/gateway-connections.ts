/** `tls` and `tcp` routes of VirtualServices bound to servers of Gateways -> filter chains that carry what nobody opens. */
import type { VirtualService } from '#model/virtual-service.ts';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { connectionTraits } from './connection-policy.ts';
import { type ConnectionRule, prefixRanges, serverNames } from './connection-route.ts';
import type { Gatekeeper } from './gateway-chains.ts';
import { hostsByGateway, servedHosts } from './gateway-routes.ts';
import { type BoundServer, gatewayName } from './gateway-servers.ts';
import type { Caller } from './http-route.ts';
import type { ConnectionTarget, FilterChainInit, FilterChainMatchInit } from './listener.ts';
import { asOpaque } from './opaque-outbound.ts';
import { tcpRules } from './tcp-route.ts';
import { tcpFilters } from './telemetry.ts';
import { tlsRules } from './tls-route.ts';
import { workloadOf } from './workload.ts';

/** Of a server that leads TLS on by its SNI. */
export function passingChains(bound: BoundServer, keeper: Gatekeeper): readonly FilterChainInit[] {
  const rules = tlsRules(
    boundTo(bound, 'tls', keeper),
    bound.server.port.number,
    callerOf(bound, keeper),
    keeper.index,
  );
  return rules.map((rule) => ({
    filterChainMatch: {
      transportProtocol: 'tls',
      serverNames: serverNames(rule.sniHosts),
      ...addressesOf(rule),
    },
    filters: filtersTo(rule.target, keeper),
  }));
}

/** Of a server without TLS, or of one that ends it. @param match what chooses the server itself */
export function carryingChains(
  bound: BoundServer,
  keeper: Gatekeeper,
  match: FilterChainMatchInit,
  transportSocket?: TransportSocket,
): readonly FilterChainInit[] {
  const rules = tcpRules(
    boundTo(bound, 'tcp', keeper),
    bound.server.port.number,
    callerOf(bound, keeper),
    keeper.index,
  );
  return rules.map((rule) => ({
    filterChainMatch: { ...match, ...addressesOf(rule) },
    filters: filtersTo(rule.target, keeper),
    ...(transportSocket !== undefined && { transportSocket }),
  }));
}

/** VirtualServices with such routes that serve a host of the server. */
function boundTo(bound: BoundServer, of: 'tls' | 'tcp', { index }: Gatekeeper): readonly VirtualService[] {
  const hosts = hostsByGateway([bound]);
  return index.virtualServices.filter((virtualService) => {
    const { spec } = virtualService;
    const named = spec[of].flatMap(({ match }) => match.flatMap(({ gateways = [] }) => gateways));
    if (spec[of].length === 0) return false;
    return servedHosts(virtualService, [...spec.gateways, ...named], hosts, index).length > 0;
  });
}

function callerOf({ gateway }: BoundServer, { node }: Gatekeeper): Caller {
  const { namespace, labels, client } = node;
  return { gateways: new Set([gatewayName(gateway)]), namespace, labels, client };
}

function addressesOf({ destinationSubnets }: ConnectionRule): FilterChainMatchInit {
  return destinationSubnets.length === 0 ? {} : { prefixRanges: prefixRanges(destinationSubnets) };
}

function filtersTo(target: ConnectionTarget, { pod, node, index }: Gatekeeper): Filter[] {
  const self = workloadOf(pod, index, node.clusterId);
  const traits = connectionTraits(target, { namespace: node.namespace, labels: pod.metadata.labels }, index);
  return asOpaque(
    target,
    [...tcpFilters(target, 'gateway', node.client, self, index.settings, traits)],
    index,
  );
}
