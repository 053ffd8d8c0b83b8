/** Listeners for tests, as items of `static_resources.listeners`: objects, since JSON is YAML. */
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { clientOf, type RawClient } from './raw-tcp.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';

type Fields = Readonly<Record<string, unknown>>;

function extension(kind: string, fields: Fields = {}): Fields {
  return { name: kind, typed_config: { '@type': `${TYPES}.${kind}`, ...fields } };
}

export const tlsInspector = (fields: Fields = {}): Fields =>
  extension('filters.listener.tls_inspector.v3.TlsInspector', fields);
export const httpInspector = (): Fields => extension('filters.listener.http_inspector.v3.HttpInspector');
export const originalDst = (): Fields => extension('filters.listener.original_dst.v3.OriginalDst');
export const originalSrc = (fields: Fields = {}): Fields =>
  extension('filters.listener.original_src.v3.OriginalSrc', fields);
export const proxyProtocol = (fields: Fields = {}): Fields =>
  extension('filters.listener.proxy_protocol.v3.ProxyProtocol', fields);
export const connectionLimit = (fields: Fields): Fields =>
  extension('filters.network.connection_limit.v3.ConnectionLimit', { stat_prefix: 'limit', ...fields });
export const tcpProxy = (cluster: string): Fields =>
  extension('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: cluster, cluster });

/** A log whose lines are those of `RunningDataPath.lines`. */
export function accessLog(format: string): Fields[] {
  return [
    extension('access_loggers.file.v3.FileAccessLog', {
      path: 'log',
      log_format: { text_format_source: { inline_string: `${format}\n` } },
    }),
  ];
}

/** A connection manager that answers every request with `body`. */
export function answering(body: string, fields: Fields = {}): Fields {
  const routes = [
    { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } },
  ];
  return extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'http',
    route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [extension('filters.http.router.v3.Router')],
    ...fields,
  });
}

/** A chain that answers with its name, unless it has other filters. */
export function chain(name: string, match?: Fields, fields: Fields = {}): Fields {
  return {
    name,
    ...(match === undefined ? {} : { filter_chain_match: match }),
    filters: [answering(name)],
    ...fields,
  };
}

export function ipAddress(address: string, port = 0, fields: Fields = {}): Fields {
  return { socket_address: { address, port_value: port, ...fields } };
}

/** Bound to a free port of 127.0.0.1, unless `fields` say otherwise. */
export function listener(name: string, chains: readonly Fields[], fields: Fields = {}): string {
  const item = { name, address: ipAddress('127.0.0.1'), filter_chains: chains, ...fields };
  return `\n  - ${JSON.stringify(item)}`;
}

export const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
export const getOnce = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

/** Header of version 1 of the PROXY protocol. */
export function proxyLine(source: string, destination: string, sourcePort = 1000, port = 80): string {
  return `PROXY TCP${source.includes(':') ? 6 : 4} ${source} ${destination} ${sourcePort} ${port}\r\n`;
}

/** A connection anywhere: a port of 127.0.0.1, a host and a port, or a path. */
export function rawConnect(
  t: Pick<TestContext, 'after'>,
  where:
    | { readonly port: number; readonly host?: string; readonly localAddress?: string }
    | { readonly path: string },
): RawClient {
  const socket: Socket =
    'path' in where
      ? connect({ path: where.path, allowHalfOpen: true })
      : connect({ host: '127.0.0.1', allowHalfOpen: true, ...where });
  return clientOf(t, socket);
}

/** What comes back before the other side closes, without the head of a response. */
export async function bodyOf(client: RawClient, request: string = getOnce): Promise<string> {
  client.socket.write(request, 'latin1');
  const text = await client.ended();
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}
