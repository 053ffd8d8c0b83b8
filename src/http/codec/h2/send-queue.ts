/** What a stream has to send and cannot yet: pieces of its body, in order, and its end. */
import type { HeaderList } from '../../header-list.ts';

/** Pieces smaller than this are gathered, so that many small ones do not each hold what they were cut from. */
const GATHERED_BYTES = 4096;

export class SendQueue {
  /** Unsent bytes. */
  bytes = 0;
  /** Whether END_STREAM goes on the last piece. */
  end = false;
  /** Sent after the last piece, as the end. */
  trailers: HeaderList | undefined = undefined;
  #pieces: Buffer[] = [];
  #first = 0;
  /** Bytes of the first piece that are sent. */
  #offset = 0;
  /** The last piece, where it is ours and has room. */
  #open: Buffer | undefined;
  #openBytes = 0;

  /** @param copy whether `data` is only lent */
  push(data: Buffer, copy: boolean): void {
    this.bytes += data.length;
    const open = this.#open;
    if (open !== undefined && data.length <= open.length - this.#openBytes) {
      data.copy(open, this.#openBytes);
      this.#openBytes += data.length;
      this.#pieces[this.#pieces.length - 1] = open.subarray(0, this.#openBytes);
      return;
    }
    this.#open = undefined;
    if (data.length < GATHERED_BYTES / 2) {
      const gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES);
      data.copy(gathered);
      this.#open = gathered;
      this.#openBytes = data.length;
      this.#pieces.push(gathered.subarray(0, data.length));
      return;
    }
    // A view that is small beside what it was cut from would keep all of that alive.
    const pins = data.buffer.byteLength > data.length * 2;
    this.#pieces.push(copy || pins ? copied(data) : data);
  }

  /** Moves the first `count` bytes to `into[at…)`; there must be as many. */
  take(count: number, into: Buffer, at: number): void {
    this.bytes -= count;
    let left = count;
    let to = at;
    while (left > 0) {
      const piece = this.#pieces[this.#first]!;
      const part = Math.min(left, piece.length - this.#offset);
      piece.copy(into, to, this.#offset, this.#offset + part);
      to += part;
      left -= part;
      this.#offset += part;
      if (this.#offset === piece.length) this.#drop();
    }
  }

  #drop(): void {
    this.#pieces[this.#first] = empty;
    this.#offset = 0;
    this.#first++;
    if (this.#first < this.#pieces.length) return;
    this.#pieces.length = 0;
    this.#first = 0;
    this.#open = undefined;
  }
}

const empty: Buffer = Buffer.alloc(0);

function copied(data: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(data.length);
  data.copy(copy);
  return copy;
}
