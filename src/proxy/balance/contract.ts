/** What a balancing policy is: it is built for a set of endpoints, and picks one of them for a request. */
import type { Random } from '#core/random.ts';

/** What policies know of an endpoint. */
export interface Candidate {
  readonly traits: { readonly weight: number };
  readonly counts: { readonly rqActive: number };
}

export interface Picker<E extends Candidate> {
  /** Undefined only when there is no endpoint. */
  pick(): E | undefined;
}

export interface PolicyDefinition {
  /** Envoy's name of the policy, such as `round_robin`. */
  readonly kind: string;
  /** The cluster builds anew whenever its endpoints change; O(n). */
  build<E extends Candidate>(endpoints: readonly E[], settings: PolicySettings): Picker<E>;
}

export interface PolicySettings {
  readonly random: Random;
  /** Least request: how many endpoints are drawn and compared. */
  readonly choiceCount: number;
  /** Least request with weights: exponent of the requests in flight. */
  readonly activeRequestBias: number;
}
