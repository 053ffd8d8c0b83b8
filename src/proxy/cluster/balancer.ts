/** What chooses among the endpoints of a cluster. */
import type { Steps } from '#core/time-slice.ts';
import type { Endpoint } from './endpoint.ts';
import type { PickContext } from './pick-context.ts';
import { OVERPROVISIONING } from './priority-load.ts';

/** What a load assignment says of all its endpoints. */
export interface AssignmentPolicy {
  /** Percents. */
  readonly overprovisioning: number;
  /** Whether the health of a priority is the sum of weights instead of the number of endpoints. */
  readonly weightedHealth: boolean;
}

export const plainAssignmentPolicy: AssignmentPolicy = {
  overprovisioning: OVERPROVISIONING,
  weightedHealth: false,
};

/** How many endpoints there are. */
export interface Members {
  readonly healthy: number;
  readonly degraded: number;
  readonly excluded: number;
}

export interface Balancer {
  readonly endpoints: readonly Endpoint[];
  /**
   * Makes what chooses among these, and then puts it in the place of what is there; {@link refresh} follows, as
   * flags may have changed meanwhile.
   *
   * @returns whether it did: it gives way to a call that comes while it is under way.
   */
  replace(endpoints: readonly Endpoint[], policy: AssignmentPolicy): Steps<boolean>;
  /** Flags of endpoints have changed; {@link refresh} follows. */
  noteChange(): void;
  /** Weights of endpoints have changed; {@link refresh} follows. */
  noteWeights(): void;
  refresh(): Steps<void>;
  members(): Members;
  /** Undefined where there is none to be had. */
  pick(context: PickContext): Endpoint | undefined;
}
