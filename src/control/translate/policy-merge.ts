/** Which traffic policy holds for a port of a host, or for a subset of it (Istio's order of precedence). */
import type { DestinationRule, Subset } from '#model/destination-rule.ts';
import type { HostTrafficPolicy, TrafficPolicy } from '#model/traffic-policy.ts';

/**
 * A subset's settings replace those of the rule one by one. What is said for a port replaces all that may be said for one,
 * of the subset as of the rule.
 */
export function policyFor(
  rule: DestinationRule | undefined,
  subset: Subset | undefined,
  port: number,
): HostTrafficPolicy {
  return merged(merged({}, rule?.spec.trafficPolicy, port), subset?.trafficPolicy, port);
}

function merged(base: HostTrafficPolicy, policy: TrafficPolicy | undefined, port: number): HostTrafficPolicy {
  if (policy === undefined) return base;
  const { portLevelSettings = [], ...general } = policy;
  const together = { ...base, ...general };
  const found = portLevelSettings.find((settings) => settings.port.number === port);
  if (found === undefined) return together;
  const { port: _, ...settings } = found;
  const { loadBalancer: _l, connectionPool: _c, outlierDetection: _o, tls: _t, ...ofHost } = together;
  return { ...ofHost, ...settings };
}
