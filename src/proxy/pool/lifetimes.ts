/** Connections and how long each of them may last (Envoy, `max_connection_duration`). */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';
import { jittered } from '../jitter.ts';

interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimerWheel;
}

interface Opened {
  readonly openedMs: number;
}

export interface Lifetime {
  readonly lifeMs: number;
  /** By which part of it a connection may last longer, 0 to 1. */
  readonly jitter: number;
}

export class Lifetimes<Connection extends Opened> implements TimerOwner {
  readonly #lifetime: Lifetime;
  readonly #deps: Surroundings;
  readonly #onOver: (connection: Connection) => void;
  readonly #timer: Timer;
  /** When each is over. */
  readonly #open = new Map<Connection, number>();
  readonly #over = new Set<Connection>();
  /** What the timer is armed for. */
  #nextMs = 0;

  /** @param onOver told once of each connection that has lasted long enough */
  constructor(lifetime: Lifetime, deps: Surroundings, onOver: (connection: Connection) => void) {
    this.#lifetime = lifetime;
    this.#deps = deps;
    this.#onOver = onOver;
    this.#timer = new Timer(this, 0);
  }

  add(connection: Connection): void {
    const { lifeMs, jitter } = this.#lifetime;
    const overMs = connection.openedMs + jittered(lifeMs, jitter, this.#deps.random);
    this.#open.set(connection, overMs);
    if (!this.#timer.armed || overMs < this.#nextMs) this.#arm(overMs, connection.openedMs);
  }

  #arm(overMs: number, nowMs: number): void {
    this.#nextMs = overMs;
    this.#deps.wheel.arm(this.#timer, overMs - nowMs, nowMs);
  }

  isOver(connection: Connection): boolean {
    return this.#over.has(connection);
  }

  /** It is closed. */
  remove(connection: Connection): void {
    this.#over.delete(connection);
    if (this.#open.delete(connection) && this.#open.size === 0) this.#deps.wheel.disarm(this.#timer);
  }

  onTimer(): void {
    const nowMs = this.#deps.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    const over: Connection[] = [];
    for (const [connection, overMs] of this.#open) {
      if (overMs <= nowMs) over.push(connection);
      else {
        nextMs = Math.min(nextMs, overMs);
        // Those that follow were opened later.
        if (this.#lifetime.jitter === 0) break;
      }
    }
    for (const connection of over) {
      if (!this.#open.delete(connection)) continue;
      this.#over.add(connection);
      this.#onOver(connection);
    }
    if (nextMs < Number.POSITIVE_INFINITY && this.#open.size > 0) this.#arm(nextMs, nowMs);
  }
}
