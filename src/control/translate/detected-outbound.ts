/**
 * What an application sends to a port whose protocol nothing says: HTTP, which its first bytes show, goes by the routes
 * of the host, and anything else to the host as it is (Istio's protocol detection).
 */
import { create } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ConfigSchema } from '#xds/gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import { httpInspector, type ListenerInit, patience, plainHttp, tlsInspector } from './listener.ts';
import { pack } from './message.ts';
import { outboundClusterName } from './names.ts';
import { hostManager } from './outbound-manager.ts';
import { opaqueTo, type Sidecar } from './sidecar.ts';
import { callerProtocols } from './tls-context.ts';

/** What of a listener says it, for all connections to one port of one host. */
export function detectedTo(port: number, host: string, sidecar: Sidecar): ListenerInit {
  return {
    filterChains: [{ filters: [hostManager(port, host, sidecar)], filterChainMatch: plainHttp }],
    defaultFilterChain: { filters: undetectedTo(port, host, sidecar) },
    listenerFilters: [tlsInspector, httpInspector],
    ...patience(sidecar.index.settings),
  };
}

/** What is no HTTP; the cluster would offer mutual TLS as if it were. */
export function undetectedTo(port: number, host: string, sidecar: Sidecar): Filter[] {
  return [asTcp, ...opaqueTo(outboundClusterName(port, '', host), sidecar)];
}

const asTcp: Filter = create(FilterSchema, {
  name: 'envoy.filters.network.set_filter_state',
  configType: {
    case: 'typedConfig',
    value: pack(ConfigSchema, {
      onNewConnection: [
        {
          key: { case: 'objectKey', value: 'envoy.network.application_protocols' },
          value: {
            case: 'formatString',
            value: {
              format: {
                case: 'textFormatSource',
                value: { specifier: { case: 'inlineString', value: callerProtocols.TCP.join(',') } },
              },
            },
          },
        },
      ],
    }),
  },
});
