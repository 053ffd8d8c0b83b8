/**
 * Frames from bytes (RFC 9113 §4.1, §6): form, sizes and the order of HEADERS and CONTINUATION are
 * seen to here, streams are not. Any split of the bytes gives the same calls but for the parts of DATA.
 */
import { type H2Fault, rejection, violation } from './fault.ts';
import type { FloodGuard } from './flood-guard.ts';
import {
  CLIENT_PREFACE,
  DEFAULT_MAX_FRAME_BYTES,
  errorCode,
  FRAME_HEADER_BYTES,
  flag,
  frameType,
  readUint31,
  readUint32,
} from './frame.ts';
import type { HeaderAssembly } from './header-assembly.ts';

/** Who is told what was read; `bytes` are only lent. */
export interface FrameSink {
  /** DATA begins. @param flowBytes its whole payload, padding too: what counts in windows */
  onDataBegin(streamId: number, flowBytes: number): void;
  /** A part of it without padding; the last may be empty. */
  onDataPart(bytes: Buffer, from: number, to: number, last: boolean, endStream: boolean): void;
  /** A whole header block. @param dependency stream named by the deprecated priority fields, -1 for none */
  onHeaders(
    streamId: number,
    endStream: boolean,
    dependency: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void;
  /** What it says is deprecated, and not looked at. */
  onPriority(): void;
  onRstStream(streamId: number, code: number): void;
  onSettings(bytes: Buffer, from: number, to: number): void;
  onSettingsAck(): void;
  onPing(ack: boolean, bytes: Buffer, from: number): void;
  onGoAway(lastStreamId: number, code: number, bytes: Buffer, from: number, to: number): void;
  onWindowUpdate(streamId: number, increment: number): void;
  /** The connection is over; nothing is read any more. */
  onFault(fault: H2Fault): void;
}

const { protocolError, frameSizeError } = errorCode;
const NO_DATA = -1;

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #guard: FloodGuard;
  readonly #assembly: HeaderAssembly;
  #stopped = false;
  #prefaceRead: number;
  #settingsSeen = false;
  /** A frame, or its header, that is not all there. */
  #held: Buffer | undefined;
  #heldBytes = 0;
  /** Payload bytes of the DATA frame that is being read; NO_DATA outside. */
  #dataLeft = NO_DATA;
  #dataFlags = 0;
  /** Of these the last ones are padding; -1: the byte that says how many is not read. */
  #padding = 0;

  /** @param preface whether the peer begins with the client's preface */
  constructor(sink: FrameSink, guard: FloodGuard, assembly: HeaderAssembly, preface: boolean) {
    this.#sink = sink;
    this.#guard = guard;
    this.#assembly = assembly;
    this.#prefaceRead = preface ? 0 : CLIENT_PREFACE.length;
  }

  /** Reads no more, whatever comes. */
  stop(): void {
    this.#stopped = true;
    this.#held = undefined;
  }

