/** The client's end of an HTTP/2 connection: streams are opened here. */
import type { HeaderList } from '../../header-list.ts';
import { H2Connection } from './connection.ts';
import type { H2ConnectionEvents, H2Surroundings } from './connection-events.ts';
import { violation } from './fault.ts';
import { CLIENT_PREFACE, errorCode, MAX_STREAM_ID } from './frame.ts';
import type { H2Options } from './options.ts';
import type { H2Output } from './output.ts';
import { H2Stream, type H2StreamHandler } from './stream.ts';

const MESSAGING = 'http2.violation.of.messaging.rule';

export class H2ClientConnection extends H2Connection {
  #nextId = 1;

  constructor(
    output: H2Output,
    events: H2ConnectionEvents,
    options: H2Options,
    surroundings: H2Surroundings,
  ) {
    super(output, events, options, surroundings, false);
  }

  protected override beforeSettings(): void {
    this.sender.raw(CLIENT_PREFACE);
  }

  /** Streams that may be open at once: the peer's limit or our own. */
  get maxStreams(): number {
    return Math.min(this.options.maxConcurrentStreams, this.peer.maxConcurrentStreams);
  }

  /** Whether one more request can be sent now. */
  get canOpen(): boolean {
    return (
      !this.closed && !this.draining && this.streams.size < this.maxStreams && this.#nextId <= MAX_STREAM_ID
    );
  }

  /** Whether the peer takes extended CONNECT (RFC 8441 §3). Known once its SETTINGS came. */
  get peerAllowsConnect(): boolean {
    return this.peer.enableConnectProtocol;
  }

  /** A stream to send a request on, in this tick; {@link canOpen} must hold. */
  open(handler: H2StreamHandler): H2Stream {
    return new H2Stream(this, handler);
  }

  override sendRequest(
    stream: H2Stream,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
    endStream: boolean,
  ): void {
    if (stream.closed || stream.headSent) return;
    if (!this.canOpen) {
      this.end(stream, errorCode.refusedStream, 'refused', 'http2.remote_refuse');
      return;
    }
    const nowMs = this.surroundings.clock.nowMs();
    this.keepAlive.beforeRequest(nowMs - this.nowMs);
    stream.id = this.#nextId;
    this.#nextId += 2;
    stream.openedMs = nowMs;
    stream.headSent = true;
    stream.ended = endStream;
    stream.bodyless = method === 'HEAD';
    stream.tunnel = method === 'CONNECT';
    this.streams.add(stream);
    this.guard.openedStreams++;
    this.sender.request(stream, method, scheme, authority, path, protocol, headers, endStream);
  }

  protected override wasOpen(streamId: number): boolean {
    return streamId < this.#nextId && (streamId & 1) === 1;
  }

  protected override onUnknownHeaders(
    streamId: number,
    _endStream: boolean,
    _dependency: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
    if (this.wasOpen(streamId)) this.onLateHeaders(bytes, from, to);
    else this.onFault(violation(errorCode.protocolError, 'HEADERS of a stream that was never opened'));
  }

  /** A response, or an interim one, in `block`. */
  protected override onLateHead(stream: H2Stream, endStream: boolean): void {
    if (!this.accepts(stream)) return;
    const { status, contentLength } = this.block;
    if (status < 200) {
      // An interim response is never the end (RFC 9113 §8.1).
      if (endStream) this.failMessage(stream, MESSAGING);
      else this.deliverHead(stream, false);
      return;
    }
    stream.headReceived = true;
    if (stream.bodyless || status === 204 || status === 304) stream.bodyBytesLeft = 0;
    else if (!(stream.tunnel && status < 300)) stream.bodyBytesLeft = contentLength;
    if (endStream && stream.bodyBytesLeft > 0) {
      this.failMessage(stream, MESSAGING);
      return;
    }
    stream.endReceived = endStream;
    this.deliverHead(stream, endStream);
  }
}
