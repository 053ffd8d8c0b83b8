/** Messages of gRPC in a body: a byte of flags, four of length, the message (gRPC over HTTP/2, "Length-Prefixed-Message"). */

export const GRPC_PREFIX_BYTES = 5;

/** A message with its prefix. */
export function frameMessage(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, GRPC_PREFIX_BYTES);
  return frame;
}

/** Takes messages out of a body that comes in pieces. */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #prefix: Buffer = Buffer.alloc(GRPC_PREFIX_BYTES);
  #prefixBytes = 0;
  #message: Buffer | undefined;
  #messageBytes = 0;

  /** @param maxBytes of one message */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the body may end here. */
  get atBoundary(): boolean {
    return this.#prefixBytes === 0;
  }

  /**
   * Calls `onMessage` for each message that `piece` completes.
   * @returns what is wrong; '' where nothing is
   */
  read(piece: Buffer, onMessage: (message: Buffer) => void): string {
    let at = 0;
    while (at < piece.length) {
      if (this.#message === undefined) {
        const taken = Math.min(GRPC_PREFIX_BYTES - this.#prefixBytes, piece.length - at);
        piece.copy(this.#prefix, this.#prefixBytes, at, at + taken);
        this.#prefixBytes += taken;
        at += taken;
        if (this.#prefixBytes < GRPC_PREFIX_BYTES) return '';
        if (this.#prefix[0] !== 0) return 'the message is compressed, which was not asked for';
        const length = this.#prefix.readUInt32BE(1);
        if (length > this.#maxBytes)
          return `a message of ${length} bytes, above the limit of ${this.#maxBytes}`;
        this.#message = Buffer.allocUnsafe(length);
        this.#messageBytes = 0;
      }
      const message: Buffer = this.#message;
      const taken = Math.min(message.length - this.#messageBytes, piece.length - at);
      piece.copy(message, this.#messageBytes, at, at + taken);
      this.#messageBytes += taken;
      at += taken;
      if (this.#messageBytes < message.length) return '';
      this.#message = undefined;
      this.#prefixBytes = 0;
      onMessage(message);
    }
    return '';
  }
}
