/** How much of bodies HTTP/2 streams hold, all of a thread together, and how much that may be. */

/** Streams that are not read hold so much of one connection; then the connection as a whole waits, too. */
export const MAX_HELD_BYTES: number = 32 * 1024 * 1024;
/** Of what waits to be sent on one connection a stream with data adds nothing beyond this. */
export const MAX_QUEUED_BYTES: number = 16 * 1024 * 1024;

export class BodyMemory {
  readonly limitBytes: number;
  /** What came on streams that are not read, and what waits to be sent. */
  bytes = 0;

  constructor(limitBytes: number = Number.POSITIVE_INFINITY) {
    this.limitBytes = limitBytes;
  }

  /** No stream begins, and none that is not read may get more. */
  get exhausted(): boolean {
    return this.bytes >= this.limitBytes;
  }
}
