/**
 * An HTTP/1.1 connection to an endpoint: one request at a time, answers decoded and handed to
 * whoever sent the request.
 */

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { lastOfKind } from '#core/last-of-kind.ts';
import type { DecoderEvents, DecoderLimits } from '#http/codec/h1/decoder.ts';
import type { Fault } from '#http/codec/h1/fault.ts';
import { type RawNames, writeFields, writtenName } from '#http/codec/h1/header-case.ts';
import { ResponseDecoder } from '#http/codec/h1/response-decoder.ts';
import { type HeaderList, headerOf } from '#http/header-list.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { OutgoingRequest, ResponseHandler, UpstreamStream } from './contract.ts';
import { remoteAddressOf } from './happy-eyeballs.ts';
import type { Http1Pool } from './http1-pool.ts';
import type { ByteTaker, SocketReader } from './socket-reader.ts';

/** Pieces up to this size are copied together into one write. */
const GATHER_BYTES = 8 * 1024;

/** How the body of the request on hand is framed. */
const NONE = 0;
const PLAIN = 1;
const CHUNKED = 2;
const OPAQUE = 3;

export class Http1Connection implements UpstreamStream, DecoderEvents, ByteTaker {
  readonly major = 1;
  readonly endpoint: Endpoint;
  readonly peer: TlsPeer;
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Requests begun on it. */
  requests = 0;
  /** Neighbours in the pool's list of idle ones. */
  readonly openedMs: number;
  closed = false;
  /** The request on hand is the last. */
  last = false;
  readonly #pool: Http1Pool;
  readonly #socket: Duplex;
  readonly #decoder: ResponseDecoder;
  #handler: ResponseHandler | undefined;
  #requestDone = true;
  #paused = false;
  /** The response is complete, and the connection not yet back in its pool. */
  #answered = false;
  /** The endpoint sends no more. */
  #remoteEnded = false;
  #gathered = '';
  #framing: number = NONE;

  constructor(
    pool: Http1Pool,
    socket: Duplex,
    peer: TlsPeer,
    limits: DecoderLimits,
    nowMs: number,
    reader: SocketReader | undefined,
  ) {
    this.#pool = pool;
    this.endpoint = pool.endpoint;
    this.peer = peer;
    this.openedMs = nowMs;
    this.#socket = socket;
    this.remoteAddress = remoteAddressOf(this.endpoint, socket);
    const { localAddress, localPort } = socket as Socket;
    this.localAddress = localAddress === undefined ? '' : `${localAddress}:${localPort}`;
    this.#decoder = new ResponseDecoder(this, limits);
    if (reader === undefined) socket.on('data', (chunk: Buffer) => this.onBytes(chunk));
    else reader.taker = this;
    socket.on('drain', () => this.#handler?.onUpstreamDrain());
    socket.on('end', () => this.#onEndOfBytes());
    socket.on('error', () => this.#onGone(true));
    socket.on('close', () => this.#onGone(true));
  }

  get reused(): boolean {
    return this.requests > 1;
  }

  begin(handler: ResponseHandler): void {
    this.#handler = handler;
    this.#requestDone = false;
    this.requests++;
  }

  sendHead(request: OutgoingRequest, endStream: boolean): void {
    const { method, authority, requestHeaders: headers, upgrade } = request;
    const decoder = this.#decoder;
    decoder.requestMethod = method;
    decoder.upgradeAsked = upgrade !== '';
    const target = method === 'CONNECT' ? authority : request.path;
    const { properCase } = this.#pool;
    const raw = request.requestNames;
    let text = `${method} ${target} HTTP/1.1\r\n${this.#own('host', raw)}: ${authority}\r\n`;
    text += writeFields(headers, raw, properCase);
    if (upgrade !== '' || method === 'CONNECT') {
      this.#framing = OPAQUE;
    } else if (headerOf(headers, 'content-length') !== undefined) this.#framing = endStream ? NONE : PLAIN;
    else if (endStream) {
      this.#framing = NONE;
      if (!usuallyBodyless(method)) text += `${this.#own('content-length', raw)}: 0\r\n`;
    } else {
      this.#framing = CHUNKED;
      text += `${this.#own('transfer-encoding', raw)}: chunked\r\n`;
    }
    this.#writeText(`${text}\r\n`);
    if (endStream) this.#requestDone = true;
  }

  /** A name of ours, in the case of the others. */
  #own(name: string, raw: RawNames | undefined): string {
    const { properCase } = this.#pool;
    return raw === undefined && !properCase ? name : writtenName(name, raw, properCase);
  }

  sendData(data: Buffer): void {
    if (this.#framing !== CHUNKED) {
      this.#writeData(data);
      return;
    }
    this.#writeText(`${data.length.toString(16)}\r\n`);
    this.#writeData(data);
    this.#writeText('\r\n');
  }

  sendEnd(trailers: HeaderList): void {
    this.#requestDone = true;
    if (this.#framing === OPAQUE) {
      this.flush();
      if (!this.#socket.writableEnded) this.#socket.end();
      return;
    }
    if (this.#framing !== CHUNKED) return;
    let text = '0\r\n';
    if (this.#pool.sendsTrailers) {
      for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]!}: ${trailers[i + 1]!}\r\n`;
    }
    this.#writeText(`${text}\r\n`);
  }

  /** Gathers a byte string; {@link flush} sends it. */
  #writeText(text: string): void {
    this.#gathered += text;
  }

  /** Gathers a small piece, sends a large one with what was gathered. */
  #writeData(data: Buffer): void {
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

  /** Bytes of the endpoint. @returns whether nothing refers to them any more. */
  onBytes(chunk: Buffer): boolean {
    const handler = this.#handler;
    this.#decode(chunk);
    return handler === undefined || !handler.keepsData;
  }

  #decode(chunk: Buffer): void {
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
      try {
        at = decoder.decode(chunk, at);
      } catch (error) {
        this.#pool.onException(error);
        this.#onGone(true);
        return;
      }
      if (!this.#answered) continue;
      this.#answered = false;
      lastOfKind.http1Upstream = this;
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
    this.#remoteEnded = true;
    // A tunnel through HTTP/1 has no end but that of the connection, which ends both directions.
    if (this.#decoder.inTunnel) this.#decoder.stop();
    else this.#decoder.finish();
    if (this.#handler !== undefined) this.#handler.onReadDone();
    if (!this.closed) this.#onGone(false);
  }

  #onGone(hard: boolean): void {
    if (this.closed) return;
    this.#remoteEnded = true;
    // A message that has begun, and whose end was foretold, is cut off.
    if (hard && this.#decoder.foretold) this.#decoder.finish();
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
    if (this.#pool.sendsTrailers) this.#handler?.onResponseTrailers(trailers);
  }

  onEnd(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    const { keepAlive } = this.#decoder;
    const reusable = this.#requestDone && keepAlive && !this.#remoteEnded;
    if (!keepAlive && !this.#remoteEnded) this.#pool.stats.upstream_cx_close_notify.inc();
    if (!reusable) this.close(!this.#remoteEnded);
    else if (this.#paused) this.resume();
    handler?.onReadDone();
    handler?.onResponseEnd();
    this.#answered = reusable && !this.closed;
  }

  onFault(_fault: Fault): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#pool.stats.upstream_cx_protocol_error.inc();
    this.close(!this.#remoteEnded);
    handler?.onReadDone();
    handler?.onUpstreamReset('UPSTREAM_PROTOCOL_ERROR');
  }
}

/** Methods whose requests without a body do not say so (RFC 9110 §8.6). */
function usuallyBodyless(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'DELETE' || method === 'TRACE';
}
