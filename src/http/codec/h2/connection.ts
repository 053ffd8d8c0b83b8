/**
 * An HTTP/2 connection (RFC 9113), as both ends have it: what each frame does to the connection and
 * its streams. Bytes come in by `receive` and go out by an {@link H2Output}.
 */
import type { HeaderList } from '../../header-list.ts';
import { MAX_HELD_BYTES } from './body-memory.ts';
import { ConnectionLife } from './connection-life.ts';
import { h2Counter } from './counter.ts';
import { rejection, violation } from './fault.ts';
import { errorCode, MAX_WINDOW_BYTES } from './frame.ts';
import type { FrameSink } from './frame-reader.ts';
import type { BlockKind } from './header-block.ts';
import { isPing, pingData, pingKind } from './ping.ts';
import { settingId } from './settings.ts';
import type { H2Stream } from './stream.ts';

const { protocolError, flowControlError, streamClosed, compressionError } = errorCode;

/** Envoy's response code details of what is no message. */
const MESSAGING = 'http2.violation.of.messaging.rule';
/** The same of a stream that was reset, by whomever. */
const RESET = 'http2.remote_reset';
const NEVER_OPENED = 'a frame of a stream that was never opened';
/** A debug text of a GOAWAY is for a log line, not for a book. */
const MAX_DEBUG_BYTES = 128;

export abstract class H2Connection extends ConnectionLife implements FrameSink {
  /** Whose DATA frame is being read; undefined where it is to be dropped. */
  #dataStream: H2Stream | undefined;
  /** What came on streams that are paused. */
  #heldBytes = 0;

  /** For {@link H2Stream}. */
  abstract sendRequest(
    stream: H2Stream,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
    endStream: boolean,
  ): void;

  /** HEADERS of a stream that is not open. */
  protected abstract onUnknownHeaders(
    streamId: number,
    endStream: boolean,
    dependency: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void;
  /** A head on a stream whose head is missing: a response. */
  protected abstract onLateHead(stream: H2Stream, endStream: boolean): void;
  /** Whether a stream of that id has been open. */
  protected abstract wasOpen(streamId: number): boolean;

  onDataBegin(streamId: number, flowBytes: number): void {
    this.#dataStream = undefined;
    this.flow.receive(flowBytes);
    this.#creditConnection();
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      // Of a body that was cut off much may be on its way, in many frames.
      if (!this.wasOpen(streamId)) this.onFault(violation(protocolError, NEVER_OPENED));
      return;
    }
    stream.uncreditedBytes += flowBytes;
    if (stream.paused) this.hold(flowBytes);
    if (stream.endReceived) this.onFault(violation(streamClosed, 'DATA after the end of its stream'));
    else if (!stream.headReceived) this.onFault(violation(protocolError, 'DATA before the head'));
    else if (stream.uncreditedBytes > this.flow.streamWindow)
      this.failStream(stream, flowControlError, 'peer', RESET);
    else if (stream.paused && this.surroundings.memory.exhausted) this.#failForMemory(stream);
    else {
      this.guard.inboundDataFrames++;
      this.#dataStream = stream;
    }
  }

  onDataPart(bytes: Buffer, from: number, to: number, last: boolean, endStream: boolean): void {
    const stream = this.#dataStream;
    if (stream === undefined || stream.closed) return;
    const length = to - from;
    if (stream.bodyBytesLeft >= 0) {
      stream.bodyBytesLeft -= length;
      if (stream.bodyBytesLeft < 0 || (endStream && stream.bodyBytesLeft > 0)) {
        this.failStream(stream, protocolError, 'message', RESET);
        return;
      }
    }
    if (endStream) stream.endReceived = true;
    if (length > 0 || endStream) this.#deliverData(stream, bytes.subarray(from, to), endStream);
    if (!last || stream.closed) return;
    if (endStream) this.settle(stream);
    else this.creditStream(stream);
  }

