/** What a sidecar does for its own application: a listener and a cluster for each of its ports. */
import type { JsonObject } from '@bufbuild/protobuf';
import { selects } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { Service, ServicePort } from '#model/service.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type ResourceIndex, serviceHost } from '../store/resource-index.ts';
import { applicationAddress } from './annotation.ts';
import { targetPortOf } from './endpoint.ts';
import { connectionManager } from './http-connection-manager.ts';
import { boundListener, type FilterChainInit, tlsInspector } from './listener.ts';
import { inboundCluster } from './local-cluster.ts';
import { duration } from './message.ts';
import { serverTlsMode } from './mutual-tls.ts';
import { inboundClusterName } from './names.ts';
import type { ProxyNode } from './node.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { inboundRetry } from './retry.ts';
import { plainAction } from './route-action.ts';
import { matchEverything } from './route-match.ts';
import { tcpFilters } from './telemetry.ts';
import { downstreamMutualTls, meshProtocols } from './tls-context.ts';
import { meshPorts } from './virtual-host.ts';
import { workloadOf } from './workload.ts';

/** A port of a workload and what is known about it. */
export interface InboundPort {
  readonly port: number;
  readonly carriedAs: 'HTTP' | 'TCP';
  /** Whether the application speaks HTTP/2 on it. */
  readonly http2: boolean;
  /** Whether browsers call it. */
  readonly grpcWeb: boolean;
  /** The service ports that lead to it. */
  readonly services: readonly { readonly service: Service; readonly servicePort: ServicePort }[];
}

export function translateInbound(
  pod: Pod,
  node: ProxyNode,
  index: ResourceIndex,
): { readonly listeners: readonly Listener[]; readonly clusters: readonly Cluster[] } {
  const ports = inboundPorts(pod, index);
  const application = applicationAddress(pod);
  return {
    listeners: ports.map((port) => inboundListener(port, pod, node, index)),
    clusters:
      application === undefined
        ? []
        : ports.map(({ port, services, http2 }) =>
            inboundCluster(application, port, services.map(describe), http2),
          ),
  };
}

/** Declared ports of the containers and those that services lead to, in order. */
export function inboundPorts(pod: Pod, index: ResourceIndex): readonly InboundPort[] {
  const declared = pod.spec.containers.flatMap(({ ports }) =>
    ports.filter(({ protocol }) => protocol === 'TCP'),
  );
  const numbers = new Set(declared.map(({ containerPort }) => containerPort));
  const behind: { port: number; service: Service; servicePort: ServicePort }[] = [];
  for (const service of servicesOf(pod, index)) {
    for (const servicePort of meshPorts(service)) {
      const port = targetPortOf(pod, servicePort);
      if (port === undefined) continue;
      numbers.add(port);
      behind.push({ port, service, servicePort });
    }
  }
  return [...numbers]
    .sort((a, b) => a - b)
    .map((port) => {
      const services = behind.filter((one) => one.port === port);
      const protocols = services.map(({ servicePort }) => portProtocol(servicePort));
      return {
        port,
        carriedAs: protocols.some(({ carriedAs }) => carriedAs === 'HTTP') ? 'HTTP' : 'TCP',
        http2: protocols.some(({ http2 }) => http2),
        grpcWeb: protocols.some(({ protocol }) => protocol === 'GRPC-WEB'),
        services,
      };
    });
}

function servicesOf(pod: Pod, index: ResourceIndex): Service[] {
  const { namespace, labels } = pod.metadata;
  return [...index.services.values()].filter(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      Object.keys(spec.selector).length > 0 &&
      selects(spec.selector, labels),
  );
}

function describe({ service }: InboundPort['services'][number]): JsonObject {
  const { name, namespace = '' } = service.metadata;
  return { host: serviceHost(service), name, namespace };
}

/** How long to wait for the first bytes of a caller that may be waiting for the server's. */
const inspectionTimeoutMs = 5000;

function inboundListener(inbound: InboundPort, pod: Pod, node: ProxyNode, index: ResourceIndex): Listener {
  const { namespace = '', labels } = pod.metadata;
  const mode = serverTlsMode(index, namespace, labels, inbound.port);
  const filters = inboundFilters(inbound, pod, node, index);
  const encrypted: FilterChainInit = {
    name: 'mutual-tls',
    filters: [...filters],
    transportSocket: downstreamMutualTls(index.settings.trustDomain),
  };
  const plain: FilterChainInit = { name: 'plain-text', filters: [...filters] };
  const listen = (rest: Parameters<typeof boundListener>[3]): Listener =>
    boundListener('inbound', node.address, inbound.port, rest);
  if (mode === 'STRICT') return listen({ filterChains: [encrypted] });
  if (mode === 'DISABLE') return listen({ filterChains: [plain] });
  const byMesh = { transportProtocol: 'tls', applicationProtocols: [...meshProtocols] };
  return listen({
    filterChains: [
      { ...encrypted, filterChainMatch: byMesh },
      { ...plain, filterChainMatch: { transportProtocol: 'raw_buffer' } },
      ...foreignTls(inbound, filters),
    ],
    listenerFilters: [tlsInspector],
    listenerFiltersTimeout: duration(inspectionTimeoutMs),
    continueOnListenerFiltersTimeout: true,
  });
}

/** TLS that is not the mesh's belongs to the application, where it has a port of its own for it. */
function foreignTls({ carriedAs }: InboundPort, filters: readonly Filter[]): FilterChainInit[] {
  if (carriedAs === 'HTTP') return [];
  return [{ name: 'foreign-tls', filters: [...filters], filterChainMatch: { transportProtocol: 'tls' } }];
}

function inboundFilters(
  { port, carriedAs, grpcWeb }: InboundPort,
  pod: Pod,
  node: ProxyNode,
  index: ResourceIndex,
): readonly Filter[] {
  const cluster = inboundClusterName(port);
  const self = workloadOf(pod, index, node.clusterId);
  if (carriedAs === 'TCP') return tcpFilters(cluster, 'inbound', node.client, self);
  const value = { ...plainAction(cluster).value, retryPolicy: inboundRetry };
  const route = { name: 'default', match: matchEverything, action: { case: 'route' as const, value } };
  const manager = connectionManager({
    side: 'inbound',
    statPrefix: `inbound_0.0.0.0_${port}`,
    routes: {
      name: cluster,
      virtualHosts: [{ name: `inbound|http|${port}`, domains: ['*'], routes: [route] }],
      validateClusters: false,
      ...peerHeaderGuard(node.client),
    },
    client: node.client,
    self,
    grpcWeb,
  });
  return [manager];
}
