/** An HTTP/2 connection to an endpoint: many requests at once. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { H2ClientConnection } from '#http/codec/h2/client-connection.ts';
import type { H2ConnectionEvents } from '#http/codec/h2/connection-events.ts';
import type { H2Counter } from '#http/codec/h2/counter.ts';
import type { H2Stream, H2StreamHandler } from '#http/codec/h2/stream.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { ClusterStats } from '../cluster/stats.ts';
import { type OutputOwner, SocketOutput } from '../http2/socket-output.ts';
import { jittered } from '../jitter.ts';
import type { TlsPeer } from '../tls/context.ts';
import { remoteAddressOf } from './happy-eyeballs.ts';
import type { Http2Pool } from './http2-pool.ts';
import { Http2Stream } from './http2-stream.ts';

const IDLE = 0;
const LIFETIME = 1;

export class Http2Connection implements H2ConnectionEvents, OutputOwner, TimerOwner {
  readonly endpoint: Endpoint;
  readonly peer: TlsPeer;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly openedMs: number;
  /** Streams opened on it. */
  requests = 0;
  readonly #pool: Http2Pool;
  readonly #socket: Duplex;
  readonly #codec: H2ClientConnection;
  readonly #touched: Http2Stream[] = [];
  readonly #idleTimer: Timer = new Timer(this, IDLE);
  readonly #lifeTimer: Timer = new Timer(this, LIFETIME);
  #draining = false;
  #closed = false;
  /** Ended from this side. */
  #local = false;

  constructor(pool: Http2Pool, socket: Duplex, peer: TlsPeer, nowMs: number) {
    this.#pool = pool;
    this.endpoint = pool.endpoint;
    this.peer = peer;
    this.openedMs = nowMs;
    this.#socket = socket;
    this.remoteAddress = remoteAddressOf(pool.endpoint, socket);
    const { localAddress, localPort } = socket as Socket;
    this.localAddress = localAddress === undefined ? '' : `${localAddress}:${localPort}`;
    const { settings, deps } = pool;
    this.#codec = new H2ClientConnection(new SocketOutput(socket, this), this, settings.http2, deps.h2);
    socket.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    socket.on('end', () => this.#codec.onEnd());
    socket.on('error', () => this.#onGone());
    socket.on('close', () => this.#onGone());
    this.#codec.start();
    if (settings.idleTimeoutMs > 0) deps.wheel.arm(this.#idleTimer, settings.idleTimeoutMs, nowMs);
    if (settings.maxConnectionDurationMs > 0) {
      const { maxConnectionDurationMs, durationJitter } = settings;
      deps.wheel.arm(this.#lifeTimer, jittered(maxConnectionDurationMs, durationJitter, deps.random), nowMs);
    }
  }

  /** Whether it can carry one more request. */
  get hasRoom(): boolean {
    return !this.#draining && !this.#closed && this.#codec.canOpen;
  }

  get stats(): ClusterStats {
    return this.#pool.stats;
  }

  get streamsActive(): number {
    return this.#codec.streamsActive;
  }

  /** {@link hasRoom} must hold. */
  request(): Http2Stream {
    this.requests++;
    return new Http2Stream(this);
  }

  open(handler: H2StreamHandler): H2Stream {
    this.#pool.http2Stats.streamsActive.add(1);
    return this.#codec.open(handler);
  }

  /** `stream` is told when the bytes of this read are through. */
  touch(stream: Http2Stream): void {
    if (stream.touched) return;
    stream.touched = true;
    this.#touched.push(stream);
  }

  #onBytes(chunk: Buffer): void {
    this.#pool.countReceived(chunk.length);
    this.#codec.receive(chunk);
    const touched = this.#touched;
    for (let i = 0; i < touched.length; i++) touched[i]!.readDone();
    touched.length = 0;
  }

  #onGone(): void {
    if (this.#closed) return;
    this.#codec.onEnd();
    this.#close();
  }

  // --- what the codec says

  onStream(): void {}

  onStreamClosed(): void {
    this.#pool.http2Stats.streamsActive.add(-1);
    const { settings, deps } = this.#pool;
    // Streams that end with their connection must not keep it in the wheel.
    if (settings.idleTimeoutMs > 0 && !this.#closed) {
      deps.wheel.postpone(this.#idleTimer, settings.idleTimeoutMs);
    }
    if (this.#draining && this.#codec.streamsActive === 0) this.#finish();
    this.#pool.onRoom(this);
  }

  onPeerSettings(): void {
    this.#pool.onRoom(this);
  }

  onGoAway(): void {
    this.#draining = true;
    this.#pool.onDraining(this);
    if (this.#codec.streamsActive === 0) this.#finish();
  }

  onFault(): void {
    this.#pool.stats.upstream_cx_protocol_error.inc();
    this.#local = true;
  }

  onClosed(): void {
    this.#close();
  }

  onHandlerError(error: unknown): void {
    this.#pool.deps.onException(error);
  }

  onCount(counter: H2Counter): void {
    this.#pool.http2Stats.counters[counter]!.inc();
  }

  // --- the socket

  onSent(bytes: number): void {
    this.#pool.countSent(bytes);
  }

  onOutputDrained(): void {
    if (!this.#closed) this.#codec.onWritable();
  }

  onOutputEnd(): void {
    this.#close();
  }

  // --- the end

  /** No new requests; ends when those under way have. */
  drain(): void {
    this.#draining = true;
    if (this.#codec.streamsActive === 0) this.#finish();
  }

  #finish(): void {
    this.#local = true;
    this.#codec.destroy();
    this.#close();
  }

  /** Ends at once, with what is under way. */
  destroy(): void {
    this.#local = true;
    this.#codec.destroy();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { wheel } = this.#pool.deps;
    wheel.disarm(this.#idleTimer);
    wheel.disarm(this.#lifeTimer);
    const socket = this.#socket;
    if (socket.writableLength > 0 && !socket.destroyed) socket.end(() => socket.destroy());
    else socket.destroy();
    this.#pool.onClosed(this, this.#local);
  }

  onTimer(kind: number): void {
    const { settings, deps, stats } = this.#pool;
    if (kind === LIFETIME) {
      stats.upstream_cx_max_duration_reached.inc();
      this.#pool.onDraining(this);
      this.drain();
    } else if (this.#codec.streamsActive > 0) deps.wheel.arm(this.#idleTimer, settings.idleTimeoutMs);
    else {
      stats.upstream_cx_idle_timeout.inc();
      this.drain();
    }
  }
}
