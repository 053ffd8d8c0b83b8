/**
 * The response on its way to the client, the upstream's or one of our own, past the filters in reverse
 * order. One of them may stop its head, or its end; what follows is kept meanwhile.
 */
import type { RawNames } from '#http/codec/h1/header-case.ts';
import { type HeaderList, headerOf, noTrailers } from '#http/header-list.ts';
import type { Exchange, LocalReply, Verdict } from '../filter/contract.ts';
import { headersOfReply, replyTo } from '../reply.ts';
import { mutate } from '../route/header-mutation.ts';
import type { Forwarding } from './forwarding.ts';
import { setOwnHeaders } from './response-head.ts';
import { RoutedRequest } from './routed-request.ts';
import { asksUpgrade, isAccepted } from './upgrade.ts';

/** No filter has this place in a chain. */
const NOBODY = -1;
const EVERYBODY = Number.MAX_SAFE_INTEGER;

export abstract class ResponsePath extends RoutedRequest implements Exchange {
  responseStarted = false;
  /** How HTTP/1 writes the names of the response's fields, where the sender's form is kept. */
  responseNames: RawNames | undefined = undefined;
  bufferLimitBytes: number = this.runtime.settings.bufferLimitBytes;
  protected forwarding: Forwarding | undefined = undefined;
  protected responseDone = false;
  /** The record is complete. */
  protected ended = false;
  /** Whether no other request may follow on the connection. */
  protected closeAfter = false;
  /** Whether bytes of another protocol follow the head. */
  protected opaque = false;
  #trailers: HeaderList = noTrailers;
  #contentLength = -1;
  #endStream = false;
  #headSent = false;
  /** The next filter that sees the head, and the next that sees the end. */
  #headAt = 0;
  #endAt = 0;
  /** Which filter stopped the head, and whether it holds it until the end. */
  #stopper = NOBODY;
  #holds = false;
  /** Whether a filter stopped the end. */
  #endStopped = false;
  #trailersAt = -1;
  /** What came of the body since; filters from this place on have seen it. */
  #kept: Buffer[] | undefined = undefined;
  #keptBytes = 0;
  #seenFrom = EVERYBODY;
  /** Whether all of the response has come. */
  #complete = false;
  /** Whether no filter sees any more of it. */
  #bypasses = false;
  #paused = false;

  /** The response cannot be completed: the client must see that. */
  abstract abort(flag: string, details: string): void;

  abstract injectRequestData(slot: number, data: Buffer): void;

  abstract pauseRequest(paused: boolean): void;

  abstract resumeRequestEnd(): void;

  abstract addRequestTrailers(list: HeaderList): void;

  /** Everything of a complete response is on its way. */
  abstract onDownstreamSent(): void;

  /** Filters see no more of the request. */
  protected abstract stopRequest(): void;

  // --- replies of our own

  /** A reply of our own, after which the connection may go on. */
  reply(reply: LocalReply): void {
    this.#replyWith(reply);
  }

  /** A reply of our own to something broken, or that needs no filters. */
  refuse(reply: LocalReply): void {
    const { flag, status } = reply;
    // What comes after a broken message cannot be told apart.
    const isBroken = status === 403 || (status === 400 && !this.runtime.settings.keepsBroken);
    if (isBroken || flag === 'DPE' || this.method === 'CONNECT') this.closeAfter = true;
    this.#replyWith(reply);
  }

