/** The checks of one endpoint, one after the other, and what follows from them (Envoy, `ActiveHealthCheckSession`). */
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { Endpoint } from '../endpoint.ts';
import { healthFlag } from '../health.ts';
import type { HealthChecker } from './checker.ts';
import type { Probe, ProbeFailure, ProbeHandler } from './probe.ts';

const INTERVAL = 0;
const TIMEOUT = 1;

export type FailureType = ProbeFailure['type'] | 'NETWORK_TIMEOUT' | 'PASSIVE';

/** `pending`: more of the same is needed. */
export type Transition = 'unchanged' | 'changed' | 'pending';

const FAILED = healthFlag.failed_active_hc;
const DEGRADED = healthFlag.degraded_active_hc;
const PENDING = healthFlag.pending_active_hc;
const IMMEDIATE = healthFlag.excluded_via_immediate_hc_fail;
const TIMED_OUT = healthFlag.active_hc_timeout;

export class CheckSession implements TimerOwner, ProbeHandler {
  readonly endpoint: Endpoint;
  readonly #checker: HealthChecker;
  readonly #probe: Probe;
  readonly #interval = new Timer(this, INTERVAL);
  readonly #timeout = new Timer(this, TIMEOUT);
  #first = true;
  #healthy = 0;
  #unhealthy = 0;

  constructor(endpoint: Endpoint, checker: HealthChecker, makeProbe: (handler: ProbeHandler) => Probe) {
    this.endpoint = endpoint;
    this.#checker = checker;
    this.#probe = makeProbe(this);
    this.#count(1);
  }

  /** Whether no check has ended yet. */
  get isNew(): boolean {
    return this.#first;
  }

  start(): void {
    const { settings, deps } = this.#checker;
    const { initialJitterMs } = settings;
    if (initialJitterMs === 0) this.#begin();
    else deps.wheel.arm(this.#interval, deps.random.below(Math.ceil(initialJitterMs)));
  }

  onTimer(kind: number): void {
    if (kind === INTERVAL) {
      this.#begin();
      return;
    }
    this.#probe.abort();
    this.#fail('NETWORK_TIMEOUT', {});
  }

  #begin(): void {
    const { deps, settings, stats } = this.#checker;
    deps.wheel.arm(this.#timeout, settings.timeoutMs);
    stats.attempt.inc();
    this.#probe.begin();
  }

  comparesService(): void {
    this.#checker.stats.verifyCluster.inc();
  }

  passed(degraded: boolean): void {
    const { settings, stats, log } = this.#checker;
    const { endpoint } = this;
    const before = endpoint.flags;
    let flags = before;
    let transition: Transition = 'unchanged';
    this.#unhealthy = 0;
    if ((flags & FAILED) !== 0) {
      if (this.#first || ++this.#healthy === settings.healthyThreshold) {
        flags &= ~(FAILED | IMMEDIATE | TIMED_OUT);
        transition = 'changed';
        log?.added(endpoint, this.#first);
      } else transition = 'pending';
    }
    if ((flags & PENDING) !== 0) {
      flags &= ~PENDING;
      transition = 'changed';
    }
    if (degraded !== ((flags & DEGRADED) !== 0)) {
      flags ^= DEGRADED;
      if (transition === 'unchanged') transition = 'changed';
      if (degraded) log?.degraded(endpoint);
      else log?.notDegraded(endpoint);
    }
    if (settings.logsSuccesses) log?.succeeded(endpoint);
    stats.success.inc();
    this.#first = false;
    this.#apply(flags);
    this.#checker.onResult(this, true);
    this.#next(true, transition);
  }

  failed(failure: ProbeFailure): void {
    this.#fail(failure.type, failure);
  }

  #fail(type: FailureType, failure: Omit<ProbeFailure, 'type'>): void {
    const transition = this.#setUnhealthy(type, failure);
    this.#next(false, transition);
  }

  /** An answer to a request says that it is not well. */
  failPassively(): void {
    this.#setUnhealthy('PASSIVE', { immediate: true });
  }

  #setUnhealthy(type: FailureType, { retriable, immediate, status }: Omit<ProbeFailure, 'type'>): Transition {
    const { settings, stats, log } = this.#checker;
    const { endpoint } = this;
    const ofNetwork = type === 'NETWORK' || type === 'NETWORK_TIMEOUT';
    let flags = endpoint.flags;
    let transition: Transition = 'unchanged';
    this.#healthy = 0;
    if (immediate === true) flags |= IMMEDIATE;
    if ((flags & FAILED) === 0) {
      const decided = !ofNetwork && retriable !== true;
      if (decided || ++this.#unhealthy === settings.unhealthyThreshold) {
        flags |= FAILED;
        transition = 'changed';
        log?.ejected(endpoint, type, status);
      } else transition = 'pending';
    }
    if (type === 'NETWORK_TIMEOUT') flags |= TIMED_OUT;
    else flags &= ~TIMED_OUT;
    if ((flags & PENDING) !== 0) {
      flags &= ~PENDING;
      transition = 'changed';
    }
    if (this.#first || settings.logsFailures) log?.failed(endpoint, type, this.#first, status);
    stats.failure.inc();
    if (ofNetwork) stats.networkFailure.inc();
    else if (type === 'PASSIVE') stats.passiveFailure.inc();
    this.#first = false;
    this.#apply(flags);
    this.#checker.onResult(this, false);
    return transition;
  }

  #apply(flags: number): void {
    if (flags === this.endpoint.flags) return;
    this.#count(-1);
    this.#checker.deps.setFlags(this.endpoint, flags);
    this.#count(1);
  }

  #count(by: number): void {
    const { flags } = this.endpoint;
    const { healthy, degraded } = this.#checker.stats;
    if ((flags & FAILED) === 0) healthy.add(by);
    if ((flags & DEGRADED) !== 0) degraded.add(by);
  }

  #next(healthy: boolean, transition: Transition): void {
    const { wheel } = this.#checker.deps;
    wheel.disarm(this.#timeout);
    wheel.arm(this.#interval, this.#checker.intervalMs(healthy, transition));
  }

  close(): void {
    const { wheel } = this.#checker.deps;
    wheel.disarm(this.#timeout);
    wheel.disarm(this.#interval);
    this.#probe.close();
    this.#count(-1);
  }
}
