/** A `ClusterLoadAssignment` as a list of endpoints with their traits. */
import { hostPort } from '#core/ip-address.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Address, SocketAddress } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type {
  Endpoint_AdditionalAddress,
  Endpoint_HealthCheckConfig,
  LbEndpoint,
  LocalityLbEndpoints,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { isAddress } from '../dns/named-host.ts';
import type { Findings } from '../findings.ts';
import { partsOf } from '../runtime/values.ts';
import { type AssignmentPolicy, plainAssignmentPolicy } from './balancer.ts';
import {
  type EndpointCheck,
  type EndpointTraits,
  type Locality,
  plainCheck,
  type Target,
  type TcpTarget,
} from './endpoint.ts';
import { flagsOfEds } from './health.ts';
import { OVERPROVISIONING } from './priority-load.ts';
import { sharedSettings, sharedTraits } from './shared-settings.ts';

/** What a load assignment says. */
export interface Assignment {
  readonly endpoints: readonly AssignedEndpoint[];
  readonly policy: AssignmentPolicy;
  /** How much of the requests is turned down, 0 to 1. */
  readonly dropRatio: number;
}

export const noEndpoints: Assignment = { endpoints: [], policy: plainAssignmentPolicy, dropRatio: 0 };

export interface AssignedEndpoint {
  readonly address: string;
  readonly target: Target;
  readonly traits: EndpointTraits;
}

const MAX_PORT = 65535;
/** Of a locality. */
const MAX_PRIORITY = 128;
const NO_IP = 'must be an IP address with a port, as the endpoint has several addresses';

/** Reads an endpoint at a time. */
export function* readAssignment(
  assignment: ClusterLoadAssignment,
  path: string,
  findings: Findings,
): Steps<Assignment> {
  const endpoints: AssignedEndpoint[] = [];
  const { overprovisioningFactor: overprovisioning = OVERPROVISIONING, weightedPriorityHealth } =
    assignment.policy ?? {};
  if (overprovisioning === 0) {
    findings.error(`${path}policy.overprovisioning_factor`, 'must be greater than 0');
  }
  findings.refuse(`${path}policy.endpoint_stale_after`, assignment.policy?.endpointStaleAfter !== undefined);
  for (const [g, group] of assignment.endpoints.entries()) {
    const { region = '', zone = '', subZone = '' } = group.locality ?? {};
    const locality: Locality = { region, zone, subZone };
    if (group.priority > MAX_PRIORITY)
      findings.error(`${path}endpoints[${g}].priority`, `must be at most ${MAX_PRIORITY}`);
    if (group.loadBalancingWeight === 0)
      findings.error(`${path}endpoints[${g}].load_balancing_weight`, 'must be greater than 0');
    for (const [e, entry] of group.lbEndpoints.entries()) {
      const at = (): string => `${path}endpoints[${g}].lb_endpoints[${e}]`;
      const endpoint = readEndpoint(entry, group, locality, at, findings);
      if (endpoint !== undefined) endpoints.push(endpoint);
      yield;
    }
  }
  // What was pushed to has room for more, in each of thousands of clusters.
  return {
    endpoints: endpoints.slice(),
    policy: sharedSettings({ overprovisioning, weightedHealth: weightedPriorityHealth === true }),
    dropRatio: readDropRatio(assignment, path, findings),
  };
}

function readDropRatio({ policy }: ClusterLoadAssignment, path: string, findings: Findings): number {
  const { dropOverloads: [drop, ...more] = [] } = policy ?? {};
  if (more.length > 0) findings.error(`${path}policy.drop_overloads`, 'must be one at most');
  if (drop === undefined) return 0;
  if (drop.category === '') findings.error(`${path}policy.drop_overloads[0].category`, 'is missing');
  const { dropPercentage: share } = drop;
  const ratio = share === undefined ? 0 : share.numerator / partsOf(share);
  if (ratio > 1) findings.error(`${path}policy.drop_overloads[0].drop_percentage`, 'must be 100 % at most');
  return ratio;
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
  const { address, hostname, additionalAddresses, healthCheckConfig } = entry.hostIdentifier.value;
  const target = readTarget(address, () => `${at()}.endpoint.address`, findings);
  if (entry.loadBalancingWeight === 0)
    findings.error(`${at()}.load_balancing_weight`, 'must be greater than 0');
  if (target === undefined) return undefined;
  return {
    address: target.text,
    target: target.target,
    traits: sharedTraits({
      weight: entry.loadBalancingWeight ?? 1,
      edsFlags: flagsOfEds(entry.healthStatus),
      priority: group.priority,
      locality,
      localityWeight: group.loadBalancingWeight ?? 0,
      metadata: entry.metadata,
      hostname,
      additional: readAdditional(additionalAddresses, target.target, at, findings),
      check:
        healthCheckConfig === undefined
          ? plainCheck
          : readCheck(
              healthCheckConfig,
              target.target,
              () => `${at()}.endpoint.health_check_config`,
              findings,
            ),
    }),
  };
}

const none: readonly TcpTarget[] = [];

function readAdditional(
  addresses: readonly Endpoint_AdditionalAddress[],
  first: Target,
  at: () => string,
  findings: Findings,
): readonly TcpTarget[] {
  if (addresses.length === 0) return none;
  if (first.kind !== 'tcp') findings.error(`${at()}.endpoint.address`, NO_IP);
  return addresses.flatMap(({ address }, i) => {
    const path = `${at()}.endpoint.additional_addresses[${i}].address`;
    const target = readTarget(address, () => path, findings)?.target;
    if (target === undefined) return [];
    if (target.kind === 'tcp' && isAddress(target.host)) return [target];
    findings.error(path, NO_IP);
    return [];
  });
}

/** @param serving where requests go */
function readCheck(
  { portValue, hostname, address, disableActiveHealthCheck: disabled }: Endpoint_HealthCheckConfig,
  serving: Target,
  path: () => string,
  findings: Findings,
): EndpointCheck {
  if (portValue > MAX_PORT) {
    findings.error(`${path()}.port_value`, `${portValue} is no port (0 to ${MAX_PORT})`);
  }
  const own = address && readTarget(address, () => `${path()}.address`, findings)?.target;
  const target = own ?? serving;
  if (portValue > 0 && target.kind !== 'tcp') {
    findings.error(`${path()}.port_value`, 'is only for addresses of TCP');
  }
  if (own === undefined && portValue === 0) return { disabled, hostname };
  const port = portValue || (target.kind === 'tcp' ? target.port : 0);
  const at: Target = target.kind === 'tcp' ? { ...target, port } : target;
  return { disabled, hostname, target: at, address: at.kind === 'tcp' ? hostPort(at.host, port) : hostname };
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
  // Joined it is one text, and not two that are shown as one.
  const text = host.includes(':') ? hostPort(host, port) : [host, port].join(':');
  return { target: { kind: 'tcp', host, port }, text };
}