  #replyWith(given: LocalReply): void {
    if (this.responseStarted) this.#replyInstead(given);
    else this.#writeReply(given);
  }

  /** In the place of a response of which the client has seen nothing; filters have, and see no more. */
  #replyInstead(reply: LocalReply): void {
    if (this.#headSent || this.#bypasses) {
      this.abort(reply.flag, reply.details);
      return;
    }
    this.#bypasses = true;
    this.#stopper = NOBODY;
    this.#kept = undefined;
    this.#trailers = noTrailers;
    this.#writeReply(reply);
  }

  #writeReply(given: LocalReply): void {
    const { flag, details } = given;
    if (flag !== '') this.addFlag(flag);
    this.responseCodeDetails = details;
    const { localReply } = this.runtime.settings;
    const isUntouched = given.isUntouched === true;
    const reply = localReply === undefined || isUntouched ? given : localReply.rewrite(given, this);
    const { status, body } = reply;
    const grpc = this.isGrpc;
    const headers = headersOfReply(reply, grpc);
    const text = grpc ? '' : body;
    const { chosen, route } = this;
    if (route !== undefined && !isUntouched) {
      const ofDestination = chosen?.destination.response;
      if (ofDestination !== undefined) mutate(headers, [ofDestination], this);
      mutate(headers, route.response, this);
    }
    // What is under way upstream is of no use any more.
    this.stopRequest();
    this.forwarding?.cancel();
    this.forwarding = undefined;
    const code = grpc ? 200 : status;
    this.respondHead(code, headers, text === '' ? -1 : text.length, text === '');
    // A filter may have answered instead.
    if (this.responseDone || this.ended) return;
    if (text !== '' && this.method !== 'HEAD') this.#respondText(text);
    this.respondEnd();
    this.stream.flush();
  }

  #respondText(text: string): void {
    if (this.#stopper !== NOBODY || (this.hooks.responseData.length > 0 && !this.#bypasses)) {
      this.respondData(Buffer.from(text, 'latin1'));
      return;
    }
    this.bytesSent += text.length;
    this.stream.text(text);
  }

  // --- the head

  /**
   * @param contentLength as it stands in the list; -1 where it does not.
   * @param endStream whether nothing follows.
   */
  respondHead(status: number, headers: HeaderList, contentLength: number, endStream: boolean): void {
    this.responseStarted = true;
    this.responseCode = status;
    this.responseHeaders = headers;
    this.#contentLength = contentLength;
    this.#endStream = endStream;
    if (this.hooks.responseHead.length > 0 && !this.#bypasses) this.#filterHead();
    else this.#sendHead();
  }

  /** Leads the head past the filters that have not seen it, as far as they let it. */
  #filterHead(): void {
    const hooks = this.hooks.responseHead;
    while (this.#headAt < hooks.length) {
      const hook = hooks[this.#headAt++]!;
      const verdict = hook.onResponseHead(this, this.#endStream);
      if (this.ended || this.#bypasses) return;
      if (verdict !== undefined) {
        this.#stopAt(hook.index, verdict);
        return;
      }
    }
    // A filter that changes the body takes its length away.
    const length = headerOf(this.responseHeaders, 'content-length');
    this.#contentLength = length === undefined ? -1 : Number(length);
    this.#sendHead();
  }

  #stopAt(index: number, verdict: Exclude<Verdict, undefined>): void {
    if (verdict === 'wait' || verdict === 'hold') {
      this.#stopper = index;
      this.#holds = verdict === 'hold';
      this.#seenFrom = this.#holds ? index : index + 1;
    } else this.#replyInstead(verdict);
  }

  #sendHead(): void {
    const { runtime, stream } = this;
    const { responseCode: status, responseHeaders: headers } = this;
    this.#headSent = true;
    const opaque = asksUpgrade(this) && isAccepted(this, status);
    setOwnHeaders(headers, this.requestHeaders, runtime);
    const { stats } = runtime;
    if (!this.isHealthCheck) {
      stats.downstream_rq_completed.inc();
      stats.countStatus(status);
    }
    this.disarmRequest();
    if (!this.requestDone) {
      stats.downstream_rq_response_before_rq_complete.inc();
      if (opaque) this.opaque = true;
      else this.closeAfter = true;
    }
    this.closeAfter = stream.head({
      status,
      headers,
      requestMethod: this.method,
      minor: this.minor,
      contentLength: this.#contentLength,
      endStream: this.#endStream,
      opaque,
      rawNames: this.responseNames,
      close: this.closeAfter,
    });
  }

  // --- the body

  respondData(data: Buffer): void {
    if (data.length === 0 || (this.#headSent && !this.stream.takesBody)) return;
    this.touch();
    if (this.#stopper !== NOBODY || (this.hooks.responseData.length > 0 && !this.#bypasses)) {
      this.#passData(data, EVERYBODY);
      return;
    }
    this.bytesSent += data.length;
    this.stream.data(data);
  }

  injectResponseData(slot: number, data: Buffer): void {
    if (this.ended || this.responseDone) return;
    this.touch();
    this.#passData(data, slot);
    this.stream.flush();
  }

  /** Past the filters that stand before a place in the chain, as far as the head has come. */
  #passData(data: Buffer, before: number): void {
    let piece = data;
    const hooks = this.hooks.responseData;
    for (let i = 0; i < hooks.length && !this.#bypasses; i++) {
      const hook = hooks[i]!;
      if (hook.index >= before) continue;
      if (hook.index < this.#stopper || (hook.index === this.#stopper && !this.#holds)) break;
      piece = hook.onResponseData(this, piece) ?? piece;
      if (piece.length === 0 || this.ended) return;
    }
    // One of them may have answered instead.
    if (this.#bypasses) return;
    if (this.#stopper !== NOBODY) {
      this.#keep(piece);
      return;
    }
    if (!this.stream.takesBody) return;
    this.bytesSent += piece.length;
    this.stream.data(piece);
  }

  #keep(data: Buffer): void {
    this.#kept ??= [];
    // Who reads uses its buffer again.
    this.#kept.push(Buffer.from(data));
    this.#keptBytes += data.length;
    if (this.#keptBytes <= this.bufferLimitBytes) return;
    if (!this.#holds) {
      this.forwarding?.pauseResponse();
      return;
    }
    this.runtime.stats.rs_too_large.inc();
    this.#replyInstead(replyTo('RESPONSE_TOO_LARGE'));
  }

  pauseResponse(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.forwarding?.pauseResponse();
    else this.forwarding?.onDownstreamDrain();
  }

  onDownstreamDrain(): void {
    if (!this.#paused && this.#stopper === NOBODY) this.forwarding?.onDownstreamDrain();
  }

  // --- the end

  respondTrailers(trailers: HeaderList): void {
    this.responseTrailers = trailers;
    // What filters do to them is for the client; the record keeps what came.
    this.#trailers = this.hooks.responseEnd.length === 0 ? trailers : [...trailers];
  }

  addResponseTrailers(list: HeaderList): void {
    this.#trailers = [...this.#trailers, ...list];
  }

  respondEnd(): void {
    this.#complete = true;
    this.#goOn();
  }

  resumeResponse(reply?: LocalReply): void {
    if (this.ended || this.responseDone) return;
    if (this.#endStopped) this.#endStopped = false;
    else if (this.#stopper !== NOBODY && !this.#holds) {
      if (reply === undefined) this.#letGo();
    } else return;
    if (reply !== undefined) this.#replyInstead(reply);
    else if (this.#complete) this.#goOn();
    else if (!this.#paused) this.forwarding?.onDownstreamDrain();
    this.stream.flush();
  }

  /** The head goes past the next filters, and after it what was kept of the body. */
  #letGo(): void {
    const seenFrom = this.#seenFrom;
    const kept = this.#kept;
    this.#stopper = NOBODY;
    this.#kept = undefined;
    this.#keptBytes = 0;
    if (this.#complete) this.#endStream = kept === undefined && this.#trailers.length === 0;
    this.#filterHead();
    if (kept === undefined) return;
    for (const data of kept) if (!this.ended && !this.#bypasses) this.#passData(data, seenFrom);
  }

  /** Everything has come: the end goes past the filters, as far as they let it, and to the client. */
  #goOn(): void {
    const hooks = this.hooks.responseEnd;
    while (!this.#bypasses && !this.ended && (this.#endAt < hooks.length || this.#stopper !== NOBODY)) {
      const hook = hooks[this.#endAt];
      if (hook === undefined || hook.index < this.#stopper) {
        if (!this.#holds) return;
        this.#letGo();
        continue;
      }
      if (hook.index === this.#stopper && !this.#holds) return;
      if (this.#trailersAt !== this.#endAt) {
        this.#trailersAt = this.#endAt;
        const last = this.#trailers.length === 0 ? undefined : hook.onResponseTrailers(this, this.#trailers);
        if (last !== undefined && !this.ended) this.#passData(last, hook.index);
        if (!this.ended && hook.onResponseEnd(this) === 'wait') {
          this.#endStopped = true;
          return;
        }
      }
      this.#endAt++;
      if (hook.index !== this.#stopper || this.ended) continue;
      const verdict = hook.onResponseComplete(this, this.#keptBytes);
      if (this.ended || this.#bypasses) return;
      if (verdict === undefined) this.#letGo();
      else if (verdict === 'wait' || verdict === 'hold') this.#holds = false;
      else this.#replyInstead(verdict);
    }
    if (!this.ended && !this.responseDone) this.#finishResponse();
  }

  #finishResponse(): void {
    const { stream } = this;
    const wanted = stream.major === 2 || this.runtime.settings.requests.wantsTrailers === true;
    stream.end(wanted ? this.#trailers : noTrailers);
    this.responseDone = true;
    this.forwarding = undefined;
    if (stream.unsent) this.disarmAll();
    else this.onDownstreamSent();
  }
}
