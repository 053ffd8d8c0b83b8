/** Streams that have data and a window for it, in a ring: each sends a frame, then it is the next one's turn. */
import type { H2Stream } from './stream.ts';

export class ReadyRing {
  /** Whose turn it is. */
  first: H2Stream | undefined = undefined;

  /** At the end of the line; where it is in line, it keeps its place. */
  add(stream: H2Stream): void {
    if (stream.nextReady !== undefined) return;
    const { first } = this;
    if (first === undefined) {
      stream.nextReady = stream;
      stream.previousReady = stream;
      this.first = stream;
      return;
    }
    const last = first.previousReady!;
    last.nextReady = stream;
    stream.previousReady = last;
    stream.nextReady = first;
    first.previousReady = stream;
  }

  remove(stream: H2Stream): void {
    const { nextReady: next, previousReady: previous } = stream;
    if (next === undefined || previous === undefined) return;
    stream.nextReady = undefined;
    stream.previousReady = undefined;
    if (next === stream) {
      this.first = undefined;
      return;
    }
    previous.nextReady = next;
    next.previousReady = previous;
    if (this.first === stream) this.first = next;
  }

  /** The first goes to the end of the line. */
  turn(): void {
    this.first = this.first?.nextReady;
  }
}