  read(chunk: Buffer): void {
    let at = 0;
    const end = chunk.length;
    if (this.#prefaceRead < CLIENT_PREFACE.length) at = this.#readPreface(chunk);
    while (at < end && !this.#stopped) {
      if (this.#dataLeft !== NO_DATA) at = this.#readData(chunk, at);
      else if (this.#held !== undefined) at = this.#readHeld(chunk, at);
      else if (end - at < FRAME_HEADER_BYTES) at = this.#hold(chunk, at, FRAME_HEADER_BYTES);
      else at = this.#readFrame(chunk, at);
    }
  }

  #readPreface(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.#prefaceRead < CLIENT_PREFACE.length) {
      if (chunk[at] !== CLIENT_PREFACE.charCodeAt(this.#prefaceRead)) {
        this.#reject('the connection does not begin with the preface of HTTP/2');
        return chunk.length;
      }
      at++;
      this.#prefaceRead++;
    }
    return at;
  }

  /** Reads the frame that begins at `at`, or as much of it as is there. */
  #readFrame(chunk: Buffer, at: number): number {
    const length = (chunk[at]! << 16) | (chunk[at + 1]! << 8) | chunk[at + 2]!;
    const type = chunk[at + 3]!;
    const streamId = readUint31(chunk, at + 5);
    if (!this.#admit(length, type, chunk[at + 4]!, streamId)) return chunk.length;
    const payload = at + FRAME_HEADER_BYTES;
    if (type === frameType.data) {
      this.#beginData(length, chunk[at + 4]!, streamId);
      // Without a payload there is nothing more to wait for.
      return length === 0 && !this.#stopped ? this.#readData(chunk, payload) : payload;
    }
    const end = payload + length;
    if (end > chunk.length) return this.#hold(chunk, at, FRAME_HEADER_BYTES + length);
    this.#dispatch(chunk, payload, end, type, chunk[at + 4]!, streamId);
    return end;
  }

  /** What can be said of a frame by its header. */
  #admit(length: number, type: number, flags: number, streamId: number): boolean {
    if (length > DEFAULT_MAX_FRAME_BYTES) return this.#fail(frameSizeError, 'a frame is too large');
    if (!this.#settingsSeen) {
      if (type !== frameType.settings || (flags & flag.ack) !== 0)
        return this.#fail(protocolError, 'the first frame is not SETTINGS');
      this.#settingsSeen = true;
    }
    const { streamId: open } = this.#assembly;
    if (open === 0 ? type === frameType.continuation : type !== frameType.continuation || streamId !== open) {
      return this.#fail(protocolError, 'a header block is not in one piece');
    }
    return true;
  }

  /** Keeps what is there of a frame of `needed` bytes. */
  #hold(chunk: Buffer, at: number, needed: number): number {
    const held = Buffer.allocUnsafe(needed);
    this.#heldBytes = chunk.copy(held, 0, at);
    this.#held = held;
    return chunk.length;
  }

  #readHeld(chunk: Buffer, at: number): number {
    const held = this.#held!;
    const copied = chunk.copy(held, this.#heldBytes, at, at + held.length - this.#heldBytes);
    this.#heldBytes += copied;
    if (this.#heldBytes < held.length) return chunk.length;
    this.#held = undefined;
    // A frame without its payload goes back to waiting, with room for all of it.
    this.#readFrame(held, 0);
    return at + copied;
  }

  #beginData(length: number, flags: number, streamId: number): void {
    if (streamId === 0) {
      this.#fail(protocolError, 'DATA without a stream');
      return;
    }
    const padded = (flags & flag.padded) !== 0;
    if (padded && length === 0) {
      this.#fail(frameSizeError, 'DATA without its padding length');
      return;
    }
    this.#dataLeft = length;
    this.#dataFlags = flags;
    this.#padding = padded ? -1 : 0;
    if (!padded && !this.#track(length, flags)) return;
    this.#sink.onDataBegin(streamId, length);
  }

  /** @returns false where a flood ends the connection */
  #track(dataBytes: number, flags: number): boolean {
    const fault = this.#guard.bodyOrHead(dataBytes === 0 && (flags & flag.endStream) === 0);
    if (fault === undefined) return true;
    this.#end(fault);
    return false;
  }

