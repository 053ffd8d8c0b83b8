/** Messages over TCP: each behind two bytes with its length (RFC 1035 §4.2.2). */

const LENGTH_BYTES = 2;

/** Cuts what comes into messages, which are taken out one by one. */
export class StreamMessages {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
  }

  /** The next message, once all of it has come. */
  next(): Buffer | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined;
    if (this.#chunks[0]!.length < LENGTH_BYTES) this.#join();
    const end = LENGTH_BYTES + this.#chunks[0]!.readUInt16BE(0);
    if (this.#bytes < end) return undefined;
    if (this.#chunks[0]!.length < end) this.#join();
    const first = this.#chunks[0]!;
    this.#bytes -= end;
    if (first.length === end) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(end);
    return first.subarray(LENGTH_BYTES, end);
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks)];
  }
}

export function streamMessage(bytes: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(bytes.length + LENGTH_BYTES);
  framed.writeUInt16BE(bytes.length, 0);
  bytes.copy(framed, LENGTH_BYTES);
  return framed;
}
