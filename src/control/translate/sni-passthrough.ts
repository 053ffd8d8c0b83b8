/**
 * Servers with AUTO_PASSTHROUGH: connections of the mesh go on, still encrypted, to the cluster that their SNI is the name
 * of, so that sidecars of one network reach services of another without a route for each.
 */
import { clone } from '@bufbuild/protobuf';
import { coversHost } from '#model/host-name.ts';
import { type Cluster, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { BoundServer, GatewayAddress } from './gateway-servers.ts';
import { outboundSni } from './names.ts';

/** The clusters that connections to these addresses may name, each as it is found and without TLS of its own. */
export function passthroughClusters(
  addresses: readonly GatewayAddress[],
  clusters: readonly Cluster[],
): readonly Cluster[] {
  const servers = addresses.flatMap(({ encrypted }) => encrypted.filter(isAutomatic));
  if (servers.length === 0) return [];
  return clusters.flatMap((cluster) => {
    const place = placeOf(cluster);
    if (place === undefined || !servers.some((server) => serves(server, place.host))) return [];
    const passing = clone(ClusterSchema, cluster);
    passing.name = place.sni;
    delete passing.transportSocket;
    passing.transportSocketMatches = [];
    passing.typedExtensionProtocolOptions = {};
    if (passing.edsClusterConfig !== undefined) passing.edsClusterConfig.serviceName = cluster.name;
    return [passing];
  });
}

/** The SNI of those that a server leads on. */
export function passedServerNames(server: BoundServer, clusters: readonly Cluster[]): readonly string[] {
  return clusters.flatMap((cluster) => {
    const place = placeOf(cluster);
    return place !== undefined && serves(server, place.host) ? [place.sni] : [];
  });
}

export function isAutomatic({ server }: BoundServer): boolean {
  return server.tls?.mode === 'AUTO_PASSTHROUGH';
}

function serves({ hosts }: BoundServer, host: string): boolean {
  return hosts.some((one) => coversHost(one.host, host));
}

/** Of a cluster by which callers reach a service: `outbound|9080|v1|reviews.default.svc.cluster.local`. */
function placeOf({ name }: Cluster): { readonly host: string; readonly sni: string } | undefined {
  const [direction, port, subset = '', host] = name.split('|');
  if (direction !== 'outbound' || host === undefined) return undefined;
  return { host, sni: outboundSni(Number(port), subset, host) };
}
