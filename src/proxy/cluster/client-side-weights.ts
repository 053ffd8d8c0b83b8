/**
 * Weights that follow from what endpoints report of their load, set every now and then; an endpoint that says nothing
 * has the median of the others (Envoy, "Client-side weighted round robin").
 */
import type { Clock } from '#core/clock.ts';
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';
import { readLoadReport, weightOfReport } from '../balance/load-report.ts';
import type { LoadReportRules } from './client-side-settings.ts';
import type { Endpoint } from './endpoint.ts';

/** What one endpoint has reported. */
export class EndpointLoad {
  readonly #rules: LoadReportRules;
  readonly #clock: Clock;
  #weight = 0;
  /** Monotonic; undefined: it has not reported, or not for long. */
  #sinceMs: number | undefined;
  #lastMs = 0;

  constructor(rules: LoadReportRules, clock: Clock) {
    this.#rules = rules;
    this.#clock = clock;
  }

  /** @param headers of a response, or its trailers. @returns whether they hold a report */
  take(headers: readonly string[]): boolean {
    const report = readLoadReport(headers);
    if (report === undefined) return false;
    const weight = weightOfReport(report, this.#rules);
    if (weight !== undefined) {
      this.#weight = weight;
      this.#lastMs = this.#clock.nowMs();
      this.#sinceMs ??= this.#lastMs;
    }
    return true;
  }

  /** Undefined where it reports too little. */
  weightAt(nowMs: number): number | undefined {
    const { blackoutMs, expiryMs } = this.#rules;
    if (this.#sinceMs === undefined || nowMs - blackoutMs < this.#sinceMs) return undefined;
    if (this.#lastMs >= nowMs - expiryMs) return this.#weight;
    this.#sinceMs = undefined;
    return undefined;
  }
}

export interface ClientSideDeps {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  endpoints(): readonly Endpoint[];
  /** Weights are others now. */
  onChange(): void;
}

export class ClientSideWeights implements TimerOwner {
  readonly #rules: LoadReportRules;
  readonly #deps: ClientSideDeps;
  readonly #timer: Timer;

  constructor(rules: LoadReportRules, deps: ClientSideDeps) {
    this.#rules = rules;
    this.#deps = deps;
    this.#timer = new Timer(this, 0);
    deps.wheel.arm(this.#timer, rules.updateMs);
  }

  admit(endpoint: Endpoint): void {
    endpoint.load = new EndpointLoad(this.#rules, this.#deps.clock);
  }

  close(): void {
    this.#deps.wheel.disarm(this.#timer);
  }

  onTimer(): void {
    this.#deps.wheel.arm(this.#timer, this.#rules.updateMs);
    if (this.#update()) this.#deps.onChange();
  }

  /** @returns whether any weight is another one */
  #update(): boolean {
    const nowMs = this.#deps.clock.nowMs();
    const endpoints = this.#deps.endpoints();
    const reported = endpoints.map(({ load }) => load?.weightAt(nowMs));
    const median = medianOf(reported.filter((weight) => weight !== undefined));
    let changed = false;
    for (const [i, { traits }] of endpoints.entries()) {
      const weight = reported[i] ?? median;
      changed ||= traits.weight !== weight;
      traits.weight = weight;
    }
    return changed;
  }
}

/** A whole number; 1 of nothing. */
function medianOf(weights: readonly number[]): number {
  if (weights.length === 0) return 1;
  const sorted = weights.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return Math.floor((sorted[middle - 1]! + sorted[middle]!) / 2);
}
