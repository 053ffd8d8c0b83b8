/** The sending half of a connection: how much of what was written waits, and when it is out. */
import type { Duplex } from 'node:stream';
import type { Counter } from '#observe/metrics-contract.ts';

export interface OutletOwner {
  /** After {@link Outlet.full}: everything is out. */
  onOutletDrain(): void;
}

const NOTHING = Buffer.alloc(0);

export class Outlet {
  /** Whether more should wait for {@link OutletOwner.onOutletDrain}. */
  full = false;
  readonly #socket: Duplex;
  readonly #limitBytes: number;
  readonly #owner: OutletOwner;
  readonly #sent: Counter;
  /** Bytes that were written and are not counted as sent. */
  #uncounted = 0;

  /**
   * @param limitBytes more than this does not wait, but for the last piece (`per_connection_buffer_limit_bytes`).
   * @param sent counts bytes when they are out.
   */
  constructor(socket: Duplex, limitBytes: number, owner: OutletOwner, sent: Counter) {
    this.#socket = socket;
    this.#limitBytes = limitBytes;
    this.#owner = owner;
    this.#sent = sent;
    socket.on('drain', () => this.#drained());
  }

  /** @returns whether everything is out, so that nothing refers to `data` any more. */
  write(data: Buffer): boolean {
    const socket = this.#socket;
    socket.write(data);
    this.#uncounted += data.length;
    const waiting = socket.writableLength;
    if (waiting === 0) {
      this.count();
      return true;
    }
    if (this.full) return false;
    if (socket.writableNeedDrain) this.full = true;
    else if (waiting > this.#limitBytes) {
      // The socket takes more before it tells of a drain.
      this.full = true;
      socket.write(NOTHING, () => this.#drained());
    }
    return false;
  }

  /** Counts what is out; called once more at the end. */
  count(): void {
    const socket = this.#socket;
    const sent = this.#uncounted - socket.writableLength;
    if (sent <= 0 || socket.errored !== null) return;
    this.#uncounted -= sent;
    this.#sent.inc(sent);
  }

  #drained(): void {
    if (!this.full || this.#socket.writableLength > 0) return;
    this.count();
    this.full = false;
    this.#owner.onOutletDrain();
  }
}
