/** Retries as a share of the requests that are under way (Envoy, "Retry budget"). */
import type { LimitedCount } from './limited-count.ts';

export interface RetryBudgetRules {
  readonly percent: number;
  /** As many may always be under way. */
  readonly minConcurrency: number;
}

export class RetryBudget implements LimitedCount {
  readonly #retries: LimitedCount;
  rules: RetryBudgetRules;
  readonly #load: { readonly requests: LimitedCount; readonly pending: LimitedCount };

  /** @param retries what is counted, and shown against the limit that the budget replaces */
  constructor(
    retries: LimitedCount,
    rules: RetryBudgetRules,
    load: { readonly requests: LimitedCount; readonly pending: LimitedCount },
  ) {
    this.#retries = retries;
    this.rules = rules;
    this.#load = load;
  }

  get limit(): number {
    const { percent, minConcurrency } = this.rules;
    const { requests, pending } = this.#load;
    return Math.max(Math.floor((percent / 100) * (requests.value + pending.value)), minConcurrency);
  }

  get value(): number {
    return this.#retries.value;
  }

  take(): boolean {
    if (this.#retries.value >= this.limit) return false;
    this.#retries.force();
    return true;
  }

  force(): void {
    this.#retries.force();
  }

  release(): void {
    this.#retries.release();
  }
}
