/** `TcpProxy.TunnelingConfig`, read once. */
import type { TcpProxy_TunnelingConfig as TunnelingConfig } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { Findings } from '../findings.ts';
import {
  compileAdditions,
  compileValueFormat,
  type HeaderMutation,
  type ValueFormat,
} from '../route/header-mutation.ts';

export interface TunnelSettings {
  readonly hostname: ValueFormat;
  readonly method: 'CONNECT' | 'POST';
  /** '' for CONNECT. */
  readonly path: string;
  readonly headers: HeaderMutation | undefined;
  /** Whether headers and trailers of the response are noted in the filter state. */
  readonly notesHeaders: boolean;
  readonly notesTrailers: boolean;
}

export function readTunneling(config: TunnelingConfig, path: string, findings: Findings): TunnelSettings {
  if (config.hostname === '') findings.error(`${path}.hostname`, 'is missing');
  if (config.postPath !== '' && !config.usePost) {
    findings.error(`${path}.post_path`, 'is only for use_post');
  }
  return {
    hostname: compileValueFormat(config.hostname, `${path}.hostname`, findings),
    method: config.usePost ? 'POST' : 'CONNECT',
    path: config.usePost ? config.postPath || '/' : '',
    headers: compileAdditions(config.headersToAdd, `${path}.headers_to_add`, findings),
    notesHeaders: config.propagateResponseHeaders,
    notesTrailers: config.propagateResponseTrailers,
  };
}
