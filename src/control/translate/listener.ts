/** Listeners and the network filters that are not HTTP. */
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '#model/mesh-settings.ts';
import { TrafficDirection } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type Filter,
  type FilterChainMatchSchema,
  type FilterChainSchema,
  FilterSchema,
  type ListenerFilterSchema,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpInspectorSchema } from '#xds/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { TlsInspectorSchema } from '#xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { TcpProxySchema } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { accessLogs } from './access-log.ts';
import type { ConnectionTraits } from './connection-policy.ts';
import { duration, type Init, pack, socketAddress } from './message.ts';

export type FilterChainInit = Init<typeof FilterChainSchema>;
export type FilterChainMatchInit = Init<typeof FilterChainMatchSchema>;
export type ListenerInit = Init<typeof ListenerSchema>;

export type ListenerFilterInit = Init<typeof ListenerFilterSchema>;

/** Finds out whether a connection begins with TLS, for chains that are chosen by it. */
export const tlsInspector: ListenerFilterInit = {
  name: 'envoy.filters.listener.tls_inspector',
  configType: { case: 'typedConfig', value: pack(TlsInspectorSchema, {}) },
};

/** The same of HTTP; what begins with TLS it leaves alone, where it comes after that. */
export const httpInspector: ListenerFilterInit = {
  name: 'envoy.filters.listener.http_inspector',
  configType: { case: 'typedConfig', value: pack(HttpInspectorSchema, {}) },
};

/** All that {@link httpInspector} finds. */
export const plainHttp: Pick<FilterChainMatchInit, 'transportProtocol' | 'applicationProtocols'> = {
  transportProtocol: 'raw_buffer',
  applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'],
};

/**
 * How long to wait for the first bytes of a caller that may be waiting for the server's (Istio's
 * `meshConfig.protocolDetectionTimeout`).
 */
export function patience({
  protocolDetectionTimeoutMs,
}: MeshSettings): Pick<ListenerInit, 'listenerFiltersTimeout' | 'continueOnListenerFiltersTimeout'> {
  return {
    listenerFiltersTimeout: duration(protocolDetectionTimeoutMs),
    continueOnListenerFiltersTimeout: true,
  };
}

/** @param address where it is bound; the name is `ADDRESS_PORT`. */
export function boundListener(
  direction: 'inbound' | 'outbound',
  address: string,
  port: number,
  rest: ListenerInit,
): Listener {
  return create(ListenerSchema, {
    name: `${address}_${port}`,
    address: socketAddress(address, port),
    trafficDirection: direction === 'inbound' ? TrafficDirection.INBOUND : TrafficDirection.OUTBOUND,
    ...rest,
  });
}

/** Takes what is made to any address, of both versions of IP. */
export function listenerEverywhere(
  direction: 'inbound' | 'outbound',
  port: number,
  rest: ListenerInit,
): Listener {
  const additionalAddresses = [{ address: socketAddress('::', port) }];
  return boundListener(direction, '0.0.0.0', port, { additionalAddresses, ...rest });
}

/** A listener without socket, reached by a cluster of the same proxy. */
export function internalListener(name: string, rest: ListenerInit): Listener {
  return create(ListenerSchema, {
    name,
    listenerSpecifier: { case: 'internalListener', value: {} },
    trafficDirection: TrafficDirection.OUTBOUND,
    ...rest,
  });
}

/** Where connections go that nobody looks into: a cluster, or several by weight. */
export interface ConnectionTarget {
  readonly statPrefix: string;
  /** One at least. */
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
}

/** @param to a cluster counts under its own name. */
export function tcpProxy(
  to: string | ConnectionTarget,
  settings: MeshSettings,
  traits: ConnectionTraits = {},
): Filter {
  const { statPrefix, clusters } =
    typeof to === 'string' ? { statPrefix: to, clusters: [{ name: to, weight: 1 }] } : to;
  const [only, ...others] = clusters;
  return create(FilterSchema, {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig',
      value: pack(TcpProxySchema, {
        statPrefix,
        clusterSpecifier:
          others.length === 0
            ? { case: 'cluster', value: only?.name ?? '' }
            : { case: 'weightedClusters', value: { clusters: [...clusters] } },
        ...accessLogs(settings),
        ...traits,
      }),
    },
  });
}
