/** Connections in the order they were opened, each for the same time (Envoy, `max_connection_duration`). */
import type { Clock } from '#core/clock.ts';
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';

interface Surroundings {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

interface Opened {
  readonly openedMs: number;
}

export class Lifetimes<Connection extends Opened> implements TimerOwner {
  readonly #durationMs: number;
  readonly #deps: Surroundings;
  readonly #onOver: (connection: Connection) => void;
  readonly #timer: Timer;
  readonly #open = new Set<Connection>();
  readonly #over = new Set<Connection>();

  /** @param onOver told once of each connection that has lasted long enough */
  constructor(durationMs: number, deps: Surroundings, onOver: (connection: Connection) => void) {
    this.#durationMs = durationMs;
    this.#deps = deps;
    this.#onOver = onOver;
    this.#timer = new Timer(this, 0);
  }

  add(connection: Connection): void {
    this.#open.add(connection);
    if (!this.#timer.armed) this.#deps.wheel.arm(this.#timer, this.#durationMs, connection.openedMs);
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
    const { clock, wheel } = this.#deps;
    const nowMs = clock.nowMs();
    for (const connection of this.#open) {
      const leftMs = connection.openedMs + this.#durationMs - nowMs;
      if (leftMs > 0) {
        wheel.arm(this.#timer, leftMs, nowMs);
        return;
      }
      this.#open.delete(connection);
      this.#over.add(connection);
      this.#onOver(connection);
    }
  }
}
