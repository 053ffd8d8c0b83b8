/** The half of a request that goes out: its body, kept where it may have to be sent again, its end, and its mirrors. */
import { Timer } from '#core/timer-wheel.ts';
import { type HeaderList, noTrailers } from '#http/header-list.ts';
import type { UpstreamStream } from '../pool/contract.ts';
import { replyTo } from '../reply.ts';
import type { Attempt } from './attempt.ts';
import { Attempts } from './attempts.ts';
import type { Chosen } from './destination.ts';
import type { HttpExchange } from './exchange.ts';
import { keptBytesOf } from './kept-bytes.ts';
import type { Mirror } from './mirror.ts';
import { wholeSinceMs } from './rewrite.ts';
import type { HcmRuntime } from './runtime.ts';
import { asksUpgrade, endsHere, waitsForAcceptance } from './upgrade.ts';

const noMirrors: readonly Mirror[] = [];
const ROUTE = 0;

export abstract class OutgoingRequest extends Attempts {
  readonly hasBody: boolean;
  /** Whether all of the request has come. */
  requestDone = false;
  /** Nothing is sent or awaited any more. */
  protected ended = false;
  /** Whether the request ends here, and its bytes go on without HTTP. */
  protected readonly endsHere: boolean;
  /** Whether the client's bytes wait for the upstream to accept another protocol. */
  protected held: boolean;
  /** What was read of the body and may have to be sent again, or could not be sent yet. */
  protected body: Buffer[] | undefined;
  protected mirrors: readonly Mirror[] = noMirrors;
  /** Whether the body may be needed for a redirect that is followed, and is there. */
  protected keepsForRedirect: boolean;
  #bodyBytes = 0;
  #trailers: HeaderList = noTrailers;
  #routeTimer: Timer | undefined;

  constructor(exchange: HttpExchange, chosen: Chosen, runtime: HcmRuntime, hasBody: boolean) {
    super(exchange, chosen, runtime);
    this.hasBody = hasBody;
    this.endsHere = endsHere(exchange, chosen.action);
    this.held = asksUpgrade(exchange) && waitsForAcceptance(exchange, this.endsHere);
    this.keepsForRedirect = chosen.action.redirects !== undefined;
  }

  sendData(data: Buffer): void {
    if (this.ended) return;
    for (let i = 0; i < this.mirrors.length; i++) this.mirrors[i]!.sendData(data);
    const stream = this.held ? undefined : this.attempt?.stream;
    if (stream !== undefined) {
      stream.sendData(data);
      if (stream.full) this.exchange.stream.pause();
      if (!this.keepsBody) return;
    }
    this.body ??= [];
    this.body.push(data);
    this.#bodyBytes += data.length;
    if (this.keepsBody) this.#checkKept(stream !== undefined);
    else if (this.#bodyBytes > this.exchange.bufferLimitBytes) this.exchange.stream.pause();
  }

  /** With too much to keep the request can no longer be sent again. @param isSent whether an attempt takes the body */
  #checkKept(isSent: boolean): void {
    const { exchange } = this;
    if (this.#bodyBytes <= keptBytesOf(exchange)) return;
    this.cluster.stats.retry_or_shadow_abandoned.inc();
    this.retry?.release();
    this.retry = undefined;
    this.keepsForRedirect = false;
    if (isSent) this.body = undefined;
    else if (this.attempt !== undefined) exchange.stream.pause();
    else {
      this.end();
      exchange.reply(replyTo('RETRY_BUFFER_EXCEEDED'));
    }
  }

  /** Whether what goes out of the body is kept. */
  protected get keepsBody(): boolean {
    return this.retry !== undefined || this.keepsForRedirect;
  }

  sendTrailers(trailers: HeaderList): void {
    this.#trailers = trailers;
  }

  endRequest(): void {
    this.requestDone = true;
    const { routeMs } = this.timeouts;
    if (routeMs > 0 && !this.ended) {
      this.#routeTimer = new Timer(this, ROUTE);
      this.runtime.wheel.arm(this.#routeTimer, routeMs, wholeSinceMs(this.exchange));
    }
    this.attempt?.arm();
    if (!this.held) this.attempt?.writeEnd(this.#trailers);
    for (const mirror of this.mirrors) mirror.end(this.#trailers);
    this.mirrors = noMirrors;
  }

  flush(): void {
    this.attempt?.stream?.flush();
    for (let i = 0; i < this.mirrors.length; i++) this.mirrors[i]!.flush();
  }

  protected dropBody(): void {
    if (!this.keepsForRedirect) this.body = undefined;
  }

  /** The head went out; what waited for that follows. @param atOnce whether this is the call that asked for the stream */
  sendKept(attempt: Attempt, stream: UpstreamStream, atOnce: boolean): void {
    if (this.held) stream.flush();
    else this.sendBody(attempt, stream, atOnce);
  }

  protected sendBody(attempt: Attempt, stream: UpstreamStream, atOnce: boolean): void {
    const { exchange } = this;
    const body = this.body;
    if (body !== undefined) {
      for (const data of body) stream.sendData(data);
      if (!this.keepsBody) this.body = undefined;
    }
    if (this.requestDone) attempt.writeEnd(this.#trailers);
    // Else the bytes at hand may hold more of the body; who reads them flushes.
    if (exchange.requestDone || body !== undefined || !atOnce) stream.flush();
    if (!stream.full) exchange.stream.resume();
  }

  protected end(): void {
    this.ended = true;
    for (const mirror of this.mirrors) mirror.cancel();
    this.mirrors = noMirrors;
    const { wheel } = this.runtime;
    if (this.#routeTimer !== undefined) wheel.disarm(this.#routeTimer);
    this.stopRetries();
    this.body = undefined;
  }
}
