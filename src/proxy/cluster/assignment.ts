/** A `ClusterLoadAssignment` as a list of endpoints with their traits. */
import type { Address } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import { HealthStatus } from '#xds/gen/envoy/config/core/v3/health_check_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Findings } from '../findings.ts';
import type { EndpointTraits, Target } from './endpoint.ts';

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

export function readAssignment(
  assignment: ClusterLoadAssignment,
  path: string,
  findings: Findings,
): AssignedEndpoint[] {
  const endpoints: AssignedEndpoint[] = [];
  findings.refuse(`${path}policy.drop_overloads`, (assignment.policy?.dropOverloads.length ?? 0) > 0);
  findings.refuse(`${path}policy.endpoint_stale_after`, assignment.policy?.endpointStaleAfter !== undefined);
  assignment.endpoints.forEach((group, g) => {
    const { region = '', zone = '', subZone = '' } = group.locality ?? {};
    group.lbEndpoints.forEach((entry, e) => {
      const at = `${path}endpoints[${g}].lb_endpoints[${e}]`;
      if (entry.hostIdentifier.case !== 'endpoint') {
        findings.error(at, 'has no endpoint');
        return;
      }
      const { address, hostname, additionalAddresses } = entry.hostIdentifier.value;
      findings.refuse(`${at}.endpoint.additional_addresses`, additionalAddresses.length > 0);
      const target = readTarget(address, `${at}.endpoint.address`, findings);
      if (target === undefined) return;
      endpoints.push({
        address: target.text,
        target: target.target,
        traits: {
          weight: entry.loadBalancingWeight ?? 1,
          healthy: !UNHEALTHY.includes(entry.healthStatus),
          priority: group.priority,
          locality: { region, zone, subZone },
          localityWeight: group.loadBalancingWeight ?? 0,
          metadata: entry.metadata,
          hostname,
        },
      });
    });
  });
  return endpoints;
}

export function readTarget(
  address: Address | undefined,
  path: string,
  findings: Findings,
): { readonly target: Target; readonly text: string } | undefined {
  const of = address?.address;
  switch (of?.case) {
    case 'socketAddress': {
      const { address: host, portSpecifier, protocol, resolverName } = of.value;
      findings.refuse(`${path}.socket_address.protocol`, protocol !== 0);
      findings.refuse(`${path}.socket_address.resolver_name`, resolverName !== '');
      if (portSpecifier.case !== 'portValue') {
        findings.error(`${path}.socket_address.port_value`, 'is missing');
        return undefined;
      }
      if (portSpecifier.value > MAX_PORT) {
        findings.error(
          `${path}.socket_address.port_value`,
          `${portSpecifier.value} is no port (0 to ${MAX_PORT})`,
        );
      }
      return {
        target: { kind: 'tcp', host, port: portSpecifier.value },
        text: hostPort(host, portSpecifier.value),
      };
    }
    case 'pipe':
      return { target: { kind: 'pipe', path: of.value.path }, text: of.value.path };
    case 'envoyInternalAddress': {
      const name = of.value.addressNameSpecifier.value ?? '';
      if (name === '') findings.error(`${path}.envoy_internal_address.server_listener_name`, 'is missing');
      return { target: { kind: 'internal', listener: name }, text: `envoy://${name}/${of.value.endpointId}` };
    }
    default:
      findings.error(path, 'is missing');
      return undefined;
  }
}

export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
