/** The server's end of an HTTP/2 connection: streams come from the peer. */
import { H2Connection } from './connection.ts';
import type { H2ConnectionEvents, H2Surroundings } from './connection-events.ts';
import { violation } from './fault.ts';
import { errorCode } from './frame.ts';
import type { H2Options } from './options.ts';
import type { H2Output } from './output.ts';
import { H2Stream, noHandler } from './stream.ts';

export class H2ServerConnection extends H2Connection {
  /** The highest id the peer has used. */
  #highest = 0;

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
      this.onFault(violation(errorCode.protocolError, 'a client opened a stream of an even number'));
    } else if (streamId <= this.#highest) {
      this.onLateHeaders(streamId, bytes, from, to);
    } else if (this.decode(bytes, from, to, 'request')) {
      this.#highest = streamId;
      this.#begin(streamId, endStream, dependency === streamId);
    }
  }

  /** A request, in `block`. */
  #begin(streamId: number, endStream: boolean, dependsOnItself: boolean): void {
    if (this.draining) return;
    if (this.streams.size >= this.options.maxConcurrentStreams) {
      this.sendReset(streamId, errorCode.refusedStream);
      this.onRequestOver(true);
      return;
    }
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
      return;
    }
    if (dependsOnItself) this.failStream(stream, errorCode.protocolError, 'http2.unknown.nghttp2.error');
    if (stream.closed || !this.accepts(stream)) return;
    stream.bodyBytesLeft = this.block.contentLength;
    if (endStream && stream.bodyBytesLeft > 0) this.failMessage(stream, 'http2.violation.of.messaging.rule');
    else this.deliverHead(stream, endStream);
  }

  protected override onLateHead(): void {}
}