  #deliverData(stream: H2Stream, data: Buffer, endStream: boolean): void {
    try {
      stream.handler.onData(data, endStream);
    } catch (error) {
      this.onHandlerError(stream, error);
    }
  }

  /** Data of the connection is given back as it comes: what one stream does not read is only its own window. */
  #creditConnection(): void {
    if (this.#heldBytes >= MAX_HELD_BYTES) return;
    const credit = this.flow.takeCredit();
    if (credit > 0) this.sender.windowUpdate(0, credit);
    if (this.flow.beginSample(this.nowMs)) this.sender.ping(false, pingData, pingKind.bandwidth);
  }

  #failForMemory(stream: H2Stream): void {
    this.events.onCount(h2Counter.bodyMemoryOverflow);
    this.failStream(stream, errorCode.enhanceYourCalm, 'peer', 'http2.body_memory_overflow');
  }

  override hold(bytes: number): void {
    const stood = this.#heldBytes >= MAX_HELD_BYTES;
    this.#heldBytes += bytes;
    this.surroundings.memory.bytes += bytes;
    if (stood && !this.closed) this.#creditConnection();
  }

  /** For {@link H2Stream}: gives back what the stream has taken, unless that can wait. */
  creditStream(stream: H2Stream): void {
    const { uncreditedBytes } = stream;
    if (stream.paused || stream.endReceived || uncreditedBytes * 2 < this.flow.streamWindow) return;
    stream.uncreditedBytes = 0;
    this.sender.windowUpdate(stream.id, uncreditedBytes);
  }

  onHeaders(
    streamId: number,
    endStream: boolean,
    dependency: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.onUnknownHeaders(streamId, endStream, dependency, bytes, from, to);
      return;
    }
    const isHead = !stream.headReceived;
    if (!this.decode(bytes, from, to, isHead ? 'response' : 'trailers')) return;
    if (stream.endReceived) this.rejectStream(stream, streamClosed, 'HEADERS after the end of their stream');
    else if (isHead) this.onLateHead(stream, endStream);
    else this.#onTrailers(stream, endStream);
  }

  /** @returns false where the connection ends with a COMPRESSION_ERROR */
  protected decode(bytes: Buffer, from: number, to: number, kind: BlockKind): boolean {
    if (this.decoder.decode(bytes, from, to, kind, this.block, this.limits)) return true;
    this.onFault(violation(compressionError, 'a header block cannot be decoded'));
    return false;
  }

  #onTrailers(stream: H2Stream, endStream: boolean): void {
    const { block } = this;
    if (this.isServer) this.events.onCount(h2Counter.trailers);
    if (!endStream || stream.bodyBytesLeft > 0) this.failMessage(stream, MESSAGING);
    else if (!this.accepts(stream)) return;
    else {
      stream.endReceived = true;
      try {
        stream.handler.onTrailers(block);
      } catch (error) {
        this.onHandlerError(stream, error);
      }
      this.settle(stream);
    }
  }

  /** Whether the block that was read is well-formed and small enough; otherwise the stream, or the connection, is ended. */
  protected accepts(stream: H2Stream): boolean {
    const { malformed, tooLarge } = this.block;
    if (tooLarge !== '') {
      const many = tooLarge === 'fields';
      this.events.onCount(many ? h2Counter.headerOverflow : h2Counter.headerListTooLarge);
      this.failStream(
        stream,
        errorCode.internalError,
        'peer',
        many ? 'http2.too_many_headers' : 'http2.header_list_size_too_large',
      );
      return false;
    }
    if (malformed !== '') this.failMessage(stream, malformed);
    return malformed === '';
  }

  /** The head of a message is in {@link block} and was accepted. */
  protected deliverHead(stream: H2Stream, endStream: boolean): void {
    try {
      stream.handler.onHead(this.block, endStream);
    } catch (error) {
      this.onHandlerError(stream, error);
    }
    if (endStream) this.settle(stream);
  }

  onPriority(): void {
    const fault = this.guard.priority();
    if (fault !== undefined) this.onFault(fault);
  }

  onRstStream(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      const fault = this.wasOpen(streamId)
        ? this.guard.control(this.nowMs)
        : rejection(protocolError, NEVER_OPENED);
      if (fault !== undefined) this.onFault(fault);
      else this.#limitResets();
      return;
    }
    this.events.onCount(h2Counter.receivedReset);
    const premature = this.isPremature(stream);
    if (code === errorCode.refusedStream) this.end(stream, code, 'refused', 'http2.remote_refuse');
    else this.end(stream, code, code === protocolError ? 'message' : 'peer', RESET);
    this.onRequestOver(premature);
    this.#limitResets();
  }

  #limitResets(): void {
    const fault = this.isServer ? this.guard.peerReset(this.nowMs) : undefined;
    if (fault !== undefined) this.onFault(fault);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const fault = this.guard.windowUpdate();
    if (fault !== undefined) this.onFault(fault);
    else if (streamId === 0) this.#growConnectionWindow(increment);
    else {
      const stream = this.streams.get(streamId);
      if (stream !== undefined) this.#growStreamWindow(stream, increment);
      else if (!this.wasOpen(streamId)) this.onFault(rejection(protocolError, NEVER_OPENED));
    }
  }

  #growConnectionWindow(increment: number): void {
    if (increment === 0) {
      this.onFault(rejection(protocolError, 'WINDOW_UPDATE of nothing'));
    } else if (this.sender.connectionWindow + increment > MAX_WINDOW_BYTES) {
      this.onFault(rejection(flowControlError, 'the window of the connection is too large'));
    } else {
      this.sender.connectionWindow += increment;
      this.sender.schedule();
    }
  }

  #growStreamWindow(stream: H2Stream, increment: number): void {
    if (increment === 0) {
      this.rejectStream(stream, protocolError, 'WINDOW_UPDATE of nothing');
    } else if (this.sender.initialWindow + stream.windowOffset + increment > MAX_WINDOW_BYTES) {
      this.rejectStream(stream, flowControlError, 'the window of a stream is too large');
    } else {
      stream.windowOffset += increment;
      this.sender.wake(stream);
    }
  }

  onSettings(bytes: Buffer, from: number, to: number): void {
    const { peer, sender } = this;
    const { headerTableSize } = peer;
    const fault = this.guard.control(this.nowMs) ?? peer.apply(bytes, from, to, !this.isServer);
    if (fault !== undefined) {
      this.onFault(fault);
      return;
    }
    if (peer.headerTableSize !== headerTableSize) sender.encoder.setPeerLimit(peer.headerTableSize);
    if (peer.initialWindowSize !== sender.initialWindow) this.#changeWindows(peer.initialWindowSize);
    if (this.closed) return;
    sender.settingsAck();
    if (!this.endOutboundFlood()) this.events.onPeerSettings();
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all streams (RFC 9113 §6.9.2). */
  #changeWindows(bytes: number): void {
    this.sender.initialWindow = bytes;
    for (const stream of this.streams.toArray()) {
      if (bytes + stream.windowOffset > MAX_WINDOW_BYTES) {
        this.onFault(violation(flowControlError, 'the window of a stream is too large'));
        return;
      }
      this.sender.wake(stream);
    }
  }

  onSettingsAck(): void {
    if (this.unacknowledged === 0) {
      // No rule forbids it; of a client Envoy does not take it.
      if (this.isServer)
        this.onFault(rejection(protocolError, 'an acknowledgement of SETTINGS that were not sent'));
      return;
    }
    this.unacknowledged--;
    this.acknowledged = true;
    this.decoder.settingsAcknowledged();
  }

  onPing(ack: boolean, bytes: Buffer, from: number): void {
    if (!ack) {
      const fault = this.guard.control(this.nowMs);
      if (fault !== undefined) {
        this.onFault(fault);
        return;
      }
      this.sender.ping(true, bytes, from);
      this.endOutboundFlood();
    } else if (isPing(bytes, from, pingKind.bandwidth)) {
      this.#growWindows(this.flow.endSample(this.nowMs));
    } else if (isPing(bytes, from, pingKind.keepAlive)) {
      this.keepAlive.onPingAck();
    }
  }

  #growWindows(bytes: number): void {
    if (bytes === 0) return;
    const added = this.flow.growConnection(bytes);
    if (added > 0) this.sender.windowUpdate(0, added);
    if (this.flow.growStreams(bytes)) this.announce([settingId.initialWindowSize, bytes]);
  }

  onGoAway(lastStreamId: number, code: number, bytes: Buffer, from: number, to: number): void {
    const fault = this.guard.control(this.nowMs);
    if (fault !== undefined) {
      this.onFault(fault);
      return;
    }
    this.draining = this.draining || !this.isServer;
    for (const stream of this.isServer ? [] : this.streams.toArray()) {
      if (stream.id > lastStreamId && !stream.closed)
        this.end(stream, errorCode.refusedStream, 'refused', 'http2.remote_refuse');
    }
    this.events.onGoAway(
      lastStreamId,
      code,
      bytes.toString('latin1', from, Math.min(to, from + MAX_DEBUG_BYTES)),
    );
    this.finishIfDrained();
  }

  /** HEADERS of a stream that is over: the block still has to be read, for the table. */
  protected onLateHeaders(bytes: Buffer, from: number, to: number): void {
    if (!this.decode(bytes, from, to, 'trailers')) return;
    const fault = this.guard.control(this.nowMs);
    if (fault !== undefined) this.onFault(fault);
  }
}