  #readData(chunk: Buffer, start: number): number {
    let at = start;
    if (this.#padding === -1) {
      this.#padding = chunk[at++]!;
      this.#dataLeft--;
      if (this.#padding > this.#dataLeft) {
        this.#fail(protocolError, 'padding is longer than its frame');
        return chunk.length;
      }
      if (!this.#track(this.#dataLeft - this.#padding, this.#dataFlags)) return chunk.length;
    }
    const part = Math.min(this.#dataLeft, chunk.length - at);
    const data = Math.min(part, this.#dataLeft - this.#padding);
    this.#dataLeft -= part;
    if (this.#dataLeft < this.#padding) this.#padding = this.#dataLeft;
    const last = this.#dataLeft === 0;
    if (last) this.#dataLeft = NO_DATA;
    if (data > 0 || last) {
      this.#sink.onDataPart(
        chunk,
        at,
        at + Math.max(data, 0),
        last,
        last && (this.#dataFlags & flag.endStream) !== 0,
      );
    }
    return at + part;
  }

  #dispatch(bytes: Buffer, from: number, to: number, type: number, flags: number, streamId: number): void {
    switch (type) {
      case frameType.headers:
        this.#readHeaders(bytes, from, to, flags, streamId);
        break;
      case frameType.continuation:
        this.#readContinuation(bytes, from, to, flags);
        break;
      case frameType.windowUpdate:
        if (to - from !== 4) this.#fail(frameSizeError, 'WINDOW_UPDATE of a wrong size');
        else this.#sink.onWindowUpdate(streamId, readUint31(bytes, from));
        break;
      case frameType.rstStream:
        if (to - from !== 4) this.#fail(frameSizeError, 'RST_STREAM of a wrong size');
        else if (streamId === 0) this.#reject('RST_STREAM without a stream');
        else this.#sink.onRstStream(streamId, readUint32(bytes, from));
        break;
      case frameType.settings:
        this.#readSettings(bytes, from, to, flags, streamId);
        break;
      case frameType.ping:
        if (to - from !== 8) this.#fail(frameSizeError, 'PING of a wrong size');
        else if (streamId !== 0) this.#reject('PING on a stream');
        else this.#sink.onPing((flags & flag.ack) !== 0, bytes, from);
        break;
      case frameType.priority:
        if (to - from !== 5) this.#fail(frameSizeError, 'PRIORITY of a wrong size');
        else this.#sink.onPriority();
        break;
      case frameType.goAway:
        if (to - from < 8) this.#fail(frameSizeError, 'GOAWAY of a wrong size');
        else if (streamId !== 0) this.#reject('GOAWAY on a stream');
        else this.#sink.onGoAway(readUint31(bytes, from), readUint32(bytes, from + 4), bytes, from + 8, to);
        break;
      case frameType.pushPromise:
        this.#reject('PUSH_PROMISE, which was not enabled');
        break;
      default:
        break;
    }
  }

  #readHeaders(bytes: Buffer, from: number, to: number, flags: number, streamId: number): void {
    let start = from;
    let end = to;
    if (streamId === 0) {
      this.#reject('HEADERS without a stream');
      return;
    }
    if ((flags & flag.padded) !== 0) {
      if (start === end) {
        this.#fail(frameSizeError, 'HEADERS without their padding length');
        return;
      }
      end -= bytes[start++]!;
    }
    let dependency = -1;
    if ((flags & flag.priority) !== 0) {
      if (to - start < 5) {
        this.#fail(frameSizeError, 'HEADERS without their priority');
        return;
      }
      dependency = readUint31(bytes, start);
      start += 5;
    }
    if (start > end) {
      this.#fail(protocolError, 'padding is longer than its frame');
      return;
    }
    if (!this.#track(end - start, flags)) return;
    const endStream = (flags & flag.endStream) !== 0;
    if ((flags & flag.endHeaders) === 0) {
      const fault = this.#assembly.begin(streamId, endStream, dependency, bytes, start, end);
      if (fault !== undefined) this.#end(fault);
    } else {
      this.#sink.onHeaders(streamId, endStream, dependency, bytes, start, end);
    }
  }

  #readContinuation(bytes: Buffer, from: number, to: number, flags: number): void {
    const assembly = this.#assembly;
    if (!this.#track(to - from, flags & flag.endHeaders ? flag.endStream : 0)) return;
    const fault = assembly.add(bytes, from, to);
    if (fault !== undefined) {
      this.#end(fault);
      return;
    }
    if ((flags & flag.endHeaders) === 0) return;
    const { streamId, endStream, dependency, length } = assembly;
    const block = assembly.finish();
    this.#sink.onHeaders(streamId, endStream, dependency, block, 0, length);
  }

  #readSettings(bytes: Buffer, from: number, to: number, flags: number, streamId: number): void {
    if (streamId !== 0) {
      this.#reject('SETTINGS on a stream');
    } else if ((flags & flag.ack) === 0) {
      if ((to - from) % 6 === 0) this.#sink.onSettings(bytes, from, to);
      else this.#fail(frameSizeError, 'SETTINGS of a wrong size');
    } else if (to === from) {
      this.#sink.onSettingsAck();
    } else {
      this.#fail(frameSizeError, 'an acknowledgement of SETTINGS with a payload');
    }
  }

  #fail(code: number, reason: string): false {
    this.#end(violation(code, reason));
    return false;
  }

  #reject(reason: string): void {
    this.#end(rejection(protocolError, reason));
  }

  #end(fault: H2Fault): void {
    this.stop();
    this.#sink.onFault(fault);
  }
}
