/** What DestinationRules and ResiliencePolicies say of the cluster that something leads to, by the name of the cluster. */

import { hostPort } from '#core/ip-address.ts';
import type { ResiliencePolicy } from '#model/resilience-policy.ts';
import type { HostTrafficPolicy, Tunnel } from '#model/traffic-policy.ts';
import type { PolicyReader } from '../store/host-policies.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { parseOutboundName } from './names.ts';
import { policyFor } from './policy-merge.ts';

/** @returns {} for clusters that are not of a host */
export function policyOfCluster(
  cluster: string,
  reader: PolicyReader,
  index: ResourceIndex,
): HostTrafficPolicy {
  const name = parseOutboundName(cluster);
  const rule = name && index.destinationRuleFor(name.host, reader);
  if (name === undefined || rule === undefined) return {};
  const subset = rule.spec.subsets.find((one) => one.name === name.subset);
  return policyFor(rule, subset, name.port);
}

export function resilienceOfCluster(
  cluster: string,
  reader: PolicyReader,
  index: ResourceIndex,
): ResiliencePolicy | undefined {
  const name = parseOutboundName(cluster);
  return name && index.resilienceFor(name.host, name.port, name.subset || undefined, reader);
}

/** `HOST:PORT` that connections to the cluster are carried on to, by the host of the cluster. */
export function tunnelOf(cluster: string, reader: PolicyReader, index: ResourceIndex): string | undefined {
  const { tunnel } = policyOfCluster(cluster, reader, index);
  return tunnel && tunnelTarget(tunnel);
}

export function tunnelTarget({ targetHost, targetPort }: Tunnel): string {
  return hostPort(targetHost, targetPort);
}
