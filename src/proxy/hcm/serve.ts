/** Which version of HTTP a downstream connection speaks (Envoy, `codec_type`). */
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { createTimer, Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { CLIENT_PREFACE } from '#http/codec/h2/frame.ts';
import { jittered } from '../jitter.ts';
import { isShed } from '../overload/draw.ts';
import type { HttpServerConnection } from './downstream-stream.ts';
import { ServerConnection } from './http1/server-connection.ts';
import { Http2ServerConnection } from './http2/server-connection.ts';
import type { DownstreamFacts, HcmRuntime } from './runtime.ts';
import { countConnection, uncountConnection } from './stats.ts';

type OnClose = (connection: HttpServerConnection) => void;

export function serveHttp(
  socket: Duplex,
  facts: DownstreamFacts,
  runtime: HcmRuntime,
  onClose: OnClose,
): HttpServerConnection {
  const { codec } = runtime.settings;
  const alpn = facts.secure ? (socket as TLSSocket).alpnProtocol : false;
  const Connection =
    codec === 'http2' || (codec === 'auto' && alpn === 'h2')
      ? Http2ServerConnection
      : codec === 'http1' || typeof alpn === 'string'
        ? ServerConnection
        : undefined;
  if (Connection === undefined || runtime.overload.shedsCodecs > 0)
    return new UnknownCodec(socket, facts, runtime, onClose, Connection);
  return new Connection(socket, facts, runtime, onClose);
}

const PREFACE = Buffer.from(CLIENT_PREFACE, 'latin1');
/** So many bytes of it decide (`PRI * HTTP/2`). */
const DECIDING_BYTES = 12;

const IDLE = 0;
const LIFETIME = 1;
const LINGER = 2;

type Connection = typeof Http2ServerConnection | typeof ServerConnection;

/** Looks at the first bytes: HTTP/2 begins with its preface (RFC 9113 §3.4). */
class UnknownCodec implements HttpServerConnection, TimerOwner {
  readonly #socket: Duplex;
  readonly #facts: DownstreamFacts;
  readonly #runtime: HcmRuntime;
  readonly #onClose: OnClose;
  readonly #idleTimer: Timer;
  readonly #lifeTimer: Timer;
  #held: Buffer | undefined;
  #known: HttpServerConnection | undefined;
  #closed = false;
  /** Waits for the client to end, which is not served. */
  #lingerTimer: Timer | undefined;
  readonly #certain: Connection | undefined;
  readonly #onData = (chunk: Buffer): void => this.#look(chunk);
  readonly #onGone = (): void => this.destroy(true);

  /** @param certain what is spoken, where that is known */
  constructor(
    socket: Duplex,
    facts: DownstreamFacts,
    runtime: HcmRuntime,
    onClose: OnClose,
    certain: Connection | undefined,
  ) {
    this.#certain = certain;
    this.#socket = socket;
    this.#facts = facts;
    this.#runtime = runtime;
    this.#onClose = onClose;
    const { settings, wheel } = runtime;
    countConnection(facts, runtime.stats);
    const { timers } = runtime.overload;
    this.#idleTimer = createTimer(this, IDLE, timers.connectionIdle);
    this.#lifeTimer = createTimer(this, LIFETIME, timers.connectionMax);
    if (settings.idleTimeoutMs > 0) wheel.arm(this.#idleTimer, settings.idleTimeoutMs);
    const { maxConnectionDurationMs: lifeMs, durationJitter } = settings;
    if (lifeMs > 0) wheel.arm(this.#lifeTimer, jittered(lifeMs, durationJitter, runtime.random));
    socket.on('data', this.#onData);
    socket.on('end', this.#onGone);
    socket.on('error', this.#onGone);
    socket.on('close', this.#onGone);
  }

  #look(chunk: Buffer): void {
    if (this.#lingerTimer !== undefined || this.#facts.guard?.passes() === false) return;
    const { overload, random } = this.#runtime;
    if (this.#held === undefined && isShed(overload, 'shedsCodecs', random)) {
      this.#shed();
      return;
    }
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    const common = Math.min(bytes.length, DECIDING_BYTES);
    const isPreface = bytes.compare(PREFACE, 0, common, 0, common) === 0;
    if (this.#certain === undefined && isPreface && bytes.length < DECIDING_BYTES) {
      this.#held = bytes;
      return;
    }
    this.#leave();
    const Connection = this.#certain ?? (isPreface ? Http2ServerConnection : ServerConnection);
    const closed = (): void => this.#onClose(this);
    const known = new Connection(this.#socket, this.#facts, this.#runtime, closed, true);
    this.#known = known;
    known.receive(bytes);
  }

  /** Envoy, `delayed_close_timeout`: the client is given a moment. */
  #shed(): void {
    const { stats, settings, wheel } = this.#runtime;
    stats.downstream_rq_overload_close.inc();
    if (settings.delayedCloseMs === 0) {
      this.destroy();
      return;
    }
    this.#lingerTimer = new Timer(this, LINGER);
    wheel.arm(this.#lingerTimer, settings.delayedCloseMs);
  }

  #leave(): void {
    const socket = this.#socket;
    this.#runtime.wheel.disarm(this.#idleTimer);
    this.#runtime.wheel.disarm(this.#lifeTimer);
    if (this.#lingerTimer !== undefined) this.#runtime.wheel.disarm(this.#lingerTimer);
    socket.off('data', this.#onData);
    socket.off('end', this.#onGone);
    socket.off('error', this.#onGone);
    socket.off('close', this.#onGone);
  }

  drain(): void {
    if (this.#known === undefined) this.destroy();
    else this.#known.drain();
  }

  destroy(remote = false): void {
    if (this.#known !== undefined) {
      this.#known.destroy();
      return;
    }
    if (this.#closed) return;
    this.#closed = true;
    this.#leave();
    this.#socket.on('error', () => {});
    this.#socket.destroy();
    uncountConnection(this.#facts, this.#runtime.stats, remote, false);
    this.#onClose(this);
  }

  onTimer(kind: number): void {
    const { stats } = this.#runtime;
    if (kind === IDLE) stats.downstream_cx_idle_timeout.inc();
    else if (kind === LINGER) stats.downstream_cx_delayed_close_timeout.inc();
    else stats.downstream_cx_max_duration_reached.inc();
    this.destroy();
  }
}
