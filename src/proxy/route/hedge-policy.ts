/** `HedgePolicy`: whether a try that takes long goes on while another begins (Envoy, "Request hedging"). */
import type { HedgePolicy } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';

/** Undefined where nothing is said. */
export function compileHedgePolicy(
  policy: HedgePolicy | undefined,
  path: string,
  findings: Findings,
): boolean | undefined {
  if (policy === undefined) return undefined;
  const why = 'has no effect, in Envoy too: a second request is sent after per_try_timeout, and not before';
  if (policy.initialRequests === 0) findings.error(`${path}.initial_requests`, 'must be at least 1');
  else if (policy.initialRequests !== undefined) findings.warn(`${path}.initial_requests`, why);
  if (policy.additionalRequestChance !== undefined) findings.warn(`${path}.additional_request_chance`, why);
  return policy.hedgeOnPerTryTimeout;
}
