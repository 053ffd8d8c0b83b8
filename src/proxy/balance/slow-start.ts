/** Endpoints that are new get a part of their share, which grows with their age (Envoy, "Slow start mode"). */
import type { Candidate } from './contract.ts';

export interface SlowStartRules {
  readonly windowMs: number;
  /** 1: the part grows in a straight line; above: faster at first. */
  readonly aggression: number;
  /** 0 to 1: what an endpoint gets at least. */
  readonly minRatio: number;
}

export class SlowStart {
  readonly #rules: SlowStartRules;
  readonly #nowMs: () => number;
  /** When the newest of the endpoints began. */
  #latestMs = Number.NEGATIVE_INFINITY;

  constructor(rules: SlowStartRules, nowMs: () => number) {
    this.#rules = rules;
    this.#nowMs = nowMs;
  }

  /** Notes which endpoints begin. @returns whether any of those there were is new still */
  begin(endpoints: readonly Candidate[]): boolean {
    const nowMs = this.#nowMs();
    for (const endpoint of endpoints) {
      if (!endpoint.isHealthy) continue;
      endpoint.healthySinceMs ??= nowMs;
      if (nowMs - endpoint.healthySinceMs < this.#rules.windowMs) {
        this.#latestMs = Math.max(this.#latestMs, endpoint.healthySinceMs);
      }
    }
    return this.#isActive(nowMs);
  }

  #isActive(nowMs: number): boolean {
    return nowMs - this.#latestMs <= this.#rules.windowMs;
  }

  /** What part of its weight an endpoint has now: above 0, and 1 from the end of its window on. */
  factorOf({ isHealthy, healthySinceMs }: Candidate): number {
    const nowMs = this.#nowMs();
    if (healthySinceMs === undefined || !isHealthy || !this.#isActive(nowMs)) return 1;
    const { windowMs, aggression, minRatio } = this.#rules;
    const ageMs = Math.floor(nowMs - healthySinceMs);
    if (ageMs >= windowMs) return 1;
    const part = Math.max(1, ageMs) / windowMs;
    return Math.max(aggression === 1 ? part : part ** (1 / aggression), minRatio);
  }
}
