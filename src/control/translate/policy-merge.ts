/** Which traffic policy holds for a port of a host, or for a subset of it (Istio's order of precedence). */
import type { DestinationRule, Subset } from '#model/destination-rule.ts';
import type { PortTrafficPolicy, TrafficPolicy } from '#model/traffic-policy.ts';

/**
 * The settings of the port replace those of the rule as a whole; a subset's settings replace the
 * result one by one.
 */
export function policyFor(
  rule: DestinationRule | undefined,
  subset: Subset | undefined,
  port: number,
): PortTrafficPolicy {
  const base = atPort(rule?.spec.trafficPolicy, port);
  return subset?.trafficPolicy === undefined ? base : { ...base, ...atPort(subset.trafficPolicy, port) };
}

function atPort(policy: TrafficPolicy | undefined, port: number): PortTrafficPolicy {
  if (policy === undefined) return {};
  const { portLevelSettings = [], ...general } = policy;
  const found = portLevelSettings.find((settings) => settings.port.number === port);
  if (found === undefined) return general;
  const { port: _, ...settings } = found;
  return settings;
}
