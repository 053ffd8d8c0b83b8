/** The life of an HTTP/2 connection and of its streams: how they begin, end, and fail. */
import { Timer } from '#core/timer-wheel.ts';
import type { H2ConnectionEvents, H2Surroundings } from './connection-events.ts';
import { h2Counter } from './counter.ts';
import { flood, type H2Fault, violation } from './fault.ts';
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
import { ResetMemory } from './reset-memory.ts';
import { FrameSender, type SenderEvents } from './sender.ts';
import { PeerSettings, settingId } from './settings.ts';
import type { H2Stream, ResetCause } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/** What the peer's header table is until it has our SETTINGS. */
const DEFAULT_TABLE_BYTES = 4096;
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
  /** Streams that we reset, and those that the peer did. */
  protected readonly resets: ResetMemory = new ResetMemory();
  protected readonly peerResets: ResetMemory = new ResetMemory();
  /** When something came last. */
  protected nowMs = 0;
  /** The last stream of the peer's that was handed on. */
  protected lastPeerStream = 0;
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
    this.decoder = new HpackDecoder(options.hpackTableSize);
    this.limits = {
      maxListBytes: options.maxHeaderListBytes,
      maxFields: options.maxHeaderFields,
      extendedConnect: isServer && options.allowConnect,
    };
    this.keepAlive = new KeepAlive(options.keepAlive, this, surroundings);
    const { hpackTableSize, streamBufferBytes } = options;
    this.sender = new FrameSender(
      output,
      this,
      surroundings.flushes,
      this.guard,
      hpackTableSize,
      streamBufferBytes,
    );
    const assembly = new HeaderAssembly(options.maxHeaderListBytes);
    this.#reader = new FrameReader(this as unknown as FrameSink, this.guard, assembly, isServer);
  }

  /** Streams that are open. */
  get streamsActive(): number {
    return this.streams.size;
  }

  /** SETTINGS, and what precedes them. To be called once, before anything else. */
  start(): void {
    const { options, flow, sender } = this;
    this.nowMs = this.surroundings.clock.nowMs();
    const parameters: number[] = [];
    if (options.hpackTableSize !== DEFAULT_TABLE_BYTES)
      parameters.push(settingId.headerTableSize, options.hpackTableSize);
    if (!this.isServer) parameters.push(settingId.enablePush, 0);
    parameters.push(settingId.maxConcurrentStreams, options.maxConcurrentStreams);
    if (flow.streamWindow !== DEFAULT_WINDOW_BYTES)
      parameters.push(settingId.initialWindowSize, flow.streamWindow);
    if (this.isServer && options.allowConnect) parameters.push(settingId.enableConnectProtocol, 1);
    parameters.push(settingId.noRfc7540Priorities, 1, ...options.customSettings);
    this.beforeSettings();
    sender.settings(parameters);
    const added = flow.connectionWindow - DEFAULT_WINDOW_BYTES;
    if (added > 0) sender.windowUpdate(0, added);
    this.keepAlive.start();
  }

  protected beforeSettings(): void {}

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
    const fault = this.closed ? undefined : this.guard.outbound();
    if (fault !== undefined) this.onFault(fault);
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
    this.#sendGoAway(this.lastPeerStream, code, '');
    this.finishIfDrained();
  }

  /** GOAWAY and the end, at once: open streams end as 'connection'. */
  destroy(code: number = errorCode.noError): void {
    if (this.closed) return;
    this.#sendGoAway(this.lastPeerStream, code, '');
    this.close(NOTHING_PENDING);
  }

  onFault(fault: H2Fault): void {
    if (this.closed) return;
    if (fault.counter !== -1) this.events.onCount(fault.counter);
    this.#sendGoAway(this.lastPeerStream, fault.code, fault.reason);
    this.events.onFault(fault);
    this.close(fault);
  }

  #sendGoAway(lastStreamId: number, code: number, debug: string): void {
    this.events.onCount(h2Counter.goAwaySent);
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
    this.onFault(flood(h2Counter.keepAliveTimeout, 'http2_ping_timeout', 'a PING was not answered in time'));
  }

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
    this.resets.add(streamId);
    this.sender.rstStream(streamId, code);
  }

  /** The peer broke a rule on one stream (RFC 9113 §5.4.2). */
  protected failStream(stream: H2Stream, code: number, details: string): void {
    if (stream.closed) return;
    const premature = this.isPremature(stream);
    this.sendReset(stream.id, code);
    this.end(stream, code, 'message', details);
    this.onRequestOver(premature);
  }

  /** What came is no message of HTTP (RFC 9113 §8.1.1). */
  protected failMessage(stream: H2Stream, details: string): void {
    if (stream.closed) return;
    this.events.onCount(h2Counter.receivedMessagingError);
    if (this.options.streamErrorOnInvalidHttpMessage) {
      this.failStream(stream, errorCode.protocolError, details);
      return;
    }
    this.end(stream, errorCode.protocolError, 'message', details);
    this.onFault({ ...violation(errorCode.protocolError, 'an invalid message'), details });
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
    stream.stallTimer ??= new Timer(stream, 0);
    this.surroundings.wheel.postpone(stream.stallTimer, streamFlushTimeoutMs);
  }

  /** For {@link H2Stream}: nothing of a complete message could be sent for too long. */
  onStalled(stream: H2Stream): void {
    if (stream.closed) return;
    this.events.onCount(h2Counter.flushTimeout);
    this.sendReset(stream.id, errorCode.noError);
    this.end(stream, errorCode.noError, 'stalled', 'http2.stream_flush_timeout');
  }
}
