/** The life of an HTTP/2 connection and of its streams: how they begin, end, and fail. */
import { createTimer } from '#core/timer-wheel.ts';
import type { H2ConnectionEvents, H2Surroundings } from './connection-events.ts';
import { h2Counter } from './counter.ts';
import { type H2Fault, rejection, violation } from './fault.ts';
import { FloodGuard } from './flood-guard.ts';
import { ReceiveFlow } from './flow-control.ts';
import { DEFAULT_WINDOW_BYTES, errorCode, MAX_STREAM_ID } from './frame.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { HeaderAssembly } from './header-assembly.ts';
import { type BlockLimits, HeaderBlock } from './header-block.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { KeepAlive, type KeepAliveEvents } from './keep-alive.ts';
import type { H2Options } from './options.ts';
import type { H2Output } from './output.ts';
import { pingData, pingKind } from './ping.ts';
import { FrameSender, type SenderEvents } from './sender.ts';
import { PeerSettings, settingId } from './settings.ts';
import type { H2Stream, ResetCause } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const NOTHING_PENDING: H2Fault = violation(errorCode.noError, '');

export abstract class ConnectionLife implements SenderEvents, KeepAliveEvents {
  readonly options: H2Options;
  readonly output: H2Output;
  readonly events: H2ConnectionEvents;
  readonly surroundings: H2Surroundings;
  /** What the peer announced. */
  readonly peer: PeerSettings = new PeerSettings();
  /** For streams. */
  readonly sender: FrameSender;
  /** Nothing is read or written any more. */
  closed = false;
  /** No stream is begun any more; the connection ends when those that are open have. */
  draining = false;
  /** Belongs to the flush queue. */
  flushQueued = false;

  protected readonly isServer: boolean;
  protected readonly streams: StreamTable = new StreamTable();
  protected readonly guard: FloodGuard;
  protected readonly flow: ReceiveFlow;
  protected readonly decoder: HpackDecoder;
  protected readonly block: HeaderBlock = new HeaderBlock();
  protected readonly limits: BlockLimits;
  protected readonly keepAlive: KeepAlive;
  /** When something came last. */
  protected nowMs = 0;
  /** The last stream of the peer's that was handed on. */
  protected lastPeerStream = 0;
  /** The header block that is not complete. */
  protected readonly assembly: HeaderAssembly;
  /** Our SETTINGS that the peer has not acknowledged, and whether it has acknowledged any. */
  protected unacknowledged = 0;
  protected acknowledged = false;
  readonly #reader: FrameReader;

  constructor(
    output: H2Output,
    events: H2ConnectionEvents,
    options: H2Options,
    surroundings: H2Surroundings,
    isServer: boolean,
  ) {
    this.output = output;
    this.events = events;
    this.options = options;
    this.surroundings = surroundings;
    this.isServer = isServer;
    this.guard = new FloodGuard(options);
    this.flow = new ReceiveFlow(options.initialStreamWindowSize, options.initialConnectionWindowSize);
    this.decoder = new HpackDecoder(options.hpackTableSize, options.maxFieldBytes);
    this.limits = {
      maxListBytes: options.maxHeaderListBytes,
      maxFields: options.maxHeaderFields,
      extendedConnect: isServer && options.allowConnect,
      fromClient: isServer,
    };
    this.keepAlive = new KeepAlive(options.keepAlive, this, surroundings);
    const { hpackTableSize, streamBufferBytes } = options;
    this.sender = new FrameSender(output, this, surroundings, this.guard, hpackTableSize, streamBufferBytes);
    this.assembly = new HeaderAssembly(options.maxHeaderListBytes);
    this.#reader = new FrameReader(this as unknown as FrameSink, this.guard, this.assembly, isServer);
  }

  /** Streams that are open. */
  get streamsActive(): number {
    return this.streams.size;
  }

  /** As they are now. */
  get openStreams(): readonly H2Stream[] {
    return this.streams.toArray();
  }

  /** SETTINGS, and what precedes them. To be called once, before anything else. */
  start(): void {
    const { options, flow, sender } = this;
    this.nowMs = this.surroundings.clock.nowMs();
    const parameters: number[] = [settingId.headerTableSize, options.hpackTableSize];
    if (!this.isServer) parameters.push(settingId.enablePush, 0);
    parameters.push(settingId.maxConcurrentStreams, options.maxConcurrentStreams);
    if (flow.streamWindow !== DEFAULT_WINDOW_BYTES)
      parameters.push(settingId.initialWindowSize, flow.streamWindow);
    if (this.isServer) parameters.push(settingId.enableConnectProtocol, options.allowConnect ? 1 : 0);
    parameters.push(...options.customSettings);
    this.beforeSettings();
    this.announce(parameters);
    const added = flow.connectionWindow - DEFAULT_WINDOW_BYTES;
    if (added > 0) sender.windowUpdate(0, added);
    this.keepAlive.start();
  }

