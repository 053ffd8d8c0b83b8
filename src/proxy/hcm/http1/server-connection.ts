/**
 * A downstream HTTP/1.1 connection: requests one after the other, answered in order. Bytes in are
 * decoded into the exchange at hand, bytes out are gathered and written once a read.
 */
import type { Duplex } from 'node:stream';
import { errorKinds } from '#core/error.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import { createTimer, Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { DecoderEvents } from '#http/codec/h1/decoder.ts';
import { type Fault, faults } from '#http/codec/h1/fault.ts';
import { RequestDecoder } from '#http/codec/h1/request-decoder.ts';
import type { HeaderList } from '#http/header-list.ts';
import { phraseOf, statusLine } from '#http/status.ts';
import { jittered } from '../../jitter.ts';
import { isShed } from '../../overload/draw.ts';
import { replyTo } from '../../reply.ts';
import type { DownstreamStream, HttpServerConnection, ResponseHead } from '../downstream-stream.ts';
import { isDrained } from '../drained.ts';
import { HttpExchange } from '../exchange.ts';
import type { DownstreamFacts, HcmRuntime } from '../runtime.ts';
import { countConnection, uncountConnection } from '../stats.ts';
import { ResponseWriter } from './response-writer.ts';

/** Pieces up to this size are copied together into one write. */
const GATHER_BYTES = 8 * 1024;

const IDLE = 0;
const HEAD = 1;
const LINGER = 2;
const LIFETIME = 3;
const DRAIN = 4;

export class ServerConnection implements DownstreamStream, HttpServerConnection, DecoderEvents, TimerOwner {
  readonly major = 1;
  readonly unsent = false;
  readonly runtime: HcmRuntime;
  readonly facts: DownstreamFacts;
  readonly #writer: ResponseWriter;
  readonly #socket: Duplex;
  readonly #decoder: RequestDecoder;
  readonly #openedMs: number;
  readonly #idleTimer: Timer;
  readonly #headTimer: Timer = new Timer(this, HEAD);
  readonly #lingerTimer: Timer = new Timer(this, LINGER);
  readonly #lifeTimer: Timer;
  #drainTimer: Timer | undefined;
  readonly #onClose: (connection: HttpServerConnection) => void;
  #exchange: HttpExchange | undefined;
  /** Bytes of later requests, held until the one at hand is answered. */
  #later: Buffer | undefined;
  #requests = 0;
  #gathered = '';
  #closing = false;
  #closed = false;
  #paused = false;
  #decoding = false;
  /** Bytes have come: it is known to be HTTP/1. */
  #begun = false;
  /** It has lasted long enough: the next request is the last. */
  #expired = false;
  #last = false;
  /** Responses ask for the end of the connection, which comes after a while. */
  #announcing = false;
  draining = false;

