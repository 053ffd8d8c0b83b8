/**
 * The sending half of a connection: frames are written into a batch that goes out at the end of the
 * tick; data that windows or the output hold up waits in its stream, and streams that can send take
 * turns, a frame each.
 */
import type { HeaderList } from '../../header-list.ts';
import { BATCH_BYTES, takeBatch, writeBatch } from './batch.ts';
import { type BodyMemory, MAX_QUEUED_BYTES } from './body-memory.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { H2Surroundings } from './connection-events.ts';
import type { FloodGuard } from './flood-guard.ts';
import type { Flushable, FlushQueue } from './flush-queue.ts';
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  FRAME_HEADER_BYTES,
  flag,
  frameType,
  writeFrameHeader,
  writeUint32,
} from './frame.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import type { H2Output } from './output.ts';
import { ReadyRing } from './ready-ring.ts';
import { SendQueue } from './send-queue.ts';
import { writeSetting } from './settings.ts';
import type { H2Stream } from './stream.ts';

/** What the sender asks of its connection. */
export interface SenderEvents extends Flushable {
  /** END_STREAM of the stream is written. */
  onEndSent(stream: H2Stream): void;
  /** A stream that was full has room again. */
  onRoom(stream: H2Stream): void;
  /** A stream whose message is complete waits, or moves again. */
  onWaiting(stream: H2Stream): void;
}

export class FrameSender {
  /** What may still be sent on the connection. */
  connectionWindow: number = DEFAULT_WINDOW_BYTES;
  /** The peer's SETTINGS. */
  initialWindow: number = DEFAULT_WINDOW_BYTES;
  maxFrameBytes: number = DEFAULT_MAX_FRAME_BYTES;
  readonly encoder: HpackEncoder;
  readonly #output: H2Output;
  readonly #events: SenderEvents;
  readonly #flushes: FlushQueue;
  readonly #memory: BodyMemory;
  readonly #guard: FloodGuard;
  readonly #bufferBytes: number;
  readonly #ready: ReadyRing = new ReadyRing();
  #batch: ByteWriter | undefined;
  #batchNumber = 0;
  /** What waits in the queues of streams. */
  #queuedBytes = 0;

  constructor(
    output: H2Output,
    events: SenderEvents,
    { flushes, memory }: H2Surroundings,
    guard: FloodGuard,
    tableBytes: number,
    bufferBytes: number,
  ) {
    this.#output = output;
    this.#events = events;
    this.#flushes = flushes;
    this.#memory = memory;
    this.#guard = guard;
    this.encoder = new HpackEncoder(tableBytes);
    this.#bufferBytes = bufferBytes;
  }

  request(
    stream: H2Stream,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
    endStream: boolean,
  ): void {
    const out = this.#open();
    const start = openFrame(out);
    this.encoder.encodeRequest(out, method, scheme, authority, path, protocol, headers);
    this.#closeHeaders(stream, out, start, endStream);
  }

  response(stream: H2Stream, status: number, headers: HeaderList, endStream: boolean): void {
    const out = this.#open();
    const start = openFrame(out);
    this.encoder.encodeResponse(out, status, headers);
    this.#closeHeaders(stream, out, start, endStream);
    // The end never belongs on an interim head.
    if (status < 200) stream.lastBatch = -1;
  }

  trailers(stream: H2Stream, headers: HeaderList): void {
    const { queue } = stream;
    if (queue !== undefined && queue.bytes > 0) {
      queue.trailers = headers;
      this.#events.onWaiting(stream);
      return;
    }
    const out = this.#open();
    const start = openFrame(out);
    this.encoder.encodeFields(out, headers);
    this.#closeHeaders(stream, out, start, true);
  }

  data(stream: H2Stream, data: Buffer, endStream: boolean, borrowed: boolean): void {
    let at = 0;
    if (this.#ready.first === undefined && stream.queuedBytes === 0 && !this.#output.full) {
      at = this.#sendNow(stream, data, endStream);
    }
    if (at < data.length) this.#enqueue(stream, at === 0 ? data : data.subarray(at), endStream, borrowed);
    else if (endStream && !stream.endSent) this.end(stream);
  }

  /** Writes what windows and the batch have room for. @returns how much that was */
  #sendNow(stream: H2Stream, data: Buffer, endStream: boolean): number {
    const { length } = data;
    let at = 0;
    while (at < length) {
      const bytes = Math.min(length - at, this.#sendable(stream));
      if (bytes <= 0) break;
      const out = this.#open();
      if (out.length >= BATCH_BYTES) break;
      const start = openFrame(out, bytes);
      data.copy(out.buffer, out.length, at, at + bytes);
      out.length += bytes;
      at += bytes;
      this.#closeData(stream, out, start, bytes, endStream && at === length);
    }
    return at;
  }

