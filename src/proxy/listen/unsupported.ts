/** Fields of a `Listener` that cannot be had here, and why. */
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { Findings } from '../findings.ts';

export function refuseListenerFields(listener: Listener, findings: Findings): void {
  for (const [path, isSet, why] of fieldsOf(listener)) if (isSet) findings.error(path, why);
  if (listener.maxConnectionsToAcceptPerSocketEvent === 0) {
    findings.error('max_connections_to_accept_per_socket_event', 'must not be 0');
  }
}

const beforeBinding = 'is not supported: the runtime binds a socket as it makes it';
const noQuic = 'is not supported: the runtime has no QUIC';

function fieldsOf(listener: Listener): [path: string, isSet: boolean, why: string][] {
  return [
    ['api_listener', listener.apiListener !== undefined, 'is not supported'],
    ['filter_chain_matcher', listener.filterChainMatcher !== undefined, 'is not supported'],
    ['fcds_config', listener.fcdsConfig !== undefined, 'is not supported'],
    ['stats_matcher', listener.statsMatcher !== undefined, 'is not supported'],
    ['deprecated_v1', listener.deprecatedV1 !== undefined, 'is not supported: use bind_to_port'],
    ['freebind', listener.freebind === true, beforeBinding],
    ['socket_options', listener.socketOptions.length > 0, beforeBinding],
    ['tcp_fast_open_queue_length', listener.tcpFastOpenQueueLength !== undefined, beforeBinding],
    ['enable_mptcp', listener.enableMptcp, beforeBinding],
    ['udp_listener_config', listener.udpListenerConfig !== undefined, noQuic],
    [
      'connection_balance_config',
      listener.connectionBalanceConfig !== undefined,
      'is not supported: the kernel deals connections to threads',
    ],
    [
      'per_connection_buffer_high_watermark_timeout',
      listener.perConnectionBufferHighWatermarkTimeout !== undefined,
      'is not supported',
    ],
  ];
}
