/** The connections of our HTTP/2 codec on sockets of the platform. */
import type { Socket } from 'node:net';
import { systemClock } from '#core/clock.ts';
import { systemRandom } from '#core/random.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { BodyMemory } from '#http/codec/h2/body-memory.ts';
import type { H2Connection } from '#http/codec/h2/connection.ts';
import type { H2Surroundings } from '#http/codec/h2/connection-events.ts';
import { FlushQueue } from '#http/codec/h2/flush-queue.ts';
import type { H2Output } from '#http/codec/h2/output.ts';

export const socketSurroundings: H2Surroundings = {
  clock: systemClock,
  wheel: new TimerWheel(systemClock),
  flushes: new FlushQueue(setImmediate),
  memory: new BodyMemory(),
  random: systemRandom(),
};

class SocketOutput implements H2Output {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(bytes: Buffer): boolean {
    const { writable } = this.#socket;
    if (writable) this.#socket.write(bytes);
    return this.#socket.writableLength === 0;
  }

  get full(): boolean {
    return this.#socket.writableNeedDrain;
  }

  get drained(): boolean {
    return this.#socket.writableLength === 0;
  }

  end(): void {
    this.#socket.end();
  }
}

/** Reads and writes `socket` for the connection that `make` gives. */
export function runOnSocket<Connection extends H2Connection>(
  socket: Socket,
  make: (output: H2Output) => Connection,
): Connection {
  const connection = make(new SocketOutput(socket));
  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => connection.receive(chunk));
  socket.on('drain', () => connection.onWritable());
  socket.on('end', () => connection.onEnd());
  socket.on('close', () => connection.onEnd());
  socket.on('error', () => socket.destroy());
  connection.start();
  return connection;
}
