/** Endpoints that are chosen before somebody asks for them, so that connections can be made ahead. */
import type { ConnectionPool } from '../pool/contract.ts';
import { MOST_AHEAD, needsMore } from '../pool/preconnect.ts';
import type { Endpoint } from './endpoint.ts';
import { newPickContext, type PickContext } from './pick-context.ts';
import type { ClusterSettings } from './settings.ts';

/** What endpoints are chosen from. */
export interface Choice {
  pick(context: PickContext): Endpoint | undefined;
  members(): { readonly healthy: number };
}

const nobody = newPickContext();

/** As in Envoy, not where requests say more than that they want an endpoint. */
export function looksAhead({ policy, pool, subsets, overrides }: ClusterSettings): boolean {
  if (pool.preconnect.predictive <= 1 || subsets !== undefined || overrides !== undefined) return false;
  return policy.kind === 'round_robin' || policy.kind === 'random';
}

export class LookAhead {
  readonly #choice: Choice;
  readonly #changes: () => number;
  /** In the order in which they will be given. */
  #next: Endpoint[] = [];
  #revision = 0;

  /** @param changes another number says that there may be other endpoints */
  constructor(choice: Choice, changes: () => number) {
    this.#choice = choice;
    this.#changes = changes;
  }

  /** Those that were looked at come first. */
  pick(context: PickContext): Endpoint | undefined {
    this.#follow();
    const { attempts, refusal } = context;
    let endpoint: Endpoint | undefined;
    for (let i = 0; i < attempts; i++) {
      endpoint = this.#next.shift();
      if (endpoint === undefined) return this.#choice.pick(context);
      if (refusal?.refuses(endpoint) !== true) return endpoint;
    }
    return endpoint;
  }

  /** One that will be picked later; undefined where as many are known as there are healthy ones. */
  peek(): Endpoint | undefined {
    this.#follow();
    if (this.#next.length >= this.#choice.members().healthy) return undefined;
    const endpoint = this.#choice.pick(nobody);
    if (endpoint !== undefined) this.#next.push(endpoint);
    return endpoint;
  }

  /** Makes connections to endpoints that requests will go to, one of which is about to come. */
  prepare(
    endpoints: readonly Endpoint[],
    predictive: number,
    poolTo: (endpoint: Endpoint) => ConnectionPool,
  ): void {
    for (let i = 0; i < MOST_AHEAD; i++) {
      const provision = { pending: 0, active: 0, capacity: 0 };
      for (const endpoint of endpoints) endpoint.addProvision(provision);
      if (!needsMore(provision, predictive, 1)) return;
      const endpoint = this.peek();
      if (endpoint === undefined || !poolTo(endpoint).prepare(predictive)) return;
    }
  }

  #follow(): void {
    const revision = this.#changes();
    if (this.#revision === revision) return;
    this.#revision = revision;
    this.#next = [];
  }
}
