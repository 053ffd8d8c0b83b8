/** What is behind a service -> ClusterLoadAssignment. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { selects } from '#model/metadata.ts';
import type { ServicePort } from '#model/service.ts';
import type { LbEndpointSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Instance } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type OutboundTarget, targetName, targetPreference } from './cluster.ts';
import { enteredEndpoints } from './entry-endpoint.ts';
import { filterMetadata, type Init, socketAddress } from './message.ts';
import { acceptsMutualTls } from './mutual-tls.ts';
import { type CallerPlace, type PlacedEndpoint, placeEndpoints } from './placement.ts';
import { workloadOfInstance } from './workload.ts';

type Endpoint = Init<typeof LbEndpointSchema>;

/** @param caller who asks; endpoints are in the order that it prefers */
export function translateEndpoints(
  target: OutboundTarget,
  caller: CallerPlace,
  index: ResourceIndex,
): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, {
    clusterName: targetName(target),
    endpoints: placeEndpoints(endpointsOf(target, index), targetPreference(target, index.settings), caller),
  });
}

function endpointsOf({ service, port, subset }: OutboundTarget, index: ResourceIndex): PlacedEndpoint[] {
  const labelsOfSubset = subset?.labels ?? {};
  const entered = enteredEndpoints(service, port, labelsOfSubset, index);
  if (entered.length > 0) return entered;
  return index
    .instancesOf(service)
    .filter(({ labels }) => selects(labelsOfSubset, labels))
    .filter((instance) => isEndpoint(instance, service))
    .flatMap((instance) => {
      const endpoint = endpointOf(instance, port, index);
      const { locality, labels, weight } = instance;
      return endpoint === undefined ? [] : [{ locality, labels, weight, endpoint }];
    });
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
