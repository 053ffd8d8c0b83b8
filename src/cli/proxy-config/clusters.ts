/** `heddle pc clusters`: SERVICE FQDN, PORT, SUBSET, DIRECTION, TYPE, DESTINATION RULE. */
import { type Json, object, owner, text } from './config-dump.ts';
import type { View } from './view.ts';

export interface ClusterFilters {
  readonly fqdn?: string;
  readonly port?: number;
  readonly subset?: string;
  readonly direction?: string;
}

/** Parts of Istio's name of a cluster, `outbound|9080|v1|reviews.default.svc.cluster.local`; others are a name alone. */
export interface ClusterName {
  readonly direction: string;
  readonly port: string;
  readonly subset: string;
  readonly fqdn: string;
}

export function parseClusterName(name: string): ClusterName {
  const parts = name.split('|');
  if (parts.length !== 4) return { direction: '-', port: '-', subset: '-', fqdn: name };
  const [direction = '', port = '', subset = '', fqdn = ''] = parts;
  return { direction, port: port === '' ? '-' : port, subset: subset === '' ? '-' : subset, fqdn };
}

export const clustersView: View<ClusterFilters> = {
  headers: ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'],
  rows({ dump }, filters) {
    return dump.clusters
      .map((resource) => ({ resource, name: parseClusterName(text(resource.name)) }))
      .filter(({ name }) => passes(name, filters))
      .sort((a, b) => compare(a.name, b.name))
      .map(({ resource, name: { fqdn, port, subset, direction } }) => ({
        resource,
        cells: [fqdn, port, subset, direction, discoveryType(resource), owner(resource)],
      }));
  },
};

function passes(name: ClusterName, { fqdn, port, subset, direction }: ClusterFilters): boolean {
  if (fqdn !== undefined && name.fqdn !== fqdn) return false;
  if (port !== undefined && name.port !== String(port)) return false;
  if (subset !== undefined && name.subset !== subset) return false;
  return direction === undefined || name.direction === direction.toLowerCase();
}

function compare(a: ClusterName, b: ClusterName): number {
  const key = ({ fqdn, port, subset, direction }: ClusterName): string =>
    [fqdn, port.padStart(5), subset, direction].join('\0');
  return key(a) < key(b) ? -1 : 1;
}

function discoveryType(cluster: Json): string {
  const custom = text(object(cluster.cluster_type).name);
  if (custom !== '') return custom.replace('envoy.clusters.', '').toUpperCase();
  // STATIC is the first value of the enum, which ProtoJSON leaves out.
  return text(cluster.type) === '' ? 'STATIC' : text(cluster.type);
}
