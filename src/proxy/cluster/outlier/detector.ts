/**
 * Decides which endpoints of a cluster are ejected, and when they come back (Envoy, "Outlier detection"). In one
 * thread: the others count, and tell it what they found.
 */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';
import type { Endpoint } from '../endpoint.ts';
import { healthFlag } from '../health.ts';
import type { HostRow } from '../host-cells.ts';
import type { OutlierEventLog } from './event-log.ts';
import { hit } from './monitor.ts';
import type { Detector, OutlierSettings } from './settings.ts';
import type { OutlierStats } from './stats.ts';
import { judgeRates, noRates, type Rates } from './success-rate.ts';

export interface DetectorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly stats: OutlierStats;
  /** Where ejections are told of; undefined: nowhere. */
  readonly log: OutlierEventLog | undefined;
  /** Changes flags of an endpoint, for all threads. */
  setFlags(endpoint: Endpoint, flags: number): void;
}

/** What is remembered of one endpoint. */
export interface Suspect {
  readonly endpoint: Endpoint;
  readonly row: HostRow;
  ejections: number;
  ejectedMs: number;
  unejectedMs: number | undefined;
  /** How many times the base time it stays out. */
  times: number;
  jitterMs: number;
  /** Percents of the last interval; -1: not known. */
  rate: number;
  localRate: number;
}

const EJECTED = healthFlag.failed_outlier_check;

export class OutlierDetector implements TimerOwner {
  readonly #settings: OutlierSettings;
  readonly #deps: DetectorDeps;
  readonly #suspects = new Map<Endpoint, Suspect>();
  readonly #timer = new Timer(this, 0);
  #active = 0;
  /** Of the last interval, for who looks. */
  rates: Rates = noRates;
  localRates: Rates = noRates;

  constructor(settings: OutlierSettings, deps: DetectorDeps) {
    this.#settings = settings;
    this.#deps = deps;
    deps.wheel.arm(this.#timer, settings.intervalMs);
  }

  add(endpoint: Endpoint, row: HostRow): void {
    const isEjected = (endpoint.flags & EJECTED) !== 0;
    // A thread before this one may have ejected it.
    if (isEjected) this.#count(1);
    this.#suspects.set(endpoint, {
      ...{ endpoint, row, ejections: isEjected ? 1 : 0, ejectedMs: this.#deps.clock.nowMs() },
      ...{ unejectedMs: undefined, times: isEjected ? 1 : 0, jitterMs: 0, rate: -1, localRate: -1 },
    });
  }

