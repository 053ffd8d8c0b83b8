/** What is behind a service -> ClusterLoadAssignment. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { selects } from '#model/metadata.ts';
import type { ServicePort } from '#model/service.ts';
import {
  type LbEndpoint,
  LbEndpointSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Instance } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type OutboundTarget, targetName, targetPreference } from './cluster.ts';
import { enteredEndpoints } from './entry-endpoint.ts';
import { filterMetadata, socketAddress } from './message.ts';
import { acceptsMutualTls } from './mutual-tls.ts';
import { type CallerPlace, type PlacedEndpoint, placeEndpoints } from './placement.ts';
import { workloadOfInstance } from './workload.ts';

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

/** By port and mode of TLS. */
const endpoints = new WeakMap<Instance, Map<string, LbEndpoint>>();

/** The same message in all services and subsets that an instance is in. */
function endpointOf(instance: Instance, port: ServicePort, index: ResourceIndex): LbEndpoint | undefined {
  const target = instance.portOf(port);
  if (target === undefined || instance.address === undefined) return undefined;
  const speaksTls = acceptsMutualTls(index, instance, target);
  const made = endpoints.get(instance) ?? new Map<string, LbEndpoint>();
  endpoints.set(instance, made);
  const key = `${target} ${speaksTls}`;
  const known = made.get(key) ?? makeEndpoint(instance, instance.address, target, speaksTls);
  made.set(key, known);
  return known;
}

function makeEndpoint(instance: Instance, address: string, target: number, speaksTls: boolean): LbEndpoint {
  const { name, namespace, canonicalName, canonicalRevision, cluster } = workloadOfInstance(instance);
  const metadata: Record<string, JsonObject> = {
    istio: { workload: [name, namespace, canonicalName, canonicalRevision, cluster].join(';') },
  };
  if (speaksTls) metadata['envoy.transport_socket_match'] = { tlsMode: 'istio' };
  return create(LbEndpointSchema, {
    hostIdentifier: { case: 'endpoint', value: { address: socketAddress(address, target) } },
    metadata: filterMetadata(metadata),
    loadBalancingWeight: instance.weight,
  });
}
