/** Network and listener filters for scripts, and listeners that have them. */
import type { JsonObject } from '@bufbuild/protobuf';
import { ads, listenerOf, routes, typeUrl } from './resources.ts';

const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.${name}`;
export const RBAC: string = type('network.rbac.v3.RBAC');
export const RATE: string = type('network.local_ratelimit.v3.LocalRateLimit');
export const RESPONSE: string = type('network.direct_response.v3.Config');
export const PROXIED: string = type('network.tcp_proxy.v3.TcpProxy');
export const STATE: string = type('network.set_filter_state.v3.Config');
export const ECHO: string = type('network.echo.v3.Echo');
export const PROXY: string = type('listener.proxy_protocol.v3.ProxyProtocol');
export const INSPECTOR: string = type('listener.http_inspector.v3.HttpInspector');

/** Lets all connections in, or none. */
export const rbac = (action: 'ALLOW' | 'DENY'): JsonObject => ({
  '@type': RBAC,
  stat_prefix: 'door.',
  rules: {
    action,
    policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } },
  },
});

/** Says what an HTTP server would. */
export const says = (text: string): JsonObject => ({
  '@type': RESPONSE,
  response: {
    inline_string: `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  },
});

/** Lets that many connections in an hour. */
export const rate = (max_tokens: number): JsonObject => ({
  '@type': RATE,
  stat_prefix: 'rate',
  token_bucket: { max_tokens, fill_interval: '3600s' },
});

export const through = (cluster_name: string): JsonObject => ({
  '@type': PROXIED,
  stat_prefix: 'through',
  cluster: cluster_name,
});

export const extension = (name: string, typed_config?: JsonObject): JsonObject => ({
  '@type': typeUrl('extension'),
  name,
  ...(typed_config !== undefined && { typed_config }),
});

export const discovered = (name: string, type_urls: string[], more: JsonObject = {}): JsonObject => ({
  name,
  config_discovery: { config_source: ads, type_urls, ...more },
});

const { '@type': _, ...route_config } = routes('inline', 'through');

interface Chain {
  filter_chains: { filters: JsonObject[] }[];
}

/** With those network filters before its connection manager. */
export function web(name: string, ...filters: JsonObject[]): JsonObject {
  const listener = listenerOf(name, { route_config });
  (listener as unknown as Chain).filter_chains[0]!.filters.unshift(...filters);
  return { ...listener, stat_prefix: name };
}

/** With those network filters and no others. */
export const raw = (name: string, ...filters: JsonObject[]): JsonObject => ({
  ...listenerOf(name, { route_config }),
  stat_prefix: name,
  filter_chains: [{ filters }],
});

/** With those listener filters. */
export const looking = (name: string, ...listener_filters: JsonObject[]): JsonObject => ({
  ...listenerOf(name, { route_config }),
  stat_prefix: name,
  listener_filters,
});

export const countsOf = (kind: string, name: string): string[] =>
  ['config_reload', 'config_fail', 'config_conflict', 'update_success', 'update_rejected'].map(
    (count) => `extension_config_discovery.${kind}.${name}.${count}`,
  );
