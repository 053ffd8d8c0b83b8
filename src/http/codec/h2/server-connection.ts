/** The server's end of an HTTP/2 connection: streams come from the peer. */
import { H2Connection } from './connection.ts';
import type { H2ConnectionEvents, H2Surroundings } from './connection-events.ts';
import { h2Counter } from './counter.ts';
import { rejection } from './fault.ts';
import { errorCode } from './frame.ts';
import type { H2Options } from './options.ts';
import type { H2Output } from './output.ts';
import { H2Stream, noHandler } from './stream.ts';

export class H2ServerConnection extends H2Connection {
  /** The highest id the peer has used. */
  #highest = 0;
  /** The stream whose first block is being decoded. */
  #opening = 0;

  constructor(
    output: H2Output,
    events: H2ConnectionEvents,
    options: H2Options,
    surroundings: H2Surroundings,
  ) {
    super(output, events, options, surroundings, true);
  }

  override sendRequest(): void {
    throw new Error('a server sends no requests');
  }

  protected override wasOpen(streamId: number): boolean {
    return streamId <= this.#highest && (streamId & 1) === 1;
  }

  protected override onUnknownHeaders(
    streamId: number,
    endStream: boolean,
    dependency: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
    if ((streamId & 1) === 0) {
      this.onFault(rejection(errorCode.protocolError, 'a client opened a stream of an even number'));
      return;
    }
    // Nobody can tell a stream that was skipped from one that is over.
    if (streamId <= this.#highest) {
      this.onLateHeaders(bytes, from, to);
      return;
    }
    if (dependency === streamId) {
      this.onFault(rejection(errorCode.protocolError, 'a stream depends on itself'));
      return;
    }
    this.#opening = streamId;
    const decoded = this.decode(bytes, from, to, 'request');
    this.#opening = 0;
    if (!decoded) return;
    this.#highest = streamId;
    this.#begin(streamId, endStream);
  }

  protected override beforeFault(): void {
    const { assembly } = this;
    let id = this.#opening;
    if (id === 0 && (assembly.streamId & 1) === 1 && assembly.streamId > this.#highest)
      id = assembly.streamId;
    if (id !== 0 && !this.draining) this.#open(id, false);
  }

  #open(streamId: number, endStream: boolean): H2Stream {
    const stream = new H2Stream(this, noHandler);
    stream.id = streamId;
    stream.openedMs = this.nowMs;
    stream.headReceived = true;
    stream.endReceived = endStream;
    this.streams.add(stream);
    this.lastPeerStream = streamId;
    this.guard.openedStreams++;
    try {
      this.events.onStream(stream);
    } catch (error) {
      this.onHandlerError(stream, error);
    }
    return stream;
  }

  /** A request, in `block`. */
  #begin(streamId: number, endStream: boolean): void {
    if (this.draining) return;
    if (this.streams.size >= this.options.maxConcurrentStreams) {
      this.#refuse(streamId);
      return;
    }
    if (this.surroundings.memory.exhausted) {
      this.events.onCount(h2Counter.streamRefusedErrors);
      this.sendReset(streamId, errorCode.refusedStream);
      return;
    }
    const stream = this.#open(streamId, endStream);
    if (stream.closed || !this.accepts(stream)) return;
    stream.bodyBytesLeft = this.block.contentLength;
    if (endStream && stream.bodyBytesLeft > 0) this.failMessage(stream, 'http2.violation.of.messaging.rule');
    else this.deliverHead(stream, endStream);
  }

  /** More streams than are allowed, for who knows that. */
  #refuse(streamId: number): void {
    if (this.acknowledged) {
      this.onFault(rejection(errorCode.protocolError, 'more streams than SETTINGS_MAX_CONCURRENT_STREAMS'));
      return;
    }
    this.events.onCount(h2Counter.streamRefusedErrors);
    this.sendReset(streamId, errorCode.refusedStream);
    this.onRequestOver(true);
  }

  protected override onLateHead(): void {}
}
