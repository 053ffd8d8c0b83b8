/** Endpoints that a ServiceEntry names -> what a ClusterLoadAssignment has of them, by locality. */
import { create } from '@bufbuild/protobuf';
import { type Labels, selects } from '#model/metadata.ts';
import type { ServicePort } from '#model/service.ts';
import { UNIX, type WorkloadEntrySpec } from '#model/workload-entry.ts';
import { type Address, AddressSchema } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { LocalityLbEndpointsSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { endpointPortOf } from './entry-port.ts';
import { filterMetadata, type Init, socketAddress } from './message.ts';
import { endpointAcceptsMutualTls } from './mutual-tls.ts';

/** What the field holds. */
const MAX_WEIGHT = 2 ** 32 - 1;

export type LocalityEndpoints = Init<typeof LocalityLbEndpointsSchema>;

/** Empty for what names none. @param subset labels that an endpoint must have */
export function enteredEndpoints(
  service: MeshService,
  port: ServicePort,
  subset: Labels,
  index: ResourceIndex,
): LocalityEndpoints[] {
  const chosen = (service.entry?.endpoints ?? []).filter(({ labels }) => selects(subset, labels));
  const byLocality = Map.groupBy(chosen, ({ locality = '' }) => locality);
  return [...byLocality].map(([place, endpoints]) => {
    const [region = '', zone = '', subZone = ''] = place.split('/');
    return {
      locality: { region, zone, subZone },
      lbEndpoints: endpoints.map((endpoint) => lbEndpoint(endpoint, service, port, index)),
      loadBalancingWeight: Math.min(
        endpoints.reduce((sum, { weight }) => sum + weight, 0),
        MAX_WEIGHT,
      ),
    };
  });
}

type LbEndpoint = NonNullable<LocalityEndpoints['lbEndpoints']>[number];

function lbEndpoint(
  endpoint: WorkloadEntrySpec,
  service: MeshService,
  port: ServicePort,
  index: ResourceIndex,
): LbEndpoint {
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
