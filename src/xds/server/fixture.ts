/** Small resources for the tests of the streams. */
import { create } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType, ClusterSchema } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../gen/envoy/config/route/v3/route_pb.js';
import { NameTableSchema } from '../gen/istio/networking/nds/v1/nds_pb.js';
import { kindOfTypeUrl, resourceTypes } from '../resource-type.ts';
import { type EncodedResource, encodeResource, type Snapshot, snapshotOf } from '../snapshot.ts';

/**
 * `c:a` is cluster "a", `e:a` its endpoints, `l:x` listener "x", `r:x` route table "x", `n:` the table of names;
 * `c:a@2` is another version of the same.
 */
export function resource(text: string): EncodedResource {
  const [id = '', version = ''] = text.split('@');
  const name = id.slice(2);
  switch (id[0]) {
    case 'c': {
      const clusterDiscoveryType = { case: 'type', value: Cluster_DiscoveryType.EDS } as const;
      return encodeResource(
        'cluster',
        create(ClusterSchema, { name, altStatName: version, clusterDiscoveryType }),
      );
    }
    case 'e': {
      const endpoints = [{ priority: Number(version) }];
      return encodeResource(
        'endpoint',
        create(ClusterLoadAssignmentSchema, { clusterName: name, endpoints }),
      );
    }
    case 'l':
      return encodeResource('listener', create(ListenerSchema, { name, statPrefix: version }));
    case 'r':
      return encodeResource(
        'route',
        create(RouteConfigurationSchema, { name, internalOnlyHeaders: [version] }),
      );
    case 'n':
      return encodeResource(
        'nameTable',
        create(NameTableSchema, { table: { 'a.example': { ips: [version] } } }),
      );
    default:
      throw new Error(`no kind of resource begins with ${id[0]}`);
  }
}

/** @param texts resources as {@link resource} reads them, with blanks between. */
export function snapshot(texts: string, previous?: Snapshot): Snapshot {
  return snapshotOf(texts.split(' ').filter(Boolean).map(resource), previous);
}

/** `c`, `e`, `l`, `r` or `n`, for a type URL. */
export function letterOf(typeUrl: string): string {
  return (kindOfTypeUrl(typeUrl) ?? '?')[0]!;
}

/** The type URL that a letter stands for. */
export function typeUrlOfLetter(letter: string): string {
  const type = Object.values(resourceTypes).find(({ kind }) => kind[0] === letter);
  if (type === undefined) throw new Error(`no kind of resource begins with ${letter}`);
  return type.typeUrl;
}