  remove(endpoint: Endpoint): void {
    if (this.#suspects.delete(endpoint) && (endpoint.flags & EJECTED) !== 0) this.#count(-1);
  }

  suspect(endpoint: Endpoint): Suspect | undefined {
    return this.#suspects.get(endpoint);
  }

  /** @param bits of `hits` that some thread has set for it. */
  onHits(endpoint: Endpoint, bits: number): void {
    const suspect = this.#suspects.get(endpoint);
    if (suspect === undefined) return;
    if ((bits & hit.consecutive_gateway_failure) !== 0) this.#onHit(suspect, 'consecutive_gateway_failure');
    if ((bits & hit.consecutive_5xx) !== 0) this.#onHit(suspect, 'consecutive_5xx');
    if ((bits & hit.consecutive_local_origin_failure) !== 0) {
      this.#onHit(suspect, 'consecutive_local_origin_failure');
    }
  }

  /** An active check of the endpoint has succeeded. */
  onCheckPassed(endpoint: Endpoint): void {
    const suspect = this.#suspects.get(endpoint);
    if (suspect === undefined || !this.#settings.unejectedByChecks) return;
    const both = EJECTED | healthFlag.failed_active_hc;
    if ((endpoint.flags & both) === EJECTED) this.#uneject(suspect);
  }

  #onHit(
    suspect: Suspect,
    detector: 'consecutive_5xx' | 'consecutive_gateway_failure' | 'consecutive_local_origin_failure',
  ): void {
    if ((suspect.endpoint.flags & EJECTED) !== 0) return;
    const { stats } = this.#deps;
    stats.detected[detector].inc();
    this.#eject(suspect, detector);
    if (detector === 'consecutive_5xx') stats.consecutive5xx.inc();
    // So that it is found again where it was not ejected.
    suspect.row.set(columns[detector], 0);
  }

  #eject(suspect: Suspect, detector: Detector): void {
    const { stats, clock, random, log } = this.#deps;
    const { maxEjectionPercent, alwaysEjectsOne, baseEjectionMs, maxEjectionMs, jitterMs } = this.#settings;
    const share = (100 * (this.#active + 1)) / this.#suspects.size;
    const allowed = share <= maxEjectionPercent || (alwaysEjectsOne && this.#active === 0);
    if (!allowed) {
      stats.overflow.inc();
      return;
    }
    if (detector === 'consecutive_5xx' || detector === 'success_rate') stats.total.inc();
    const enforced = random.below(100) < this.#settings.enforcing[detector];
    if (!enforced || (suspect.endpoint.flags & EJECTED) !== 0) {
      log?.ejected(suspect, detector, false, this);
      return;
    }
    this.#count(1);
    stats.enforcedTotal.inc();
    stats.enforced[detector].inc();
    suspect.ejections++;
    suspect.ejectedMs = clock.nowMs();
    suspect.jitterMs = jitterMs === 0 ? 0 : random.below(jitterMs + 1);
    if (suspect.times * baseEjectionMs < maxEjectionMs + baseEjectionMs) suspect.times++;
    this.#deps.setFlags(suspect.endpoint, suspect.endpoint.flags | EJECTED);
    log?.ejected(suspect, detector, true, this);
  }

  #uneject(suspect: Suspect): void {
    this.#count(-1);
    for (const name of Object.values(columns)) suspect.row.set(name, 0);
    suspect.unejectedMs = this.#deps.clock.nowMs();
    this.#deps.setFlags(suspect.endpoint, suspect.endpoint.flags & ~EJECTED);
    this.#deps.log?.unejected(suspect);
  }

  #count(by: number): void {
    this.#active += by;
    this.#deps.stats.active.add(by);
  }

  onTimer(): void {
    const { baseEjectionMs, maxEjectionMs, intervalMs } = this.#settings;
    const nowMs = this.#deps.clock.nowMs();
    for (const suspect of this.#suspects.values()) {
      const { endpoint, times, jitterMs, ejectedMs } = suspect;
      if ((endpoint.flags & EJECTED) === 0) continue;
      const outMs = Math.min(baseEjectionMs * times, maxEjectionMs) + jitterMs;
      if (nowMs - ejectedMs >= outMs) this.#uneject(suspect);
    }
    this.#judgeRates();
    for (const suspect of this.#suspects.values()) {
      if ((suspect.endpoint.flags & EJECTED) === 0 && suspect.times > 0) suspect.times--;
    }
    this.#deps.wheel.arm(this.#timer, intervalMs);
  }

  #judgeRates(): void {
    const { stats } = this.#deps;
    const suspects = [...this.#suspects.values()];
    const counts = suspects.map(({ row }) => ({
      external: { good: row.take('externalGood'), all: row.take('external') },
      local: { good: row.take('localGood'), all: row.take('local') },
    }));
    for (const [origin, success, failure] of [
      ['external', 'success_rate', 'failure_percentage'],
      ['local', 'local_origin_success_rate', 'local_origin_failure_percentage'],
    ] as const) {
      const judged = judgeRates(
        suspects.map(({ endpoint }, i) => ({
          ...counts[i]![origin],
          isEjected: (endpoint.flags & EJECTED) !== 0,
        })),
        this.#settings,
      );
      if (origin === 'external') this.rates = judged.rates;
      else this.localRates = judged.rates;
      for (const [i, rate] of judged.shown.entries()) {
        if (origin === 'external') suspects[i]!.rate = rate;
        else suspects[i]!.localRate = rate;
      }
      for (const i of judged.below) {
        stats.successRate.inc();
        stats.detected[success].inc();
        this.#eject(suspects[i]!, success);
      }
      for (const i of judged.failing) {
        stats.detected[failure].inc();
        this.#eject(suspects[i]!, failure);
      }
    }
  }

  close(): void {
    this.#deps.wheel.disarm(this.#timer);
    this.#count(-this.#active);
  }
}

const columns = {
  consecutive_5xx: 'consecutive5xx',
  consecutive_gateway_failure: 'consecutiveGatewayFailure',
  consecutive_local_origin_failure: 'consecutiveLocalOriginFailure',
} as const;
