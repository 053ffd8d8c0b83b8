/**
 * Claims of StatefulSets' instances that there are not to be any more, as `persistentVolumeClaimRetentionPolicy` says.
 * What changed while no mesh ran is not looked at: nothing is taken away for it.
 */
import { claimNameOf } from './claim-plan.ts';
import type { InstancePlace } from './instance.ts';
import type { WorkloadPlan } from './workload-plan.ts';

interface Held {
  readonly plan: WorkloadPlan;
  readonly place: Pick<InstancePlace, 'name'>;
  readonly hasEnded: boolean;
}

interface Claim {
  readonly namespace: string;
  readonly name: string;
}

export class ClaimRetention {
  readonly #remove: (claim: Claim) => void;
  /** By key of the claim: they go when nobody uses them any more. */
  readonly #condemned = new Map<string, Claim>();

  constructor(remove: (claim: Claim) => void) {
    this.#remove = remove;
  }

  /**
   * @param gone has stopped
   * @param latest the plan of its workload, where there is one still
   * @param left all other instances
   */
  released({ plan, place }: Held, latest: WorkloadPlan | undefined, left: Iterable<Held>): void {
    if (isDeleted(plan, place.name, latest)) {
      for (const claim of claimsOf({ plan, place }, 'of the instance'))
        this.#condemned.set(keyOf(claim), claim);
    }
    const users = [...left].filter(({ hasEnded }) => !hasEnded);
    const used = new Set(users.flatMap((user) => claimsOf(user, 'all').map(keyOf)));
    for (const [key, claim] of this.#condemned) {
      if (used.has(key)) continue;
      this.#condemned.delete(key);
      this.#remove(claim);
    }
  }

  /** There is to be such an instance again, and it finds what it had. */
  taken(held: Pick<Held, 'plan' | 'place'>): void {
    for (const claim of claimsOf(held, 'all')) this.#condemned.delete(keyOf(claim));
  }
}

function isDeleted(plan: WorkloadPlan, pod: string, latest: WorkloadPlan | undefined): boolean {
  if (plan.claimRetention === undefined) return false;
  if (latest?.ordinals === undefined) return plan.claimRetention.whenDeleted === 'Delete';
  const { name, replicas, ordinals, claimRetention } = latest;
  const wanted = Array.from({ length: replicas }, (_, at) => `${name}-${ordinals.start + at}`);
  return !wanted.includes(pod) && claimRetention?.whenScaled === 'Delete';
}

function claimsOf(
  { plan: { namespace, volumes }, place }: Pick<Held, 'plan' | 'place'>,
  which: 'all' | 'of the instance',
): readonly Claim[] {
  return volumes.flatMap(({ written }) => {
    const name = claimNameOf(written, place.name);
    if (name === undefined || (which !== 'all' && written.claim?.of !== 'the instance')) return [];
    return [{ namespace, name }];
  });
}

const keyOf = ({ namespace, name }: Claim): string => `${namespace}/${name}`;
