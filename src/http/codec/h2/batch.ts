/** Buffers that the frames of one tick are gathered in, shared by all connections of a thread. */
import { ByteWriter } from './byte-writer.ts';
import type { H2Output } from './output.ts';

/** A batch is written when it has so much, and may be longer by one frame. */
export const BATCH_BYTES: number = 64 * 1024;
const FIRST_BYTES = 4 * 1024;
/** A larger buffer is not kept. */
const KEPT_BYTES = 2 * BATCH_BYTES;
/** Idle buffers that are kept. */
const KEPT = 4;

const idle: ByteWriter[] = [];

export function takeBatch(): ByteWriter {
  return idle.pop() ?? new ByteWriter(FIRST_BYTES);
}

/** Writes what was gathered and takes the batch back. */
export function writeBatch(batch: ByteWriter, output: H2Output): void {
  const { buffer, length } = batch;
  // What has to wait in the output should not hold more than it needs.
  const roomy = length * 2 < buffer.length;
  if (roomy && !output.drained) output.write(Buffer.from(buffer.subarray(0, length)));
  else if (!output.write(buffer.subarray(0, length))) return;
  batch.length = 0;
  if (idle.length < KEPT && buffer.length <= KEPT_BYTES) idle.push(batch);
}
