/** A `ClusterLoadAssignment` as a list of endpoints with their traits. */
import { hostPort } from '#core/ip-address.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Address, SocketAddress } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import { HealthStatus } from '#xds/gen/envoy/config/core/v3/health_check_pb.js';
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Findings } from '../findings.ts';
import type { EndpointTraits, Locality, Target } from './endpoint.ts';
import { OVERPROVISIONING } from './priority-load.ts';

export interface AssignedEndpoint {
  readonly address: string;
  readonly target: Target;
  readonly traits: EndpointTraits;
}

const MAX_PORT = 65535;
const UNHEALTHY: readonly HealthStatus[] = [
  HealthStatus.UNHEALTHY,
  HealthStatus.TIMEOUT,
  HealthStatus.DRAINING,
];

/** Reads an endpoint at a time. */
export function* readAssignment(
  assignment: ClusterLoadAssignment,
  path: string,
  findings: Findings,
): Steps<AssignedEndpoint[]> {
  const endpoints: AssignedEndpoint[] = [];
  findings.refuse(`${path}policy.drop_overloads`, (assignment.policy?.dropOverloads.length ?? 0) > 0);
  const { overprovisioningFactor: factor = OVERPROVISIONING } = assignment.policy ?? {};
  if (factor !== OVERPROVISIONING) {
    findings.error(`${path}policy.overprovisioning_factor`, `only ${OVERPROVISIONING} is supported`);
  }
  findings.refuse(
    `${path}policy.weighted_priority_health`,
    assignment.policy?.weightedPriorityHealth === true,
  );
  findings.refuse(`${path}policy.endpoint_stale_after`, assignment.policy?.endpointStaleAfter !== undefined);
  for (const [g, group] of assignment.endpoints.entries()) {
    const { region = '', zone = '', subZone = '' } = group.locality ?? {};
    const locality: Locality = { region, zone, subZone };
    for (const [e, entry] of group.lbEndpoints.entries()) {
      const at = (): string => `${path}endpoints[${g}].lb_endpoints[${e}]`;
      const endpoint = readEndpoint(entry, group, locality, at, findings);
      if (endpoint !== undefined) endpoints.push(endpoint);
      yield;
    }
  }
  return endpoints;
}

/** @param at gives the path; it is asked for where something is wrong. */
function readEndpoint(
  entry: LbEndpoint,
  group: LocalityLbEndpoints,
  locality: Locality,
  at: () => string,
  findings: Findings,
): AssignedEndpoint | undefined {
  if (entry.hostIdentifier.case !== 'endpoint') {
    findings.error(at(), 'has no endpoint');
    return undefined;
  }
  const { address, hostname, additionalAddresses } = entry.hostIdentifier.value;
  if (additionalAddresses.length > 0) findings.refuse(`${at()}.endpoint.additional_addresses`, true);
  const target = readTarget(address, () => `${at()}.endpoint.address`, findings);
  if (target === undefined) return undefined;
  return {
    address: target.text,
    target: target.target,
    traits: {
      weight: entry.loadBalancingWeight ?? 1,
      healthy: !UNHEALTHY.includes(entry.healthStatus),
      priority: group.priority,
      locality,
      localityWeight: group.loadBalancingWeight ?? 0,
      metadata: entry.metadata,
      hostname,
    },
  };
}

/** @param path gives it; it is asked for where something is wrong. */
export function readTarget(
  address: Address | undefined,
  path: () => string,
  findings: Findings,
): { readonly target: Target; readonly text: string } | undefined {
  const of = address?.address;
  switch (of?.case) {
    case 'socketAddress':
      return readSocketAddress(of.value, path, findings);
    case 'pipe':
      return { target: { kind: 'pipe', path: of.value.path }, text: of.value.path };
    case 'envoyInternalAddress': {
      const name = of.value.addressNameSpecifier.value ?? '';
      if (name === '') findings.error(`${path()}.envoy_internal_address.server_listener_name`, 'is missing');
      return { target: { kind: 'internal', listener: name }, text: `envoy://${name}/${of.value.endpointId}` };
    }
    default:
      findings.error(path(), 'is missing');
      return undefined;
  }
}

function readSocketAddress(
  { address: host, portSpecifier, protocol, resolverName }: SocketAddress,
  path: () => string,
  findings: Findings,
): { readonly target: Target; readonly text: string } | undefined {
  if (protocol !== 0) findings.refuse(`${path()}.socket_address.protocol`, true);
  if (resolverName !== '') findings.refuse(`${path()}.socket_address.resolver_name`, true);
  if (portSpecifier.case !== 'portValue') {
    findings.error(`${path()}.socket_address.port_value`, 'is missing');
    return undefined;
  }
  const port = portSpecifier.value;
  if (port > MAX_PORT) {
    findings.error(`${path()}.socket_address.port_value`, `${port} is no port (0 to ${MAX_PORT})`);
  }
  return { target: { kind: 'tcp', host, port }, text: hostPort(host, port) };
}
