/** Which endpoint an attempt of a request goes to. */
import type { Word64 } from '#core/word64.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { newPickContext } from '../cluster/pick-context.ts';
import type { MetadataCriteria } from '../route/metadata-criteria.ts';
import type { RetryRules } from '../route/retry-policy.ts';
import { type Asking, chooseEndpoint } from './destination.ts';

/** For every pick. */
const context = newPickContext();

/**
 * @param criteria of the metadata of endpoints.
 * @param rules of the retries that may follow, or that this is one of.
 * @param tried the endpoints of earlier attempts, where those are avoided; the one that is chosen is added.
 */
export function nextEndpoint(
  cluster: ClusterRuntime,
  request: Asking,
  criteria: MetadataCriteria | undefined,
  hash: Word64 | undefined,
  rules: RetryRules | undefined,
  tried: Set<Endpoint> | undefined,
): Endpoint | undefined {
  context.hash = hash;
  context.criteria = criteria;
  context.request = request;
  context.metadata = request.metadata;
  context.tried = tried;
  context.attempts = tried === undefined ? 1 : (rules?.hostAttempts ?? 1);
  const endpoint = chooseEndpoint(cluster, request, context);
  if (endpoint !== undefined) tried?.add(endpoint);
  return endpoint;
}
