/** An HTTP/2 connection's bytes on a socket: one write a tick. */
import type { Duplex } from 'node:stream';
import type { H2Output } from '#http/codec/h2/output.ts';

/** Whose socket it is. */
export interface OutputOwner {
  onSent(bytes: number): void;
  /** What waited has gone out. */
  onOutputDrained(): void;
  /** Everything is written and nothing follows. */
  onOutputEnd(): void;
}

export class SocketOutput implements H2Output {
  readonly #socket: Duplex;
  readonly #owner: OutputOwner;
  /** Whether something was left in this process after a write. */
  #waits = false;
  readonly #onWritten = (): void => {
    if (!this.#waits || this.#socket.writableLength > 0) return;
    this.#waits = false;
    this.#owner.onOutputDrained();
  };

  constructor(socket: Duplex, owner: OutputOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  write(bytes: Buffer): boolean {
    const socket = this.#socket;
    this.#owner.onSent(bytes.length);
    socket.write(bytes, this.#onWritten);
    if (socket.writableLength === 0) return true;
    this.#waits = true;
    return false;
  }

  get full(): boolean {
    return this.#socket.writableNeedDrain;
  }

  get drained(): boolean {
    return this.#socket.writableLength === 0;
  }

  end(): void {
    this.#owner.onOutputEnd();
  }
}
