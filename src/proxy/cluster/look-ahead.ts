/** Endpoints that are chosen before somebody asks for them, so that connections can be made ahead. */
import type { Endpoint } from './endpoint.ts';
import { newPickContext, type PickContext } from './pick-context.ts';

/** What endpoints are chosen from. */
export interface Choice {
  /** Another number says that there may be other endpoints. */
  readonly revision: number;
  pick(context: PickContext): Endpoint | undefined;
  members(): { readonly healthy: number };
}

const nobody = newPickContext();

export class LookAhead {
  readonly #choice: Choice;
  /** In the order in which they will be given. */
  #next: Endpoint[] = [];
  #revision = 0;

  constructor(choice: Choice) {
    this.#choice = choice;
  }

  /** Those that were looked at come first. */
  pick(context: PickContext): Endpoint | undefined {
    this.#follow();
    const { attempts, tried } = context;
    let endpoint: Endpoint | undefined;
    for (let i = 0; i < attempts; i++) {
      endpoint = this.#next.shift();
      if (endpoint === undefined) return this.#choice.pick(context);
      if (tried?.has(endpoint) !== true) return endpoint;
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

  #follow(): void {
    if (this.#revision === this.#choice.revision) return;
    this.#revision = this.#choice.revision;
    this.#next = [];
  }
}
