/** Endpoints that a ServiceEntry names -> what a ClusterLoadAssignment has of them. */
import { create } from '@bufbuild/protobuf';
import { type Labels, selects } from '#model/metadata.ts';
import type { ServicePort } from '#model/service.ts';
import { UNIX, type WorkloadEntrySpec } from '#model/workload-entry.ts';
import { type Address, AddressSchema } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { endpointPortOf } from './entry-port.ts';
import { filterMetadata, socketAddress } from './message.ts';
import { endpointAcceptsMutualTls } from './mutual-tls.ts';
import type { PlacedEndpoint } from './placement.ts';

/** Empty for what names none. @param subset labels that an endpoint must have */
export function enteredEndpoints(
  service: MeshService,
  port: ServicePort,
  subset: Labels,
  index: ResourceIndex,
): PlacedEndpoint[] {
  return (service.entry?.endpoints ?? [])
    .filter(({ labels }) => selects(subset, labels))
    .map((endpoint) => ({
      locality: endpoint.locality ?? '',
      labels: endpoint.labels,
      weight: endpoint.weight,
      endpoint: lbEndpoint(endpoint, service, port, index),
    }));
}

function lbEndpoint(
  endpoint: WorkloadEntrySpec,
  service: MeshService,
  port: ServicePort,
  index: ResourceIndex,
): PlacedEndpoint['endpoint'] {
  const number = endpointPortOf(endpoint, port);
  const takesTls = endpointAcceptsMutualTls(index, service, endpoint, number);
  return {
    hostIdentifier: { case: 'endpoint', value: { address: addressOf(endpoint.address ?? '', number) } },
    ...(takesTls && { metadata: filterMetadata({ 'envoy.transport_socket_match': { tlsMode: 'istio' } }) }),
    loadBalancingWeight: endpoint.weight,
  };
}

function addressOf(address: string, port: number): Address {
  if (!address.startsWith(UNIX)) return socketAddress(address, port);
  return create(AddressSchema, {
    address: { case: 'pipe', value: { path: address.slice(UNIX.length) } },
  });
}
