/** What is behind a service -> ClusterLoadAssignment. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { type Labels, selects } from '#model/metadata.ts';
import type { ServicePort } from '#model/service.ts';
import type { LocalitySchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { LbEndpointSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Instance } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { enteredEndpoints } from './entry-endpoint.ts';
import { filterMetadata, type Init, socketAddress } from './message.ts';
import { acceptsMutualTls } from './mutual-tls.ts';
import { workloadOfInstance } from './workload.ts';

type Endpoint = Init<typeof LbEndpointSchema>;

/** @param subset labels that the instances must have besides those the service selects. */
export function translateEndpoints(
  clusterName: string,
  service: MeshService,
  port: ServicePort,
  subset: Labels,
  index: ResourceIndex,
): ClusterLoadAssignment {
  const entered = enteredEndpoints(service, port, subset, index);
  if (entered.length > 0) return create(ClusterLoadAssignmentSchema, { clusterName, endpoints: entered });
  const endpoints = index
    .instancesOf(service)
    .filter(({ labels }) => selects(subset, labels))
    .filter((instance) => isEndpoint(instance, service))
    .flatMap((instance) => {
      const endpoint = endpointOf(instance, port, index);
      return endpoint === undefined
        ? []
        : [{ locality: instance.locality, endpoint, weight: instance.weight }];
    });
  const byLocality = Map.groupBy(endpoints, ({ locality }) => locality);
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: [...byLocality].map(([locality, here]) => ({
      locality: localityOf(locality),
      lbEndpoints: here.map(({ endpoint }) => endpoint),
      // gRPC ignores a locality without weight.
      loadBalancingWeight: here.reduce((sum, { weight }) => sum + weight, 0),
    })),
  });
}

function localityOf(written: string): Init<typeof LocalitySchema> {
  const [region = '', zone = '', subZone = ''] = written.split('/');
  return { region, zone, subZone };
}

/** Whether the service sends to it. */
export function isEndpoint({ address, state }: Instance, service: Pick<MeshService, 'spec'>): boolean {
  if (address === undefined) return false;
  return state === 'ready' || (state === 'not ready' && service.spec.publishNotReadyAddresses);
}

function endpointOf(instance: Instance, port: ServicePort, index: ResourceIndex): Endpoint | undefined {
  const { address, weight } = instance;
  const target = instance.portOf(port);
  if (target === undefined || address === undefined) return undefined;
  const { name, namespace, canonicalName, canonicalRevision, cluster } = workloadOfInstance(instance);
  const metadata: Record<string, JsonObject> = {
    istio: { workload: [name, namespace, canonicalName, canonicalRevision, cluster].join(';') },
  };
  if (acceptsMutualTls(index, instance, target))
    metadata['envoy.transport_socket_match'] = { tlsMode: 'istio' };
  return {
    hostIdentifier: { case: 'endpoint', value: { address: socketAddress(address, target) } },
    metadata: filterMetadata(metadata),
    loadBalancingWeight: weight,
  };
}