  #count(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#memory.bytes += bytes;
  }

  /** So much waits that streams which have something to send should get no more. */
  get crowded(): boolean {
    return this.#queuedBytes >= MAX_QUEUED_BYTES || this.#memory.exhausted;
  }

  #sendable(stream: H2Stream): number {
    return Math.min(this.initialWindow + stream.windowOffset, this.connectionWindow, this.maxFrameBytes);
  }

  #enqueue(stream: H2Stream, data: Buffer, endStream: boolean, borrowed: boolean): void {
    stream.queue ??= new SendQueue();
    const { queue } = stream;
    queue.push(data, borrowed);
    this.#count(data.length);
    queue.end = endStream;
    this.wake(stream);
    if (endStream) this.#events.onWaiting(stream);
  }

  /** Puts a stream that has data, and a window for it, in line. */
  wake(stream: H2Stream): void {
    if (stream.queuedBytes === 0 || this.initialWindow + stream.windowOffset <= 0) return;
    this.#ready.add(stream);
    this.schedule();
  }

  /** Sees to it that {@link flush} is called at the end of the tick, if there can be something to write. */
  schedule(): void {
    if (this.#ready.first !== undefined && this.connectionWindow > 0 && !this.#output.full)
      this.#flushes.add(this.#events);
  }

  /** Takes the stream out of the line and drops what it has. */
  forget(stream: H2Stream): void {
    this.#ready.remove(stream);
    if (stream.queue !== undefined) this.#count(-stream.queue.bytes);
    stream.queue = undefined;
  }

  /** The end without a frame of its own where the stream's last one is not out yet. */
  end(stream: H2Stream): void {
    const { queue } = stream;
    if (queue !== undefined && queue.bytes > 0) {
      queue.end = true;
      this.#events.onWaiting(stream);
      return;
    }
    const batch = this.#batch;
    if (batch !== undefined && stream.lastBatch === this.#batchNumber) {
      batch.buffer[stream.lastFrameAt + 4]! |= flag.endStream;
      stream.endSent = true;
      this.#events.onEndSent(stream);
      return;
    }
    const out = this.#open();
    this.#closeData(stream, out, openFrame(out), 0, true);
  }

  rstStream(streamId: number, code: number): void {
    const out = this.#open();
    const at = this.#control(out, 4, frameType.rstStream, 0, streamId);
    writeUint32(out.buffer, at, code);
    this.#guard.outboundControlFrames++;
  }

  /** @param parameters id, value, id, value */
  settings(parameters: readonly number[]): void {
    const out = this.#open();
    const start = openFrame(out);
    for (let i = 0; i < parameters.length; i += 2) writeSetting(out, parameters[i]!, parameters[i + 1]!);
    writeFrameHeader(out.buffer, start, out.length - start - FRAME_HEADER_BYTES, frameType.settings, 0, 0);
    this.#guard.outboundFrames++;
  }

  settingsAck(): void {
    this.#control(this.#open(), 0, frameType.settings, flag.ack, 0);
    this.#guard.outboundControlFrames++;
  }

  /** @param from where in `bytes` the eight bytes are that come back */
  ping(ack: boolean, bytes: Buffer, from: number): void {
    const out = this.#open();
    const at = this.#control(out, 8, frameType.ping, ack ? flag.ack : 0, 0);
    bytes.copy(out.buffer, at, from, from + 8);
    this.#guard.outboundControlFrames++;
  }

  windowUpdate(streamId: number, increment: number): void {
    const out = this.#open();
    const at = this.#control(out, 4, frameType.windowUpdate, 0, streamId);
    writeUint32(out.buffer, at, increment);
  }

  goAway(lastStreamId: number, code: number, debug: string): void {
    const out = this.#open();
    const at = this.#control(out, 8 + debug.length, frameType.goAway, 0, 0);
    writeUint32(out.buffer, at, lastStreamId);
    writeUint32(out.buffer, at + 4, code);
    out.buffer.write(debug, at + 8, 'latin1');
  }

  /** Bytes as they are: the client's preface. */
  raw(text: string): void {
    const out = this.#open();
    out.reserve(text.length);
    out.length += out.buffer.write(text, out.length, 'latin1');
  }

  /** Writes what was gathered and what can be sent of what waits. */
  flush(): void {
    for (;;) {
      this.#pump();
      const batch = this.#batch;
      if (batch === undefined) return;
      this.#batch = undefined;
      writeBatch(batch, this.#output);
    }
  }

  /** Fills the batch: a frame of each stream in turn. */
  #pump(): void {
    for (;;) {
      const stream = this.#ready.first;
      if (stream === undefined || this.connectionWindow <= 0 || this.#output.full) return;
      const out = this.#open();
      if (out.length >= BATCH_BYTES) return;
      this.#sendFrame(stream, stream.queue!, out);
    }
  }

  #sendFrame(stream: H2Stream, queue: SendQueue, out: ByteWriter): void {
    const bytes = Math.min(queue.bytes, this.#sendable(stream));
    if (bytes <= 0) {
      this.#ready.remove(stream);
      return;
    }
    const start = openFrame(out, bytes);
    queue.take(bytes, out.buffer, out.length);
    this.#count(-bytes);
    out.length += bytes;
    const done = queue.bytes === 0;
    if (done || this.initialWindow + stream.windowOffset <= bytes) this.#ready.remove(stream);
    else this.#ready.turn();
    this.#closeData(stream, out, start, bytes, done && queue.end && queue.trailers === undefined);
    if (done && queue.trailers !== undefined) {
      const { trailers } = queue;
      queue.trailers = undefined;
      this.trailers(stream, trailers);
    }
    if (stream.closed) return;
    if (stream.ended && !stream.endSent) this.#events.onWaiting(stream);
    if (stream.wasFull && queue.bytes * 2 <= this.#bufferBytes) {
      stream.wasFull = false;
      this.#events.onRoom(stream);
    }
  }

  /** The batch of this tick. */
  #open(): ByteWriter {
    let batch = this.#batch;
    if (batch === undefined) {
      batch = takeBatch();
      this.#batch = batch;
      this.#batchNumber++;
      if (this.#output.drained) this.#guard.drained();
      this.#flushes.add(this.#events);
    }
    return batch;
  }

  /** A frame with a fixed payload. @returns where in `out.buffer`, as it is now, that is to be written */
  #control(out: ByteWriter, bytes: number, type: number, flags: number, streamId: number): number {
    const start = openFrame(out, bytes);
    writeFrameHeader(out.buffer, start, bytes, type, flags, streamId);
    out.length += bytes;
    this.#guard.outboundFrames++;
    return start + FRAME_HEADER_BYTES;
  }

  #closeData(stream: H2Stream, out: ByteWriter, start: number, bytes: number, endStream: boolean): void {
    writeFrameHeader(out.buffer, start, bytes, frameType.data, endStream ? flag.endStream : 0, stream.id);
    stream.windowOffset -= bytes;
    this.connectionWindow -= bytes;
    this.#guard.outboundFrames++;
    this.#guard.outboundDataFrames++;
    this.#closeFrame(stream, start, endStream);
  }

  #closeHeaders(stream: H2Stream, out: ByteWriter, start: number, endStream: boolean): void {
    const bytes = out.length - start - FRAME_HEADER_BYTES;
    const flags = endStream ? flag.endStream : 0;
    if (bytes <= this.maxFrameBytes) {
      writeFrameHeader(out.buffer, start, bytes, frameType.headers, flags | flag.endHeaders, stream.id);
      this.#guard.outboundFrames++;
    } else {
      this.#guard.outboundFrames += splitHeaders(out, start, this.maxFrameBytes, flags, stream.id);
    }
    this.#closeFrame(stream, start, endStream);
  }

  #closeFrame(stream: H2Stream, start: number, endStream: boolean): void {
    stream.lastFrameAt = start;
    stream.lastBatch = this.#batchNumber;
    if (!endStream) return;
    stream.endSent = true;
    this.#events.onEndSent(stream);
  }
}

