/** Which endpoint an attempt of a request goes to. */
import type { Word64 } from '#core/word64.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { healthOf } from '../cluster/health.ts';
import { newPickContext } from '../cluster/pick-context.ts';
import { endpointAt, type WantedEndpoint } from '../cluster/wanted-endpoint.ts';
import type { MetadataCriteria } from '../route/metadata-criteria.ts';
import { type Asking, chooseEndpoint } from './destination.ts';
import type { RetryState } from './retry.ts';

/** For every pick. */
const context = newPickContext();

/**
 * @param criteria of the metadata of endpoints.
 * @param retry of the request; undefined where it is not made again.
 * @param isRetry whether there were attempts before, which `retry` may avoid.
 * @param wanted by a filter, for the first attempt.
 */
export function nextEndpoint(
  cluster: ClusterRuntime,
  request: Asking,
  criteria: MetadataCriteria | undefined,
  hash: Word64 | undefined,
  retry: RetryState | undefined,
  isRetry: boolean,
  wanted: WantedEndpoint | undefined,
): Endpoint | undefined {
  const hosts = retry?.hosts;
  if (wanted !== undefined) {
    const endpoint = endpointAt(wanted.address, cluster.endpoints);
    if (endpoint !== undefined && healthOf(endpoint.flags) !== 'unhealthy') {
      hosts?.add(endpoint);
      return endpoint;
    }
    if (wanted.isStrict) {
      cluster.stats.upstream_cx_none_healthy.inc();
      return undefined;
    }
  }
  context.hash = hash;
  context.criteria = criteria;
  context.request = request;
  context.metadata = request.metadata;
  context.refusal = undefined;
  context.attempts = 1;
  context.shares = undefined;
  if (hosts !== undefined && isRetry) {
    const { rules } = retry!;
    context.refusal = hosts;
    context.attempts = rules.hostAttempts + 1;
    if (rules.priorityFrequency > 0) context.shares = hosts;
  }
  const endpoint = chooseEndpoint(cluster, request, context);
  if (endpoint !== undefined) hosts?.add(endpoint);
  return endpoint;
}
