/**
 * An HTTP/1.1 connection to an endpoint: one request at a time, answers decoded and handed to
 * whoever sent the request.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type DecoderEvents, type DecoderLimits, ResponseDecoder } from '#http/codec/h1/decoder.ts';
import type { Fault } from '#http/codec/h1/fault.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { Http1Pool } from './http1-pool.ts';

export type ResetReason = 'UPSTREAM_RESET' | 'UPSTREAM_PROTOCOL_ERROR';

/** Who sent the request that is on the connection. */
export interface ResponseHandler {
  /** Interim responses (1xx) too. */
  onResponseHead(decoder: ResponseDecoder): void;
  onResponseData(data: Buffer): void;
  onResponseTrailers(trailers: HeaderList): void;
  /** The connection may carry another request after this call. */
  onResponseEnd(): void;
  /** Nothing comes any more; the connection is gone. */
  onUpstreamReset(reason: ResetReason): void;
  /** What was written has gone out. */
  onUpstreamDrain(): void;
  /** Bytes of one read are through: what was gathered should be written. */
  onReadDone(): void;
}

/** Pieces up to this size are copied together into one write. */
const GATHER_BYTES = 8 * 1024;

export class UpstreamConnection implements DecoderEvents {
  readonly endpoint: Endpoint;
  readonly peer: TlsPeer;
  readonly localAddress: string;
  /** Requests begun on it. */
  requests = 0;
  /** Neighbours in the pool's list of idle ones. */
  readonly openedMs: number;
  closed = false;
  readonly #pool: Http1Pool;
  readonly #socket: Duplex;
  readonly #decoder: ResponseDecoder;
  #handler: ResponseHandler | undefined;
  #requestDone = true;
  #paused = false;
  /** The response is complete, and the connection not yet back in its pool. */
  #answered = false;
  #gathered = '';

  constructor(pool: Http1Pool, socket: Duplex, peer: TlsPeer, limits: DecoderLimits, nowMs: number) {
    this.#pool = pool;
    this.endpoint = pool.endpoint;
    this.peer = peer;
    this.openedMs = nowMs;
    this.#socket = socket;
    const { localAddress, localPort } = socket as Socket;
    this.localAddress = localAddress === undefined ? '' : `${localAddress}:${localPort}`;
    this.#decoder = new ResponseDecoder(this, limits);
    socket.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    socket.on('drain', () => this.#handler?.onUpstreamDrain());
    socket.on('end', () => this.#onEndOfBytes());
    socket.on('error', () => this.#onGone(true));
    socket.on('close', () => this.#onGone(true));
  }

  get reused(): boolean {
    return this.requests > 1;
  }

  begin(handler: ResponseHandler, method: string): void {
    this.#handler = handler;
    this.#requestDone = false;
    this.requests++;
    this.#decoder.requestMethod = method;
  }

  /** Gathers a byte string; {@link flush} sends it. */
  writeText(text: string): void {
    this.#gathered += text;
  }

  /** Gathers a small piece, sends a large one with what was gathered. */
  writeData(data: Buffer): void {
    if (data.length <= GATHER_BYTES) {
      this.#gathered += data.toString('latin1');
      if (this.#gathered.length > GATHER_BYTES) this.flush();
      return;
    }
    const socket = this.#socket;
    this.#pool.countSent(this.#gathered.length + data.length);
    socket.cork();
    if (this.#gathered !== '') socket.write(this.#gathered, 'latin1');
    this.#gathered = '';
    socket.write(data);
    socket.uncork();
  }

  flush(): void {
    if (this.#gathered === '') return;
    const text = this.#gathered;
    this.#gathered = '';
    this.#pool.countSent(text.length);
    this.#socket.write(text, 'latin1');
  }

  /** Whether its buffers are full. */
  get full(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** The request is complete. */
  requestEnded(): void {
    this.#requestDone = true;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** Ends the request by ending the connection. The handler is not called. */
  reset(): void {
    this.#handler = undefined;
    this.close(true);
  }

  /** @param local whether it is ended from this side. */
  close(local: boolean): void {
    if (this.closed) return;
    this.closed = true;
    this.#decoder.stop();
    this.#socket.destroy();
    this.#pool.onClosed(this, local);
  }

  /** From now on bytes, not messages (CONNECT); the connection never carries another request. */
  becomeOpaque(): void {
    this.#decoder.becomeOpaque();
  }

  /** The sending direction of an opaque connection has ended. */
  endSending(): void {
    this.flush();
    if (!this.#socket.writableEnded) this.#socket.end();
  }

  #onBytes(chunk: Buffer): void {
    this.#pool.countReceived(chunk.length);
    const decoder = this.#decoder;
    let at = 0;
    while (at < chunk.length && !this.closed) {
      if (this.#handler === undefined) {
        // Bytes nobody asked for.
        this.#pool.stats.upstream_cx_protocol_error.inc();
        this.close(true);
        return;
      }
      at = decoder.decode(chunk, at);
      if (!this.#answered) continue;
      this.#answered = false;
      if (at === chunk.length) this.#pool.onIdle(this);
      else {
        // Bytes after the response answer nothing; the next request must not get them.
        this.#pool.stats.upstream_cx_protocol_error.inc();
        this.close(true);
      }
      return;
    }
    this.#handler?.onReadDone();
  }

  #onEndOfBytes(): void {
    this.#decoder.finish();
    if (this.#handler !== undefined) this.#handler.onReadDone();
    if (!this.closed) this.#onGone(false);
  }

  #onGone(hard: boolean): void {
    if (this.closed) return;
    const handler = this.#handler;
    this.#handler = undefined;
    if (hard) this.#decoder.stop();
    this.close(false);
    handler?.onUpstreamReset('UPSTREAM_RESET');
  }

  // --- what the decoder says

  onHead(): void {
    this.#handler?.onResponseHead(this.#decoder);
  }

  onData(data: Buffer): void {
    this.#handler?.onResponseData(data);
  }

  onTrailers(trailers: HeaderList): void {
    this.#handler?.onResponseTrailers(trailers);
  }

  onEnd(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    const reusable = this.#requestDone && this.#decoder.keepAlive && !this.#socket.readableEnded;
    if (!reusable) this.close(true);
    else if (this.#paused) this.resume();
    handler?.onReadDone();
    handler?.onResponseEnd();
    this.#answered = reusable && !this.closed;
  }

  onFault(_fault: Fault): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#pool.stats.upstream_cx_protocol_error.inc();
    this.close(true);
    handler?.onReadDone();
    handler?.onUpstreamReset('UPSTREAM_PROTOCOL_ERROR');
  }
}
