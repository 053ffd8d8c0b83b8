/** `heddle pc endpoints`: NAME, STATUS, LOCALITY, CLUSTER. */
import { type Json, object, objects, text } from './config-dump.ts';
import type { View } from './view.ts';

export interface EndpointFilters {
  readonly address?: string;
  readonly port?: number;
  readonly cluster?: string;
  readonly status?: string;
}

export const endpointsView: View<EndpointFilters> = {
  headers: ['NAME', 'STATUS', 'LOCALITY', 'CLUSTER'],
  rows({ clusterStatuses }, filters) {
    return clusterStatuses
      .flatMap((cluster) =>
        objects(cluster.host_statuses).map((resource) => ({
          resource,
          ...endpoint(resource),
          cluster: text(cluster.name),
        })),
      )
      .filter((row) => passes(row, filters))
      .sort((a, b) => (`${a.cluster}\0${a.name}` < `${b.cluster}\0${b.name}` ? -1 : 1))
      .map(({ resource, name, status, locality, cluster }) => ({
        resource,
        cells: [name, status, locality, cluster],
      }));
  },
};

interface Endpoint {
  readonly name: string;
  readonly address: string;
  readonly port: string;
  readonly status: string;
  readonly locality: string;
}

function endpoint(host: Json): Endpoint {
  const socket = object(object(host.address).socket_address);
  const address = text(socket.address);
  const port = text(socket.port_value);
  const internal = text(object(object(host.address).envoy_internal_address).server_listener_name);
  const pipe = text(object(object(host.address).pipe).path);
  const name =
    internal !== '' ? `internal: ${internal}` : pipe !== '' ? `unix://${pipe}` : `${address}:${port}`;
  return {
    name,
    address,
    port,
    status: statusOf(object(host.health_status)),
    locality: localityOf(object(host.locality)),
  };
}

/** Any failed check makes it unhealthy; else what EDS says (HEALTHY is what ProtoJSON may leave out). */
function statusOf(health: Json): string {
  const failed = ['failed_active_health_check', 'failed_outlier_check', 'failed_active_degraded_check'];
  if (failed.some((check) => health[check] === true)) return 'UNHEALTHY';
  const status = text(health.eds_health_status);
  return status === '' || status === 'UNKNOWN' ? 'HEALTHY' : status;
}

function localityOf({ region, zone, sub_zone: subZone }: Json): string {
  const parts = [region, zone, subZone].map(text);
  return parts.every((part) => part === '') ? '-' : parts.join('/').replace(/\/+$/, '');
}

function passes(row: Endpoint & { readonly cluster: string }, filters: EndpointFilters): boolean {
  const { address, port, cluster, status } = filters;
  if (address !== undefined && row.address !== address) return false;
  if (port !== undefined && row.port !== String(port)) return false;
  if (cluster !== undefined && row.cluster !== cluster) return false;
  return status === undefined || row.status === status.toUpperCase();
}