  protected beforeSettings(): void {}

  protected announce(settings: readonly number[]): void {
    this.unacknowledged++;
    this.sender.settings(settings);
  }

  /** Bytes from the peer, split anywhere. `chunk` must stay as it is until this returns. */
  receive(chunk: Buffer): void {
    if (this.closed) return;
    this.nowMs = this.surroundings.clock.nowMs();
    this.#reader.read(chunk);
    this.#endFlood();
  }

  /** The output has room again, or is drained. */
  onWritable(): void {
    this.flush();
  }

  /** Writes now what was gathered; otherwise it goes out at the end of the tick. */
  flush(): void {
    if (this.closed) return;
    this.#endFlood();
    if (!this.closed) this.sender.flush();
  }

  #endFlood(): void {
    this.endOutboundFlood();
  }

  /** @returns whether the connection was ended */
  protected endOutboundFlood(): boolean {
    const fault = this.closed ? undefined : this.guard.outbound();
    if (fault !== undefined) this.onFault(fault);
    return this.closed;
  }

  // --- The end of the connection

  /** The peer closed its side, or the socket is gone: open streams end as 'connection'. */
  onEnd(): void {
    this.close(NOTHING_PENDING);
  }

  /** GOAWAY that excludes nothing yet (RFC 9113 §6.8): no new streams, please. */
  announceShutdown(): void {
    if (!this.closed && !this.draining) this.#sendGoAway(MAX_STREAM_ID, errorCode.noError, '');
  }

  /** GOAWAY with the last stream that will be answered; the connection ends when its streams have. */
  goAway(code: number = errorCode.noError): void {
    if (this.closed) return;
    this.draining = true;
    this.events.onCount(h2Counter.goAwaySent);
    this.#sendGoAway(this.lastPeerStream, code, '');
    this.finishIfDrained();
  }

  /** The end, at once and without a GOAWAY: open streams end as 'connection'. */
  destroy(): void {
    this.close(NOTHING_PENDING);
  }

  onFault(fault: H2Fault): void {
    if (this.closed) return;
    if (fault.counter !== -1) this.events.onCount(fault.counter);
    this.beforeFault();
    if (fault.told) this.#sendGoAway(this.lastPeerStream, fault.code, fault.reason);
    this.events.onFault(fault);
    this.close(fault);
  }

  /** A stream whose head was being read has begun, too. */
  protected beforeFault(): void {}

  #sendGoAway(lastStreamId: number, code: number, debug: string): void {
    this.sender.goAway(lastStreamId, code, debug);
  }

  protected finishIfDrained(): void {
    if (this.draining && this.streams.size === 0) this.close(NOTHING_PENDING);
  }

  protected close(fault: H2Fault): void {
    if (this.closed) return;
    this.#reader.stop();
    this.sender.flush();
    this.closed = true;
    this.keepAlive.stop();
    const details = fault === NOTHING_PENDING ? '' : fault.details;
    for (const stream of this.streams.toArray()) {
      if (!stream.closed) this.end(stream, fault.code, 'connection', details);
    }
    this.output.end();
    this.events.onClosed();
  }

  sendKeepAlivePing(): void {
    this.sender.ping(false, pingData, pingKind.keepAlive);
  }

  onKeepAliveTimeout(): void {
    this.events.onCount(h2Counter.keepAliveTimeout);
    this.close(NOTHING_PENDING);
  }

  /** Streams that are not read hold more, or less. */
  abstract hold(bytes: number): void;

  // --- The end of streams

  /** For {@link H2Stream}. */
  resetStream(stream: H2Stream, code: number): void {
    if (stream.closed) return;
    if (stream.id !== 0) {
      this.sendReset(stream.id, code);
      // Resets that are our own wish, many at once perhaps, are no flood of the peer's.
      if (this.output.drained) this.guard.outboundControlFrames--;
    }
    this.#detach(stream);
    this.#over(stream);
  }

  protected sendReset(streamId: number, code: number): void {
    if (this.closed) return;
    this.events.onCount(h2Counter.sentReset);
    this.sender.rstStream(streamId, code);
  }

  /** The peer broke a rule on one stream, which ends alone (RFC 9113 §5.4.2). */
  protected failStream(stream: H2Stream, code: number, cause: ResetCause, details: string): void {
    if (stream.closed) return;
    const premature = this.isPremature(stream);
    this.sendReset(stream.id, code);
    this.end(stream, code, cause, details);
    this.onRequestOver(premature);
  }

  /** The same, of a rule whose breach ends the connection in Envoy. */
  protected rejectStream(stream: H2Stream, code: number, reason: string): void {
    this.end(stream, code, 'message', 'http2.unknown.nghttp2.error');
    this.onFault(rejection(code, reason));
  }

  /** What came is no message of HTTP (RFC 9113 §8.1.1). */
  protected failMessage(stream: H2Stream, details: string): void {
    if (stream.closed) return;
    this.events.onCount(h2Counter.receivedMessagingError);
    if (this.options.streamErrorOnInvalidHttpMessage) {
      this.failStream(stream, errorCode.protocolError, 'message', details);
      return;
    }
    this.end(stream, errorCode.protocolError, 'message', details);
    this.onFault({ ...rejection(errorCode.protocolError, 'an invalid message'), details });
  }

  /** Ends a stream early and tells its handler. */
  protected end(stream: H2Stream, code: number, cause: ResetCause, details: string): void {
    this.#detach(stream);
    try {
      stream.handler.onReset(code, cause, details);
    } catch (error) {
      this.events.onHandlerError(error, stream);
    }
    this.#over(stream);
  }

  /** Ends a stream that is complete in both directions. */
  protected settle(stream: H2Stream): void {
    if (stream.closed || !stream.endReceived || !stream.endSent) return;
    this.#detach(stream);
    this.#over(stream);
    this.onRequestOver(false);
  }

  #detach(stream: H2Stream): void {
    stream.closed = true;
    if (stream.paused) this.hold(-stream.uncreditedBytes);
    if (stream.id !== 0) this.streams.delete(stream);
    this.sender.forget(stream);
    if (stream.stallTimer !== undefined) this.surroundings.wheel.disarm(stream.stallTimer);
  }

  #over(stream: H2Stream): void {
    this.events.onStreamClosed(stream);
    if (!this.closed) this.finishIfDrained();
  }

  /** Whether a request that ends now has cost us more than its client. */
  protected isPremature(stream: H2Stream): boolean {
    return !stream.headSent && this.nowMs - stream.openedMs <= this.options.prematureResetLifetimeMs;
  }

  /** A request of the peer's is over. */
  protected onRequestOver(premature: boolean): void {
    if (!this.isServer) return;
    const fault = this.guard.requestClosed(premature);
    if (fault !== undefined) this.onFault(fault);
  }

  /** A stream's handler threw: the stream ends, the connection goes on. */
  protected onHandlerError(stream: H2Stream, error: unknown): void {
    this.events.onCount(h2Counter.handlerError);
    this.events.onHandlerError(error, stream);
    if (stream.closed) return;
    this.sendReset(stream.id, errorCode.internalError);
    this.end(stream, errorCode.internalError, 'handler', 'http2.handler_error');
  }

  // --- What the sender tells

  onEndSent(stream: H2Stream): void {
    if (stream.endReceived) this.settle(stream);
    else if (stream.finished) this.resetStream(stream, errorCode.noError);
    if (!stream.awaited) return;
    stream.awaited = false;
    stream.handler.onEndSent?.();
  }

  onRoom(stream: H2Stream): void {
    try {
      stream.handler.onDrain();
    } catch (error) {
      this.onHandlerError(stream, error);
    }
  }

  onWaiting(stream: H2Stream): void {
    const { streamFlushTimeoutMs } = this.options;
    if (streamFlushTimeoutMs === 0) return;
    stream.stallTimer ??= createTimer(stream, 0, this.surroundings.flushScale);
    this.surroundings.wheel.postpone(stream.stallTimer, streamFlushTimeoutMs);
  }

  /** For {@link H2Stream}: nothing of a complete message could be sent for too long. */
  onStalled(stream: H2Stream): void {
    if (stream.closed) return;
    this.events.onCount(h2Counter.flushTimeout);
    this.sendReset(stream.id, errorCode.internalError);
    this.end(stream, errorCode.internalError, 'stalled', 'http2.stream_flush_timeout');
  }
}
