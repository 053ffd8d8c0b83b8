/**
 * Memory that sockets read into, used again: a few sizes, and of each some buffers that nobody reads into
 * just now.
 */

/** What is read mostly fits into the first; the others are for connections on which more comes at once. */
const SIZES: readonly number[] = [16 * 1024, 128 * 1024, 512 * 1024];
/** How many buffers of each size are kept for the next who needs one. */
const KEPT: readonly number[] = [32, 32, 8];

const spare: readonly Buffer[][] = SIZES.map(() => []);

/** The number of the largest size that does not exceed `bytes`; the smallest where all do. */
export function largestSize(bytes: number): number {
  for (let size = SIZES.length - 1; size > 0; size--) if (SIZES[size]! <= bytes) return size;
  return 0;
}

export function bytesOfSize(size: number): number {
  return SIZES[size]!;
}

export function takeBuffer(size: number): Buffer {
  return spare[size]!.pop() ?? Buffer.allocUnsafeSlow(SIZES[size]!);
}

/** Nothing refers to the buffer any more. */
export function giveBuffer(buffer: Buffer): void {
  const size = SIZES.indexOf(buffer.length);
  const kept = spare[size]!;
  if (kept.length < KEPT[size]!) kept.push(buffer);
}
