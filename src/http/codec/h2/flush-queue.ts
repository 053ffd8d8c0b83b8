/** Connections that have something to write: all of a tick write once, at its end. */

export interface Flushable {
  /** Whether it stands in the queue; the queue's own. */
  flushQueued: boolean;
  flush(): void;
}

/** One for all connections of a thread. */
export class FlushQueue {
  readonly #defer: (run: () => void) => void;
  readonly #run = (): void => this.run();
  #waiting: Flushable[] = [];
  #spare: Flushable[] = [];

  /** @param defer runs its argument once, when the events of this tick are done: `setImmediate` */
  constructor(defer: (run: () => void) => void) {
    this.#defer = defer;
  }

  add(connection: Flushable): void {
    if (connection.flushQueued) return;
    connection.flushQueued = true;
    if (this.#waiting.push(connection) === 1) this.#defer(this.#run);
  }

  /** Flushes what waits; what is added meanwhile waits for the next turn. One that throws does not hold up the others. */
  run(): void {
    const waiting = this.#waiting;
    this.#waiting = this.#spare;
    let done = 0;
    try {
      while (done < waiting.length) {
        const connection = waiting[done++]!;
        connection.flushQueued = false;
        connection.flush();
      }
    } finally {
      while (done < waiting.length) {
        const connection = waiting[done++]!;
        connection.flushQueued = false;
        this.add(connection);
      }
      waiting.length = 0;
      this.#spare = waiting;
    }
  }
}
