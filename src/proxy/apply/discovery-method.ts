/** The method of gRPC that a kind of resources has on a stream of its own, and that of all together. */
import type { DescMethodBiDiStreaming } from '@bufbuild/protobuf';
import { ClusterDiscoveryService } from '#xds/gen/envoy/service/cluster/v3/cds_pb.js';
import { AggregatedDiscoveryService } from '#xds/gen/envoy/service/discovery/v3/ads_pb.js';
import type {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { EndpointDiscoveryService } from '#xds/gen/envoy/service/endpoint/v3/eds_pb.js';
import { ExtensionConfigDiscoveryService } from '#xds/gen/envoy/service/extension/v3/config_discovery_pb.js';
import { ListenerDiscoveryService } from '#xds/gen/envoy/service/listener/v3/lds_pb.js';
import {
  RouteDiscoveryService,
  VirtualHostDiscoveryService,
} from '#xds/gen/envoy/service/route/v3/rds_pb.js';
import { RuntimeDiscoveryService } from '#xds/gen/envoy/service/runtime/v3/rtds_pb.js';
import { SecretDiscoveryService } from '#xds/gen/envoy/service/secret/v3/sds_pb.js';

/** What may have a stream of its own; `ads` is the one of all kinds. */
export type StreamScope =
  | 'ads'
  | 'cluster'
  | 'endpoint'
  | 'listener'
  | 'route'
  | 'virtualHost'
  | 'extension'
  | 'runtime'
  | 'secret';

interface Methods {
  /** Absent where there is but the other. */
  readonly sotw?: DescMethodBiDiStreaming<typeof DiscoveryRequestSchema, typeof DiscoveryResponseSchema>;
  readonly delta: DescMethodBiDiStreaming<
    typeof DeltaDiscoveryRequestSchema,
    typeof DeltaDiscoveryResponseSchema
  >;
}

export const discoveryMethods: Readonly<Record<StreamScope, Methods>> = {
  ads: {
    sotw: AggregatedDiscoveryService.method.streamAggregatedResources,
    delta: AggregatedDiscoveryService.method.deltaAggregatedResources,
  },
  cluster: {
    sotw: ClusterDiscoveryService.method.streamClusters,
    delta: ClusterDiscoveryService.method.deltaClusters,
  },
  endpoint: {
    sotw: EndpointDiscoveryService.method.streamEndpoints,
    delta: EndpointDiscoveryService.method.deltaEndpoints,
  },
  listener: {
    sotw: ListenerDiscoveryService.method.streamListeners,
    delta: ListenerDiscoveryService.method.deltaListeners,
  },
  route: {
    sotw: RouteDiscoveryService.method.streamRoutes,
    delta: RouteDiscoveryService.method.deltaRoutes,
  },
  virtualHost: {
    delta: VirtualHostDiscoveryService.method.deltaVirtualHosts,
  },
  extension: {
    sotw: ExtensionConfigDiscoveryService.method.streamExtensionConfigs,
    delta: ExtensionConfigDiscoveryService.method.deltaExtensionConfigs,
  },
  runtime: {
    sotw: RuntimeDiscoveryService.method.streamRuntime,
    delta: RuntimeDiscoveryService.method.deltaRuntime,
  },
  secret: {
    sotw: SecretDiscoveryService.method.streamSecrets,
    delta: SecretDiscoveryService.method.deltaSecrets,
  },
};
