/** What a balancing policy is: it is built for a set of endpoints, and picks one of them for a request. */
import type { Random } from '#core/random.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Word64 } from '#core/word64.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { SlowStart } from './slow-start.ts';

/** What policies know of an endpoint. */
export interface Candidate {
  /** `127.0.0.1:9080`; the key of policies that hash, where nothing else is said. */
  readonly address: string;
  readonly traits: { readonly hostname: string; readonly metadata: Metadata | undefined };
  readonly counts: { readonly rqActive: number };
  readonly isHealthy: boolean;
  /** Since when it is, for slow start; undefined: nobody has noted it yet. Monotonic. */
  healthySinceMs: number | undefined;
}

export interface Picker<E extends Candidate> {
  /**
   * Undefined only when there is no endpoint.
   *
   * @param hash of what decides where the request belongs, as unsigned halves; read, not kept. Policies
   * that do not hash ignore it, those that do take a random one where it is absent.
   * @param attempt how many picks for this hash were turned down before: the choice is another one then,
   * but not always another endpoint.
   */
  pick(hash?: Word64, attempt?: number): E | undefined;
  /** Makes before the first pick what that would make, where it would hold up others for long. */
  ready?(): Steps<void>;
}

export interface PolicyDefinition {
  /** Envoy's name of the policy, such as `round_robin`. */
  readonly kind: string;
  /** Whether equal hashes go to equal endpoints. */
  readonly hashes: boolean;
  /**
   * The cluster builds anew whenever its endpoints change; O(n).
   *
   * @param weights of the endpoints in the same order: positive, with a sum of 1.
   */
  build<E extends Candidate>(
    endpoints: readonly E[],
    weights: readonly number[],
    settings: PolicySettings,
  ): Picker<E>;
}

export interface PolicySettings {
  readonly random: Random;
  /** New endpoints get their share little by little. */
  readonly slowStart: SlowStart | undefined;
  /** Least request: all endpoints are compared instead of some that are drawn. */
  readonly fullScan: boolean;
  /** Least request: how many endpoints are drawn and compared. */
  readonly choiceCount: number;
  /** Least request with weights: exponent of the requests in flight. */
  readonly activeRequestBias: number;
  /** Requests in flight in the whole cluster. */
  activeRequests(): number;
  /** Shows a figure of a table under the cluster's name, such as `maglev_lb.min_entries_per_host`. */
  report(name: string, value: number): void;
}