/** Leaves room for a frame header, and sees to that for the payload. @returns where the header is to be written */
function openFrame(out: ByteWriter, payloadBytes = 0): number {
  const start = out.length;
  out.reserve(FRAME_HEADER_BYTES + payloadBytes);
  out.length = start + FRAME_HEADER_BYTES;
  return start;
}

/** Makes HEADERS and CONTINUATION of a block that was written behind one header. @returns how many frames */
function splitHeaders(
  out: ByteWriter,
  start: number,
  maxBytes: number,
  flags: number,
  streamId: number,
): number {
  const block = start + FRAME_HEADER_BYTES;
  const bytes = out.length - block;
  const frames = Math.ceil(bytes / maxBytes);
  out.reserve((frames - 1) * FRAME_HEADER_BYTES);
  out.length += (frames - 1) * FRAME_HEADER_BYTES;
  const { buffer } = out;
  // From the end, so that nothing is overwritten before it has moved.
  for (let i = frames - 1; i >= 0; i--) {
    const from = block + i * maxBytes;
    const length = Math.min(maxBytes, block + bytes - from);
    const at = from + i * FRAME_HEADER_BYTES;
    buffer.copyWithin(at, from, from + length);
    const last = i === frames - 1 ? flag.endHeaders : 0;
    const type = i === 0 ? frameType.headers : frameType.continuation;
    writeFrameHeader(buffer, at - FRAME_HEADER_BYTES, length, type, i === 0 ? flags | last : last, streamId);
  }
  return frames;
}
