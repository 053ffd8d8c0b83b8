/** `heddle pc listeners`: ADDRESSES, PORT, MATCH, DESTINATION; one row for each filter chain and route. */
import { type Json, object, objects, text } from './config-dump.ts';
import { pathMatch } from './routes.ts';
import type { View } from './view.ts';

export interface ListenerFilters {
  readonly address?: string;
  readonly port?: number;
  /** `HTTP` or `TCP`. */
  readonly type?: string;
}

interface Row {
  readonly address: string;
  readonly port: string;
  readonly match: string;
  readonly destination: string;
  readonly type: string;
  readonly resource: Json;
}

export const listenersView: View<ListenerFilters> = {
  headers: ['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION'],
  rows({ dump }, filters) {
    return dump.listeners
      .flatMap(listenerRows)
      .filter((row) => passes(row, filters))
      .sort((a, b) => (key(a) < key(b) ? -1 : 1))
      .map(({ resource, address, port, match, destination }) => ({
        resource,
        cells: [address, port, match, destination],
      }));
  },
};

const key = ({ address, port, match }: Row): string => `${port.padStart(5, '0')}\0${address}\0${match}`;

function passes(row: Row, { address, port, type }: ListenerFilters): boolean {
  if (address !== undefined && row.address !== address) return false;
  if (port !== undefined && row.port !== String(port)) return false;
  return type === undefined || row.type === type.toUpperCase();
}

function listenerRows(listener: Json): Row[] {
  const socket = object(object(listener.address).socket_address);
  const pipe = text(object(object(listener.address).pipe).path);
  const internal = listener.internal_listener === undefined ? '' : `internal: ${text(listener.name)}`;
  const address = text(socket.address) || pipe || internal || '-';
  const port = text(socket.port_value) || '-';
  const fallback = object(listener.default_filter_chain);
  const chains = [
    ...objects(listener.filter_chains),
    ...(Object.keys(fallback).length > 0 ? [fallback] : []),
  ];
  return chains.flatMap((chain) => {
    const match = chainMatch(object(chain.filter_chain_match));
    return destinations(chain).map((destination) => ({
      address,
      port,
      match,
      resource: listener,
      ...destination,
    }));
  });
}

/** In istioctl's words: `SNI: a.b; Trans: tls; App: istio,h2; Addr: 10.0.0.0/8`, or `ALL`. */
function chainMatch(match: Json): string {
  const list = (value: unknown): string => (Array.isArray(value) ? value.map(text).join(',') : '');
  const ranges = objects(match.prefix_ranges).map((range) => {
    const bits =
      typeof range.prefix_len === 'number' ? range.prefix_len : text(object(range.prefix_len).value);
    return `${text(range.address_prefix)}/${bits}`;
  });
  const parts = [
    ['SNI', list(match.server_names)],
    ['Trans', text(match.transport_protocol)],
    ['App', list(match.application_protocols)],
    ['Addr', ranges.join(',')],
    ['Port', text(match.destination_port)],
  ].filter(([, value]) => value !== '');
  return parts.length === 0 ? 'ALL' : parts.map(([name, value]) => `${name}: ${value}`).join('; ');
}

function destinations(chain: Json): { readonly destination: string; readonly type: string }[] {
  for (const filter of objects(chain.filters)) {
    const config = object(filter.typed_config);
    const type = text(config['@type']);
    if (type.endsWith('.HttpConnectionManager')) return httpDestinations(config);
    if (type.endsWith('.TcpProxy')) return [{ destination: tcpDestination(config), type: 'TCP' }];
  }
  return [{ destination: 'Non-HTTP/Non-TCP', type: '' }];
}

function httpDestinations(manager: Json): { readonly destination: string; readonly type: string }[] {
  const rds = text(object(manager.rds).route_config_name);
  if (rds !== '') return [{ destination: `Route: ${rds}`, type: 'HTTP' }];
  const hosts = objects(object(manager.route_config).virtual_hosts);
  return hosts.flatMap((host) =>
    objects(host.routes).map((route) => {
      const path = pathMatch(object(route.match));
      const cluster = text(object(route.route).cluster);
      const inbound = cluster.startsWith('inbound|') && path === '/*';
      return { destination: inbound ? `Cluster: ${cluster}` : `Inline Route: ${path}`, type: 'HTTP' };
    }),
  );
}

function tcpDestination(proxy: Json): string {
  const cluster = text(proxy.cluster);
  if (cluster !== '') return `Cluster: ${cluster}`;
  const weighted = objects(object(proxy.weighted_clusters).clusters);
  return `Clusters: ${weighted.map(({ name, weight }) => `${text(name)} (${text(weight)})`).join(', ')}`;
}
