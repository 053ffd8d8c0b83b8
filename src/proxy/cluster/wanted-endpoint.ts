/** An endpoint that a filter wants a request to go to (Envoy, `setUpstreamOverrideHost`). */
import type { Endpoint } from './endpoint.ts';

export interface WantedEndpoint {
  readonly address: string;
  /** Whether nothing else will do. */
  readonly isStrict: boolean;
  /** Of the answer where the cluster has no such endpoint and nothing else will do. */
  readonly missingStatus: number;
}

/** Made on first use; lists of endpoints are replaced, not changed. */
const indexes = new WeakMap<readonly Endpoint[], ReadonlyMap<string, Endpoint>>();

/** Whatever is known against it; undefined where there is none. */
export function endpointAt(address: string, endpoints: readonly Endpoint[]): Endpoint | undefined {
  let index = indexes.get(endpoints);
  if (index === undefined) {
    index = new Map(endpoints.map((endpoint) => [endpoint.address, endpoint]));
    indexes.set(endpoints, index);
  }
  return index.get(address);
}
