/**
 * How many requests may be under way: more where requests take as long as they did alone, less where they
 * take longer (Envoy, "Gradient Controller").
 *
 * measuring (few requests, until enough have ended) -> sampling -> measuring
 */
import type { Random } from '#core/random.ts';
import type { Counter, Gauge } from '#observe/metrics-contract.ts';
import { Latencies } from './latencies.ts';

export interface GradientSettings {
  /** 0 to 1: which of the samples counts. */
  readonly percentile: number;
  readonly minLimit: number;
  readonly maxLimit: number;
  /** Between new limits. */
  readonly updateMs: number;
  /** What requests take alone, where it is not measured; 0: it is. */
  readonly fixedMinRttMs: number;
  /** Between measurements, and the share of it that is added at most. */
  readonly measureMs: number;
  readonly jitter: number;
  /** How many requests make a measurement, and how many of them are under way at once. */
  readonly measuredRequests: number;
  readonly measuringLimit: number;
  /** The share of the measured time that requests may take longer. */
  readonly buffer: number;
}

export interface GradientStats {
  readonly rq_blocked: Counter;
  readonly burst_queue_size: Gauge;
  readonly concurrency_limit: Gauge;
  readonly gradient: Gauge;
  readonly min_rtt_calculation_active: Gauge;
  readonly min_rtt_msecs: Gauge;
  readonly sample_rtt_msecs: Gauge;
}

const US_IN_MS = 1000;
const LOWEST_GRADIENT = 0.5;
const HIGHEST_GRADIENT = 2;
/** The gradient as it is shown. */
const SHOWN_GRADIENT = 1000;
/** After so many lowest limits in a row what requests take alone is measured anew. */
const MANY_LOWEST = 5;

export class GradientController {
  readonly #settings: GradientSettings;
  readonly #stats: GradientStats;
  readonly #random: Random;
  readonly #latencies = new Latencies();
  #outstanding = 0;
  #limit = 0;
  /** The limit that holds after the measurement; 0 while there is none. */
  #deferred = 0;
  #epochMs = 0;
  #minRttUs = 0;
  #lowestInARow = 0;
  #nextSampleMs: number;
  #nextMeasureMs = Number.POSITIVE_INFINITY;

  constructor(settings: GradientSettings, stats: GradientStats, random: Random, nowMs: number) {
    this.#settings = settings;
    this.#stats = stats;
    this.#random = random;
    this.#nextSampleMs = nowMs + settings.updateMs;
    this.#setLimit(settings.minLimit, nowMs);
    if (settings.fixedMinRttMs === 0) {
      this.#measure(nowMs);
      return;
    }
    this.#minRttUs = settings.fixedMinRttMs * US_IN_MS;
    stats.min_rtt_msecs.set(settings.fixedMinRttMs);
  }

  /** @returns whether one request more may be under way, which it is then */
  admit(nowMs: number): boolean {
    this.#catchUp(nowMs);
    if (this.#outstanding >= this.#limit) {
      this.#stats.rq_blocked.inc();
      return false;
    }
    this.#outstanding++;
    return true;
  }

  /** An admitted request is over. */
  record(startMs: number, nowMs: number): void {
    this.#catchUp(nowMs);
    this.#outstanding--;
    if (startMs < this.#epochMs) return;
    this.#latencies.add((nowMs - startMs) * US_IN_MS);
    if (this.#deferred > 0 && this.#latencies.count >= this.#settings.measuredRequests)
      this.#endMeasurement(nowMs);
  }

  /** An admitted request came to nothing. */
  cancel(): void {
    this.#outstanding--;
  }

  /** Does what was due: nothing changes before the next request or its end. */
  #catchUp(nowMs: number): void {
    while (this.#deferred === 0) {
      const dueMs = Math.min(this.#nextSampleMs, this.#nextMeasureMs);
      if (nowMs < dueMs) return;
      if (this.#nextMeasureMs === dueMs) this.#measure(nowMs);
      else {
        const { updateMs } = this.#settings;
        this.#nextSampleMs += updateMs * Math.max(1, Math.floor((nowMs - dueMs) / updateMs));
        this.#sample(nowMs);
      }
    }
  }

  #measure(nowMs: number): void {
    const { measuringLimit } = this.#settings;
    this.#stats.min_rtt_calculation_active.set(1);
    this.#nextMeasureMs = Number.POSITIVE_INFINITY;
    this.#deferred = this.#limit;
    this.#setLimit(measuringLimit, nowMs);
    this.#latencies.clear();
    this.#epochMs = nowMs;
  }

  #endMeasurement(nowMs: number): void {
    const { measureMs, jitter, updateMs } = this.#settings;
    this.#minRttUs = this.#takeQuantile();
    this.#stats.min_rtt_msecs.set(Math.floor(this.#minRttUs / US_IN_MS));
    this.#setLimit(this.#deferred, nowMs);
    this.#deferred = 0;
    this.#stats.min_rtt_calculation_active.set(0);
    const range = Math.floor(measureMs * jitter);
    this.#nextMeasureMs = nowMs + measureMs + (range === 0 ? 0 : this.#random.below(range));
    this.#nextSampleMs = nowMs + updateMs;
  }

  #takeQuantile(): number {
    const value = this.#latencies.quantile(this.#settings.percentile);
    this.#latencies.clear();
    return value;
  }

  #sample(nowMs: number): void {
    if (this.#latencies.count === 0) return;
    const { buffer, minLimit, maxLimit } = this.#settings;
    const stats = this.#stats;
    const sampleUs = this.#takeQuantile();
    stats.sample_rtt_msecs.set(Math.floor(sampleUs / US_IN_MS));
    const raw = (this.#minRttUs * (1 + buffer)) / sampleUs;
    const gradient = Math.max(LOWEST_GRADIENT, Math.min(HIGHEST_GRADIENT, raw));
    stats.gradient.set(Math.floor(gradient * SHOWN_GRADIENT));
    const limit = this.#limit * gradient;
    const headroom = Math.sqrt(limit);
    stats.burst_queue_size.set(Math.floor(headroom));
    this.#setLimit(Math.max(minLimit, Math.min(maxLimit, Math.floor(limit + headroom))), nowMs);
  }

  #setLimit(limit: number, nowMs: number): void {
    const { minLimit, fixedMinRttMs } = this.#settings;
    const staysLowest = this.#deferred === 0 && this.#limit === minLimit && limit === minLimit;
    this.#limit = limit;
    this.#stats.concurrency_limit.set(limit);
    this.#lowestInARow = staysLowest ? this.#lowestInARow + 1 : 0;
    if (this.#lowestInARow >= MANY_LOWEST && fixedMinRttMs === 0) this.#nextMeasureMs = nowMs;
  }
}
