/** Counts responses by the zones they go between. */
import type { Scope } from '#observe/metrics-contract.ts';
import { responseCounter } from './stats.ts';

export class ZoneCounters {
  readonly #from: string;
  readonly #scope: Scope;
  #known: Map<string, (status: number) => void> | undefined;

  /** @param from where this proxy is; '' where nobody says */
  constructor(from: string, scope: Scope) {
    this.#from = from;
    this.#scope = scope;
  }

  /** @param to where requests go; '' where nobody says. @returns undefined where a zone is unknown */
  to(to: string): ((status: number) => void) | undefined {
    if (this.#from === '' || to === '') return undefined;
    this.#known ??= new Map();
    const known = this.#known.get(to);
    if (known !== undefined) return known;
    const counter = responseCounter(this.#scope, `zone.${this.#from}.${to}.`);
    this.#known.set(to, counter);
    return counter;
  }
}