  constructor(
    socket: Duplex,
    facts: DownstreamFacts,
    runtime: HcmRuntime,
    onClose: (connection: HttpServerConnection) => void,
    counted = false,
  ) {
    this.runtime = runtime;
    this.facts = facts;
    this.#socket = socket;
    this.#onClose = onClose;
    const { stats, settings, clock, wheel } = runtime;
    this.#decoder = new RequestDecoder(this, facts.secure ? settings.requests : settings.plainRequests);
    this.#writer = new ResponseWriter(this, settings.properCase);
    this.#openedMs = clock.nowMs();
    if (!counted) countConnection(facts, stats);
    const { timers } = runtime.overload;
    this.#idleTimer = createTimer(this, IDLE, timers.connectionIdle);
    this.#lifeTimer = createTimer(this, LIFETIME, timers.connectionMax);
    if (settings.idleTimeoutMs > 0) wheel.arm(this.#idleTimer, settings.idleTimeoutMs);
    const { maxConnectionDurationMs: lifeMs, durationJitter } = settings;
    if (lifeMs > 0) wheel.arm(this.#lifeTimer, jittered(lifeMs, durationJitter, runtime.random));
    socket.on('data', (chunk: Buffer) => {
      if (facts.guard?.passes() !== false) this.receive(chunk);
    });
    socket.on('drain', () => this.#exchange?.onDownstreamDrain());
    socket.on('end', () => this.#onEndOfBytes());
    socket.on('error', () => this.destroy(true));
    socket.on('close', () => this.destroy(true));
  }

  get idle(): boolean {
    return this.#exchange === undefined && !this.#decoder.inMessage;
  }

  // --- bytes in

  /** Bytes from the client. */
  receive(chunk: Buffer): void {
    const { stats, overload } = this.runtime;
    stats.downstream_cx_rx_bytes_total.inc(chunk.length);
    if (this.#closing || this.#closed) return;
    if (!this.#begun) this.#begin();
    if ((overload.abortsHttp1 > 0 || overload.startsDrain > 0) && this.#isShed()) return;
    if (this.#exchange?.requestDone === true) {
      this.#later = this.#later === undefined ? chunk : Buffer.concat([this.#later, chunk]);
      this.pause();
      return;
    }
    this.#decode(chunk);
  }

  /** What load shed points say of bytes that have come. */
  #isShed(): boolean {
    const { overload, random, stats } = this.runtime;
    if (!this.#announcing && isShed(overload, 'startsDrain', random)) this.#startDrain();
    if (!this.idle || !isShed(overload, 'abortsHttp1', random)) return false;
    stats.downstream_rq_overload_close.inc();
    this.#exchange = new HttpExchange(this, this.runtime);
    this.#exchange.refuse(replyTo('DISPATCH_ABORTED'));
    this.flush();
    return true;
  }

  #begin(): void {
    this.#begun = true;
    const { stats } = this.runtime;
    stats.downstream_cx_http1_total.inc();
    stats.downstream_cx_http1_active.add(1);
  }

  #decode(chunk: Buffer): void {
    this.#decoding = true;
    const decoder = this.#decoder;
    let at = 0;
    while (at < chunk.length && !this.#closing && !this.#closed) {
      try {
        at = decoder.decode(chunk, at);
      } catch (error) {
        this.#fail(error);
        break;
      }
      const exchange = this.#exchange;
      if (exchange === undefined || !exchange.requestDone) continue;
      // The request is complete and not yet answered: what follows waits.
      exchange.flushUpstream();
      if (this.#exchange === exchange && at < chunk.length) {
        this.#later = chunk.subarray(at);
        this.pause();
        break;
      }
    }
    this.#decoding = false;
    if (this.#exchange !== undefined) this.#exchange.flushUpstream();
    else if (decoder.inHead && !this.#closed) this.#await();
    this.flush();
  }

  /** A mistake of ours in one request: it ends, and with it the connection, whose state nobody knows. */
  #fail(error: unknown): void {
    this.runtime.onException(error);
    const exchange = this.#exchange;
    if (exchange === undefined) this.destroy();
    else exchange.fail();
  }

  /** A head has begun: the request is under way, and its time runs. */
  #await(): void {
    const { settings, wheel } = this.runtime;
    this.#exchange = new HttpExchange(this, this.runtime);
    this.#exchange.startTimers();
    if (settings.requestHeadersTimeoutMs > 0) wheel.arm(this.#headTimer, settings.requestHeadersTimeoutMs);
  }

  /** Who ends its direction has given up, as Envoy sees it. */
  #onEndOfBytes(): void {
    this.destroy(true);
  }

  // --- what the decoder says

  onHead(): void {
    const { runtime } = this;
    this.#requests++;
    const { maxRequestsPerConnection } = runtime.settings;
    this.#last = this.#expired;
    if (runtime.settings.underscores === 'drop')
      runtime.stats.underscores[1].dropped.inc(this.#decoder.dropped);
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection) {
      runtime.stats.downstream_cx_max_requests_reached.inc();
      this.#last = true;
    }
    let exchange = this.#exchange;
    if (exchange === undefined) {
      exchange = new HttpExchange(this, runtime);
      this.#exchange = exchange;
      exchange.startTimers();
    } else if (this.#headTimer.armed) runtime.wheel.disarm(this.#headTimer);
    exchange.start(this.#decoder);
  }

  onData(data: Buffer): void {
    this.#exchange?.onRequestData(data);
  }

  onTrailers(trailers: HeaderList): void {
    this.#exchange?.onRequestTrailers(trailers);
  }

  onEnd(): void {
    this.#exchange?.onRequestEnd();
  }

  onFault(fault: Fault): void {
    const { stats } = this.runtime;
    stats.downstream_cx_protocol_error.inc();
    if (fault === faults.underscore) stats.underscores[1].rejected.inc();
    if (this.#closed) return;
    const exchange = this.#exchange ?? new HttpExchange(this, this.runtime);
    this.#exchange = exchange;
    if (this.#headTimer.armed) this.runtime.wheel.disarm(this.#headTimer);
    if (exchange.responseStarted) {
      exchange.abort(errorKinds.BAD_REQUEST.flag, fault.details);
      return;
    }
    // What was sound of it has been sent on.
    exchange.flushUpstream();
    exchange.refuse({
      status: fault.status,
      body: phraseOf(fault.status),
      flag: errorKinds.BAD_REQUEST.flag,
      details: fault.details,
    });
  }

  // --- the response, called by the exchange

  interim(status: number, headers: HeaderList): void {
    let text = statusLine(status, this.#decoder.minor);
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]!}: ${headers[i + 1]!}\r\n`;
    this.writeText(`${text}\r\n`);
    this.flush();
  }

  head(head: ResponseHead): boolean {
    const writer = this.#writer;
    const ends = head.close || this.#mustClose;
    if (!ends && !this.#announcing && isDrained(this.runtime)) {
      this.runtime.stats.downstream_cx_drain_close.inc();
      this.#startDrain();
    }
    writer.head(head.close || !(ends || this.#announcing) ? head : { ...head, close: true });
    return ends || writer.endsByClosing;
  }

  get takesBody(): boolean {
    return this.#writer.hasBody;
  }

  data(data: Buffer): void {
    this.#writer.data(data);
  }

  text(text: string): void {
    if (this.#writer.hasBody) this.writeText(text);
  }

  end(trailers: HeaderList): void {
    this.#writer.end(trailers);
  }

  // --- bytes out

  writeText(text: string): void {
    this.#gathered += text;
  }

  writeData(data: Buffer): void {
    if (data.length <= GATHER_BYTES) {
      this.#gathered += data.toString('latin1');
      if (this.#gathered.length > GATHER_BYTES) this.flush();
      return;
    }
    const socket = this.#socket;
    this.runtime.stats.downstream_cx_tx_bytes_total.inc(this.#gathered.length + data.length);
    socket.cork();
    if (this.#gathered !== '') socket.write(this.#gathered, 'latin1');
    this.#gathered = '';
    socket.write(data);
    socket.uncork();
  }

  flush(): void {
    if (this.#gathered === '' || this.#closed) return;
    const text = this.#gathered;
    this.#gathered = '';
    this.runtime.stats.downstream_cx_tx_bytes_total.inc(text.length);
    this.#socket.write(text, 'latin1');
  }

  get keepsData(): boolean {
    return this.#socket.writableLength > 0;
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
    if (!this.#paused || this.#later !== undefined) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** The client asked for, or needs, the connection to be closed after this response. */
  get #mustClose(): boolean {
    return this.#isLast || this.draining;
  }

  /** Whether the client knows that no request may follow. */
  get #isLast(): boolean {
    return this.#last || !this.#decoder.keepAlive;
  }

  renew(): HttpExchange {
    this.#exchange = new HttpExchange(this, this.runtime);
    return this.#exchange;
  }

  /** The exchange at hand has been answered and finished. */
  finished(close: boolean): void {
    lastOfKind.http1Connection = this;
    const isComplete = this.#exchange?.requestDone === true;
    this.#exchange = undefined;
    if (this.#closed) return;
    if (close) {
      // Whoever is still sending must have time to read the answer.
      this.#close(!(isComplete && (this.#isLast || this.#writer.endsByClosing)));
      return;
    }
    const { settings, wheel } = this.runtime;
    if (settings.idleTimeoutMs > 0) wheel.postpone(this.#idleTimer, settings.idleTimeoutMs);
    const later = this.#later;
    if (later === undefined) {
      if (!this.#decoding) this.flush();
      this.resume();
      return;
    }
    this.#later = undefined;
    if (this.#decoding) {
      this.#later = later;
      return;
    }
    this.#decode(later);
    this.resume();
  }

  abort(): void {
    this.flush();
    this.finished(true);
  }

  /**
   * Sends what is left, and ends.
   * @param delayed whether the client is given a moment to end first (Envoy, `delayed_close_timeout`)
   */
  #close(delayed: boolean): void {
    if (this.#closing || this.#closed) return;
    this.#closing = true;
    this.flush();
    this.#decoder.stop();
    this.#later = undefined;
    const { settings, wheel } = this.runtime;
    if (delayed && settings.delayedCloseMs > 0) {
      wheel.arm(this.#lingerTimer, settings.delayedCloseMs);
      this.resume();
      return;
    }
    if (this.#socket.writableLength === 0) this.destroy(false);
    else this.#socket.end(() => this.destroy(false));
  }

  /** Ends an idle connection; a busy one ends with its response. */
  drain(): void {
    this.draining = true;
    if (this.idle) this.#close(false);
  }

  /** Asks for the end, and ends a while later: a request that is on its way meanwhile is served. */
  #startDrain(): void {
    if (this.#announcing) return;
    if (!this.#begun) {
      this.#close(false);
      return;
    }
    this.#announcing = true;
    const { settings, wheel, random } = this.runtime;
    this.#drainTimer = new Timer(this, DRAIN);
    const { drainTimeoutMs, drainJitter } = settings;
    wheel.arm(this.#drainTimer, jittered(drainTimeoutMs, drainJitter, random));
  }

  /** @param remote whether the client ended it */
  destroy(remote = false): void {
    if (this.#closed) return;
    this.#closed = true;
    const { wheel, stats, clock } = this.runtime;
    for (const timer of [
      this.#idleTimer,
      this.#headTimer,
      this.#lingerTimer,
      this.#lifeTimer,
      this.#drainTimer,
    ])
      if (timer !== undefined) wheel.disarm(timer);
    this.#decoder.stop();
    const exchange = this.#exchange;
    uncountConnection(this.facts, stats, remote, exchange !== undefined);
    if (exchange !== undefined) exchange.onDownstreamGone();
    this.#exchange = undefined;
    this.#socket.destroy();
    if (this.#begun) stats.downstream_cx_http1_active.add(-1);
    stats.downstream_cx_length_ms.record(clock.nowMs() - this.#openedMs);
    this.#onClose(this);
  }

  onTimer(kind: number): void {
    switch (kind) {
      case IDLE:
        this.#onIdle();
        return;
      case HEAD:
        this.#onHeadTimeout();
        return;
      case LIFETIME:
        this.runtime.stats.downstream_cx_max_duration_reached.inc();
        // Nothing but a response can tell a client of HTTP/1 that no request may follow.
        if (this.#begun && this.runtime.settings.safeDuration) this.#expired = true;
        else this.#startDrain();
        return;
      case DRAIN:
        this.draining = true;
        if (this.#exchange === undefined) this.#close(true);
        return;
      default:
        this.runtime.stats.downstream_cx_delayed_close_timeout.inc();
        this.destroy();
    }
  }

  #onIdle(): void {
    const { stats, settings, wheel } = this.runtime;
    if (this.#announcing) return;
    if (this.#exchange !== undefined) wheel.arm(this.#idleTimer, settings.idleTimeoutMs);
    else {
      stats.downstream_cx_idle_timeout.inc();
      this.#startDrain();
    }
  }

  #onHeadTimeout(): void {
    this.runtime.stats.downstream_rq_header_timeout.inc();
    this.#exchange?.refuse(replyTo('REQUEST_HEAD_TIMEOUT'));
  }
}
