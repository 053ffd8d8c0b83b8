/** Runs the listener filters of one connection over its first bytes, and puts back what they leave. */
import type { AcceptedConnection } from './accepted.ts';
import { type ListenerFilter, MORE, REFUSE } from './listener-filter.ts';

/** A filter of a listener, and the connections it leaves alone. */
export interface AppliedFilter {
  readonly filter: ListenerFilter;
  /** @param localPort where the connection was made to, as far as filters before have found out. */
  skips(localPort: number): boolean;
}

/** Told how it went, unless the connection is closed before. */
export interface InspectionHandler {
  onInspected(connection: AcceptedConnection): void;
  /** A filter wants it closed. */
  onRefused(connection: AcceptedConnection): void;
  /** A filter failed on it: a mistake of ours. */
  onException(connection: AcceptedConnection, error: unknown): void;
  /** The other side has nothing more to say, and filters want more. */
  onCutShort(connection: AcceptedConnection): void;
}

/** For bytes that come a few at a time. */
const FIRST_BUFFER_BYTES = 1024;
const nothing: Buffer = Buffer.alloc(0);

export class Inspection {
  readonly #connection: AcceptedConnection;
  readonly #filters: readonly AppliedFilter[];
  readonly #handler: InspectionHandler;
  /** Bytes that came, from `#start` to `#end`. */
  #buffer: Buffer = nothing;
  #start = 0;
  #end = 0;
  /** Whose turn it is, and whether it has begun. */
  #at = 0;
  #began = false;
  /** How many bytes that filter has seen. */
  #seen = 0;
  #listening = false;
  readonly #onReadable = (): void => this.#read();
  readonly #onEnd = (): void => {
    this.#stop();
    this.#handler.onCutShort(this.#connection);
  };

  constructor(connection: AcceptedConnection, filters: readonly AppliedFilter[], handler: InspectionHandler) {
    this.#connection = connection;
    this.#filters = filters;
    this.#handler = handler;
  }

  /** @returns whether it waits for bytes; the handler was called where it does not. */
  run(): boolean {
    let outcome: number;
    try {
      outcome = this.#look();
    } catch (error) {
      this.#stop();
      this.#handler.onException(this.#connection, error);
      return false;
    }
    if (outcome === MORE) {
      this.#listen();
      return true;
    }
    if (outcome === REFUSE) {
      this.#stop();
      this.#handler.onRefused(this.#connection);
      return false;
    }
    this.giveBack();
    this.#handler.onInspected(this.#connection);
    return false;
  }

  /** Until a filter waits or refuses, or all are done. */
  #look(): number {
    for (; this.#at < this.#filters.length; this.#at++) {
      const { filter, skips } = this.#filters[this.#at]!;
      if (!this.#began) {
        if (skips(this.#connection.localPort) || !filter.onAccept(this.#connection)) continue;
        this.#began = true;
      }
      const bytes = this.#buffer.subarray(this.#start, this.#end);
      const outcome = bytes.length === 0 ? MORE : filter.onBytes(this.#connection, bytes, this.#seen);
      if (outcome === MORE) this.#seen = bytes.length;
      if (outcome === MORE || outcome === REFUSE) return outcome;
      this.#start += outcome;
      this.#seen = 0;
      this.#began = false;
    }
    return 0;
  }

  /** Ends it: the bytes are those of the connection again. */
  giveBack(): void {
    this.#stop();
    if (this.#end > this.#start)
      this.#connection.socket.unshift(this.#buffer.subarray(this.#start, this.#end));
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    const { socket } = this.#connection;
    socket.on('readable', this.#onReadable);
    socket.on('end', this.#onEnd);
  }

  #stop(): void {
    if (!this.#listening) return;
    this.#listening = false;
    const { socket } = this.#connection;
    socket.off('readable', this.#onReadable);
    socket.off('end', this.#onEnd);
  }

  #read(): void {
    const bytes: Buffer | null = this.#connection.socket.read();
    if (bytes === null) return;
    this.#keep(bytes);
    this.run();
  }

  #keep(bytes: Buffer): void {
    const end = this.#end + bytes.length;
    if (this.#end === 0) this.#buffer = bytes;
    else {
      if (end > this.#buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BUFFER_BYTES, 2 * end));
        this.#buffer.copy(larger, 0, this.#start, this.#end);
        this.#end -= this.#start;
        this.#start = 0;
        this.#buffer = larger;
      }
      bytes.copy(this.#buffer, this.#end);
    }
    this.#end += bytes.length;
  }
}
