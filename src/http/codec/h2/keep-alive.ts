/** PINGs that see whether the peer is still there: Envoy's `connection_keepalive`. */
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { H2Surroundings } from './connection-events.ts';
import type { KeepAliveOptions } from './options.ts';

export interface KeepAliveEvents {
  sendKeepAlivePing(): void;
  /** No answer came in time. */
  onKeepAliveTimeout(): void;
}

const INTERVAL = 0;
const TIMEOUT = 1;

export class KeepAlive implements TimerOwner {
  readonly #options: KeepAliveOptions;
  readonly #events: KeepAliveEvents;
  readonly #surroundings: H2Surroundings;
  readonly #interval: Timer = new Timer(this, INTERVAL);
  readonly #timeout: Timer = new Timer(this, TIMEOUT);

  constructor(options: KeepAliveOptions, events: KeepAliveEvents, surroundings: H2Surroundings) {
    this.#options = options;
    this.#events = events;
    this.#surroundings = surroundings;
  }

  start(): void {
    const { intervalMs, intervalJitterPercent } = this.#options;
    if (intervalMs === 0) return;
    const { wheel, random } = this.#surroundings;
    const jitter = intervalJitterPercent === 0 ? 0 : (random.ratio() * intervalJitterPercent) / 100;
    wheel.arm(this.#interval, intervalMs * (1 + jitter));
  }

  stop(): void {
    this.#surroundings.wheel.disarm(this.#interval);
    this.#surroundings.wheel.disarm(this.#timeout);
  }

  /** A request is about to be sent on a connection on which nothing came for `idleMs`. */
  beforeRequest(idleMs: number): void {
    const { idleIntervalMs } = this.#options;
    if (idleIntervalMs > 0 && idleMs >= idleIntervalMs) this.#ping();
  }

  onPingAck(): void {
    this.#surroundings.wheel.disarm(this.#timeout);
    this.start();
  }

  onTimer(timerKind: number): void {
    if (timerKind === TIMEOUT) this.#events.onKeepAliveTimeout();
    else this.#ping();
  }

  #ping(): void {
    if (this.#timeout.armed) return;
    this.#surroundings.wheel.disarm(this.#interval);
    this.#surroundings.wheel.arm(this.#timeout, this.#options.timeoutMs);
    this.#events.sendKeepAlivePing();
  }
}
