/**
 * One request and its response on an HTTP/2 connection. The owner acts on the stream and is told of
 * what comes through its {@link H2StreamHandler}; nothing is allocated between the two but the data.
 */

import type { Timer, TimerOwner } from '#core/timer-wheel.ts';
import type { HeaderList } from '../../header-list.ts';
import type { H2Connection } from './connection.ts';
import { errorCode } from './frame.ts';
import type { HeaderBlock } from './header-block.ts';
import type { SendQueue } from './send-queue.ts';

/** Why a stream ended before its time. */
export type ResetCause =
  /** RST_STREAM with `code`, from the peer, or because it sent more than is allowed. */
  | 'peer'
  /** The peer did not look at the request (REFUSED_STREAM, or its GOAWAY excludes it): it may be sent again. */
  | 'refused'
  /** The connection ended, or was ended by a fault. */
  | 'connection'
  /** What the peer sent on it is no valid message, or so it says of ours (PROTOCOL_ERROR). */
  | 'message'
  /** The peer's window stayed shut for too long. */
  | 'stalled'
  /** The handler threw. */
  | 'handler';

/** Who is told what a stream receives. Everything may be called from within, `reset` too. */
export interface H2StreamHandler {
  /**
   * The head of the request or the response; interim responses (1xx) come first, without an end.
   * `block` is used again: take what is needed, `block.headers` is yours.
   */
  onHead(block: HeaderBlock, endStream: boolean): void;
  /** A piece of the body; empty only where there is nothing but the end. Valid as long as what was given to `receive`. */
  onData(data: Buffer, endStream: boolean): void;
  /** Always the end. */
  onTrailers(block: HeaderBlock): void;
  /**
   * The stream is over; not called for one's own `reset`.
   * @param code error code received or sent
   * @param details Envoy's response code details
   */
  onReset(code: number, cause: ResetCause, details: string): void;
  /** A stream that was {@link H2Stream.full} has room again. */
  onDrain(): void;
  /** The end of a message whose stream was {@link H2Stream.unsent} is written. */
  onEndSent?(): void;
}

/** The handler before there is one, and after the end. */
export const noHandler: H2StreamHandler = {
  onHead() {},
  onData() {},
  onTrailers() {},
  onReset() {},
  onDrain() {},
};

export class H2Stream implements TimerOwner {
  /** 0 on the client side until the request is sent. */
  id = 0;
  handler: H2StreamHandler;
  readonly connection: H2Connection;

  /** Whether the head, other than interim ones, was received. */
  headReceived = false;
  /** Whether the peer's side is complete. */
  endReceived = false;
  headSent = false;
  /** Whether our side is complete; its last bytes may wait for windows. */
  ended = false;
  /** Over, in good order or not: nothing is sent or received any more. */
  closed = false;
  /** No WINDOW_UPDATE while set: the peer can send what its window holds, no more. */
  paused = false;

  // What follows belongs to the connection.
  /** Whether END_STREAM is written. */
  endSent = false;
  /** Bytes of the body that content-length still promises; -1: it promises nothing. */
  bodyBytesLeft = -1;
  /** Client: the response to HEAD has no body whatever its content-length. */
  bodyless = false;
  /** Client, CONNECT. */
  tunnel = false;
  /** Flow-controlled bytes received and not given back by WINDOW_UPDATE. */
  uncreditedBytes = 0;
  /** Send window less the peer's SETTINGS_INITIAL_WINDOW_SIZE, which may change. */
  windowOffset = 0;
  /** What waits for windows or the output. */
  queue: SendQueue | undefined = undefined;
  /** Place in the ring of streams that can send. */
  nextReady: H2Stream | undefined = undefined;
  previousReady: H2Stream | undefined = undefined;
  /** Where the header of its last frame stands in the batch `lastBatch`: the end may still be put on it. */
  lastFrameAt = 0;
  lastBatch = -1;
  /** Runs while a complete message waits for the peer's window. */
  stallTimer: Timer | undefined = undefined;
  /** Nothing more is wanted of the peer: see {@link finish}. */
  finished = false;
  /** Whether onEndSent is owed. */
  awaited = false;
  /** Whether onDrain is owed. */
  wasFull = false;
  openedMs = 0;

  constructor(connection: H2Connection, handler: H2StreamHandler) {
    this.connection = connection;
    this.handler = handler;
  }

  /** Client: the request; `protocol` for extended CONNECT, else ''. Gives the stream its id. Empty strings are absent. */
  sendRequest(
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
    endStream: boolean,
  ): void {
    this.connection.sendRequest(this, method, scheme, authority, path, protocol, headers, endStream);
  }

  /** Server: a status below 200, any number before the response. */
  sendInterim(status: number, headers: HeaderList): void {
    if (!this.closed && !this.headSent) this.connection.sender.response(this, status, headers, false);
  }

  /** Server. */
  sendResponse(status: number, headers: HeaderList, endStream: boolean): void {
    if (this.closed || this.headSent) return;
    this.headSent = true;
    this.ended = endStream;
    this.connection.sender.response(this, status, headers, endStream);
  }

  /**
   * A piece of the body, sent as soon as windows and the output allow.
   * @param borrowed whether the caller writes to `data` again; otherwise it may be referred to until it is sent
   */
  sendData(data: Buffer, endStream: boolean, borrowed = false): void {
    if (this.closed || this.ended) return;
    this.ended = endStream;
    this.connection.sender.data(this, data, endStream, borrowed);
  }

  /** The end, with trailers; an empty list is the same as {@link end}. */
  sendTrailers(headers: HeaderList): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    if (headers.length === 0) this.connection.sender.end(this);
    else this.connection.sender.trailers(this, headers);
  }

  end(): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    this.connection.sender.end(this);
  }

  /** Ends the stream at once; what waits is dropped. The handler hears no more. */
  reset(code: number = errorCode.cancel): void {
    this.connection.resetStream(this, code);
  }

  /** Whether the end of a complete message waits for windows or the output: onEndSent is called then. */
  get unsent(): boolean {
    if (!this.ended || this.endSent || this.closed) return false;
    this.awaited = true;
    return true;
  }

  /**
   * The owner is done with the stream: what still comes is dropped, what waits is sent, and if the peer's
   * side is not complete by then, the stream is reset with NO_ERROR (RFC 9113 §8.1). A message that was not
   * ended is reset at once. The handler hears no more.
   */
  finish(): void {
    this.handler = noHandler;
    if (!this.ended || this.endSent) this.reset(this.ended ? errorCode.noError : errorCode.internalError);
    if (this.closed) return;
    this.finished = true;
    this.resume();
  }

  /** For the timer wheel. */
  onTimer(): void {
    this.connection.onStalled(this);
  }

  /** What the peer may still send by its window comes all the same. */
  pause(): void {
    if (this.paused || this.closed) return;
    this.paused = true;
    this.connection.hold(this.uncreditedBytes);
  }

  resume(): void {
    if (!this.paused || this.closed) return;
    this.paused = false;
    this.connection.hold(-this.uncreditedBytes);
    this.connection.creditStream(this);
  }

  /** Whether more should wait for `onDrain`. */
  get full(): boolean {
    const { queue } = this;
    if (queue === undefined || queue.bytes === 0) return false;
    const { options, sender } = this.connection;
    if (queue.bytes < options.streamBufferBytes && !sender.crowded) return false;
    this.wasFull = true;
    return true;
  }

  /** Bytes that were given to `sendData` and are not written. */
  get queuedBytes(): number {
    return this.queue === undefined ? 0 : this.queue.bytes;
  }
}
