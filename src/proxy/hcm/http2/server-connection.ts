/**
 * A downstream HTTP/2 connection: the codec on one side, a {@link RequestStream} for each request on
 * the other. It ends in order: GOAWAY, a moment for what is under way, then the last GOAWAY.
 */
import type { Duplex } from 'node:stream';
import { createTimer, Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { H2ConnectionEvents } from '#http/codec/h2/connection-events.ts';
import type { H2Counter } from '#http/codec/h2/counter.ts';
import type { H2Fault } from '#http/codec/h2/fault.ts';
import { PREMATURE_RESETS } from '#http/codec/h2/flood-guard.ts';
import { errorCode } from '#http/codec/h2/frame.ts';
import { H2ServerConnection } from '#http/codec/h2/server-connection.ts';
import type { H2Stream } from '#http/codec/h2/stream.ts';
import { type OutputOwner, SocketOutput } from '../../http2/socket-output.ts';
import { jittered } from '../../jitter.ts';
import { isShed } from '../../overload/draw.ts';
import type { AccountHolder, StreamAccount } from '../../overload/stream-accounts.ts';
import type { HttpServerConnection } from '../downstream-stream.ts';
import { isDrained } from '../drained.ts';
import type { DownstreamFacts, HcmRuntime } from '../runtime.ts';
import { countConnection, uncountConnection } from '../stats.ts';
import { RequestStream } from './request-stream.ts';

const IDLE = 0;
const LIFETIME = 1;
const DRAIN = 2;
const LINGER = 3;

export class Http2ServerConnection
  implements AccountHolder, HttpServerConnection, H2ConnectionEvents, OutputOwner, TimerOwner
{
  readonly facts: DownstreamFacts;
  readonly runtime: HcmRuntime;
  readonly #socket: Duplex;
  readonly #codec: H2ServerConnection;
  readonly #openedMs: number;
  readonly #onClose: (connection: HttpServerConnection) => void;
  readonly #idleTimer: Timer;
  #lifeTimer: Timer | undefined;
  #drainTimer: Timer | undefined;
  #lingerTimer: Timer | undefined;
  #requests = 0;
  #draining = false;
  #ending = false;
  #lingers = true;
  #closed = false;

  constructor(
    socket: Duplex,
    facts: DownstreamFacts,
    runtime: HcmRuntime,
    onClose: (connection: HttpServerConnection) => void,
    counted = false,
  ) {
    this.facts = facts;
    this.runtime = runtime;
    this.#socket = socket;
    this.#onClose = onClose;
    const { stats, settings, clock, wheel, h2 } = runtime;
    const { timers } = runtime.overload;
    this.#openedMs = clock.nowMs();
    if (!counted) countConnection(facts, stats);
    stats.downstream_cx_http2_total.inc();
    stats.downstream_cx_http2_active.add(1);
    this.#codec = new H2ServerConnection(new SocketOutput(socket, this), this, settings.http2, h2);
    this.#idleTimer = createTimer(this, IDLE, timers.connectionIdle);
    if (settings.idleTimeoutMs > 0) wheel.arm(this.#idleTimer, settings.idleTimeoutMs);
    if (settings.maxConnectionDurationMs > 0) {
      this.#lifeTimer = createTimer(this, LIFETIME, timers.connectionMax);
      const { maxConnectionDurationMs, durationJitter } = settings;
      wheel.arm(this.#lifeTimer, jittered(maxConnectionDurationMs, durationJitter, runtime.random));
    }
    runtime.overload.accounts?.add(this);
    socket.on('data', (chunk: Buffer) => {
      if (facts.guard?.passes() !== false) this.receive(chunk);
    });
    socket.on('end', () => this.destroy(true));
    socket.on('error', () => this.destroy(true));
    socket.on('close', () => this.destroy(true));
    this.#codec.start();
  }

  /** Bytes from the client. */
  receive(chunk: Buffer): void {
    const { stats, overload, random } = this.runtime;
    stats.downstream_cx_rx_bytes_total.inc(chunk.length);
    if (this.#ending || this.#closed) return;
    if (overload.startsDrain > 0 && !this.#draining && isShed(overload, 'startsDrain', random))
      this.#startDrain();
    this.#codec.receive(chunk);
  }

  /** A response begins. */
  onResponse(): void {
    if (this.#draining || !isDrained(this.runtime)) return;
    this.runtime.stats.downstream_cx_drain_close.inc();
    this.#startDrain();
  }

  // --- what the codec says

  onStream(stream: H2Stream): void {
    stream.handler = new RequestStream(this, stream);
    this.#requests++;
    this.runtime.stats.http2.streamsActive.add(1);
    const { maxRequestsPerConnection } = this.runtime.settings;
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection && !this.#draining) {
      this.runtime.stats.downstream_cx_max_requests_reached.inc();
      this.#startDrain();
    }
  }

  eachAccount(visit: (account: StreamAccount) => void): void {
    for (const { handler } of this.#codec.openStreams) if (handler instanceof RequestStream) visit(handler);
  }

  onStreamClosed(): void {
    const { stats, settings, wheel } = this.runtime;
    stats.http2.streamsActive.add(-1);
    // Streams that end with their connection must not keep it in the wheel.
    if (settings.idleTimeoutMs > 0 && !this.#closed) {
      wheel.postpone(this.#idleTimer, settings.idleTimeoutMs);
    }
  }

  onPeerSettings(): void {}

  onGoAway(): void {
    this.#draining = true;
  }

  onFault(fault: H2Fault): void {
    const { stats } = this.runtime;
    const isReset = fault.details === PREMATURE_RESETS;
    // Floods have counters of their own.
    if (isReset || fault.code !== errorCode.enhanceYourCalm) stats.downstream_cx_protocol_error.inc();
    if (isReset) stats.downstream_rq_too_many_premature_resets.inc();
    this.#lingers = !isReset;
    this.runtime.log.debug('http2.fault', { peer: this.facts.remoteAddress, reason: fault.reason });
  }

  onClosed(): void {
    this.onOutputEnd();
  }

  onHandlerError(error: unknown): void {
    this.runtime.onException(error);
  }

  onCount(counter: H2Counter): void {
    this.runtime.stats.http2.counters[counter]!.inc();
  }

  // --- the socket

  onSent(bytes: number): void {
    this.runtime.stats.downstream_cx_tx_bytes_total.inc(bytes);
  }

  onOutputDrained(): void {
    if (!this.#closed) this.#codec.onWritable();
  }

  /** Sends what is left, then waits a moment for the client to close (Envoy, `delayed_close_timeout`). */
  onOutputEnd(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    const { settings, wheel } = this.runtime;
    if (settings.delayedCloseMs === 0 || !this.#lingers) {
      if (this.#socket.writableLength === 0) this.destroy();
      else this.#socket.end(() => this.destroy());
      return;
    }
    this.#lingerTimer = new Timer(this, LINGER);
    wheel.arm(this.#lingerTimer, settings.delayedCloseMs);
  }

  // --- the end

  drain(): void {
    if (this.#codec.streamsActive === 0) this.#codec.goAway();
    else if (!this.#draining) this.#startDrain();
  }

  #startDrain(): void {
    this.#draining = true;
    const { settings, wheel, random } = this.runtime;
    this.#codec.announceShutdown();
    this.#drainTimer = new Timer(this, DRAIN);
    wheel.arm(this.#drainTimer, jittered(settings.drainTimeoutMs, settings.drainJitter, random));
  }

  /** @param remote whether the client ended it */
  destroy(remote = false): void {
    if (this.#closed) return;
    this.#closed = true;
    const { wheel, stats, clock } = this.runtime;
    wheel.disarm(this.#idleTimer);
    for (const timer of [this.#lifeTimer, this.#drainTimer, this.#lingerTimer]) {
      if (timer !== undefined) wheel.disarm(timer);
    }
    this.runtime.overload.accounts?.remove(this);
    const busy = this.#codec.streamsActive > 0;
    this.#codec.destroy();
    this.#socket.destroy();
    uncountConnection(this.facts, stats, remote, busy);
    stats.downstream_cx_http2_active.add(-1);
    stats.downstream_cx_length_ms.record(clock.nowMs() - this.#openedMs);
    this.#onClose(this);
  }

  onTimer(kind: number): void {
    const { stats, settings, wheel } = this.runtime;
    switch (kind) {
      case IDLE:
        if (this.#codec.streamsActive > 0) wheel.arm(this.#idleTimer, settings.idleTimeoutMs);
        else {
          stats.downstream_cx_idle_timeout.inc();
          if (!this.#draining) this.#startDrain();
        }
        return;
      case LIFETIME:
        stats.downstream_cx_max_duration_reached.inc();
        if (!this.#draining) this.#startDrain();
        return;
      case DRAIN:
        this.#codec.goAway();
        return;
      default:
        stats.downstream_cx_delayed_close_timeout.inc();
        this.destroy();
    }
  }
}
