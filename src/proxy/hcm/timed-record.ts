/** The time limits of one request (Envoy, "stream timeouts"), on the shared wheel; a timer is made when it is first armed. */
import type { ErrorCode } from '#core/error.ts';
import { createTimer, Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { TrafficRecord } from './record.ts';
import type { DownstreamFacts, HcmRuntime } from './runtime.ts';

const STREAM_IDLE = 0;
const REQUEST = 1;
const DURATION = 2;

/** By the kinds of timers above. */
const timeouts = [
  ['STREAM_IDLE_TIMEOUT', 'downstream_rq_idle_timeout'],
  ['REQUEST_TIMEOUT', 'downstream_rq_timeout'],
  ['MAX_STREAM_DURATION', 'downstream_rq_max_duration_reached'],
] as const;

export abstract class TimedRecord extends TrafficRecord implements TimerOwner {
  readonly runtime: HcmRuntime;
  #idleTimer: Timer | undefined;
  #idleTimeoutMs = 0;
  #requestTimer: Timer | undefined;
  #durationTimer: Timer | undefined;

  constructor(facts: DownstreamFacts, runtime: HcmRuntime) {
    super(facts, runtime.clock);
    this.runtime = runtime;
  }

  /** A limit was reached, and is counted. */
  protected abstract onTimeout(code: ErrorCode): void;

  /** Between two signs of life. 0 switches it off. */
  protected armIdle(timeoutMs: number): void {
    const { wheel } = this.runtime;
    if (timeoutMs === 0) {
      if (this.#idleTimer !== undefined) wheel.disarm(this.#idleTimer);
      this.#idleTimer = undefined;
      return;
    }
    this.#idleTimer ??= createTimer(this, STREAM_IDLE, this.runtime.overload.timers.streamIdle);
    this.#idleTimeoutMs = timeoutMs;
    wheel.arm(this.#idleTimer, timeoutMs, this.startMs);
  }

  /** A sign of life. */
  protected touch(): void {
    if (this.#idleTimer !== undefined) this.runtime.wheel.postpone(this.#idleTimer, this.#idleTimeoutMs);
  }

  /** Until the request is complete. */
  protected armRequest(timeoutMs: number): void {
    this.#requestTimer = new Timer(this, REQUEST);
    this.runtime.wheel.arm(this.#requestTimer, timeoutMs, this.startMs);
  }

  protected disarmRequest(): void {
    if (this.#requestTimer !== undefined) this.runtime.wheel.disarm(this.#requestTimer);
  }

  /** For the whole exchange, from its start. 0: none. */
  armDuration(durationMs: number): void {
    const { wheel, clock } = this.runtime;
    if (durationMs === 0) {
      if (this.#durationTimer !== undefined) wheel.disarm(this.#durationTimer);
      return;
    }
    this.#durationTimer ??= new Timer(this, DURATION);
    const nowMs = clock.nowMs();
    wheel.arm(this.#durationTimer, Math.max(0, durationMs - (nowMs - this.startMs)), nowMs);
  }

  protected disarmAll(): void {
    const { wheel } = this.runtime;
    if (this.#idleTimer !== undefined) wheel.disarm(this.#idleTimer);
    if (this.#requestTimer !== undefined) wheel.disarm(this.#requestTimer);
    if (this.#durationTimer !== undefined) wheel.disarm(this.#durationTimer);
  }

  onTimer(kind: number): void {
    const [code, stat] = timeouts[kind]!;
    this.runtime.stats[stat].inc();
    this.onTimeout(code);
  }
}
