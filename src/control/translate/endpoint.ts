/** Pods behind a service -> ClusterLoadAssignment. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { type Labels, selects } from '#model/metadata.ts';
import { isReady, type Pod } from '#model/pod.ts';
import type { Service, ServicePort } from '#model/service.ts';
import type { LbEndpointSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { filterMetadata, type Init, socketAddress } from './message.ts';
import { acceptsMutualTls } from './mutual-tls.ts';
import { workloadOf } from './workload.ts';

type Endpoint = Init<typeof LbEndpointSchema>;

/** @param subset labels that the pods must have besides those the service selects. */
export function translateEndpoints(
  clusterName: string,
  service: Service,
  port: ServicePort,
  subset: Labels,
  index: ResourceIndex,
): ClusterLoadAssignment {
  const lbEndpoints = index
    .podsOf(service)
    .filter(({ metadata }) => selects(subset, metadata.labels))
    .filter((pod) => isEndpoint(pod, service))
    .flatMap((pod) => endpointOf(pod, port, index));
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    // gRPC ignores a locality without weight.
    endpoints:
      lbEndpoints.length === 0
        ? []
        : [{ locality: {}, lbEndpoints, loadBalancingWeight: lbEndpoints.length }],
  });
}

/** The port of the pod that a service port means; undefined if it is named and the pod has no such name. */
export function targetPortOf(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  for (const container of pod.spec.containers) {
    const found = container.ports.find(({ name }) => name === target);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

/** Whether the service sends to the pod. */
export function isEndpoint(pod: Pod, service: Service): boolean {
  if (pod.status.podIP === undefined) return false;
  return (
    isReady(pod) || (service.spec.publishNotReadyAddresses && pod.metadata.deletionTimestamp === undefined)
  );
}

function endpointOf(pod: Pod, port: ServicePort, index: ResourceIndex): Endpoint[] {
  const target = targetPortOf(pod, port);
  if (target === undefined || pod.status.podIP === undefined) return [];
  const { name, namespace, canonicalName, canonicalRevision, cluster } = workloadOf(pod, index);
  const metadata: Record<string, JsonObject> = {
    istio: { workload: [name, namespace, canonicalName, canonicalRevision, cluster].join(';') },
  };
  if (acceptsMutualTls(index, pod, target)) metadata['envoy.transport_socket_match'] = { tlsMode: 'istio' };
  return [
    {
      hostIdentifier: { case: 'endpoint', value: { address: socketAddress(pod.status.podIP, target) } },
      metadata: filterMetadata(metadata),
      loadBalancingWeight: 1,
    },
  ];
}
