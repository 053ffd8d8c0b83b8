/** The response on its way to the client, the upstream's or one of our own. */

import type { RawNames } from '#http/codec/h1/header-case.ts';
import { type HeaderList, hasHeader, noTrailers } from '#http/header-list.ts';
import type { Exchange, LocalReply } from '../filter/contract.ts';
import { headersOfReply } from '../reply.ts';
import { mutate } from '../route/header-mutation.ts';
import type { ResponseHead } from './downstream-stream.ts';
import type { Forwarding } from './forwarding.ts';
import { setOwnHeaders } from './response-head.ts';
import { RoutedRequest } from './routed-request.ts';
import { asksUpgrade, isAccepted } from './upgrade.ts';

export abstract class ResponsePath extends RoutedRequest implements Exchange {
  responseStarted = false;
  /** How HTTP/1 writes the names of the response's fields, where the sender's form is kept. */
  responseNames: RawNames | undefined = undefined;
  protected forwarding: Forwarding | undefined = undefined;
  protected responseDone = false;
  /** The record is complete. */
  protected ended = false;
  /** Whether no other request may follow on the connection. */
  protected closeAfter = false;
  /** Whether bytes of another protocol follow the head. */
  protected opaque = false;
  #trailers: HeaderList = noTrailers;
  /** The head of a response that waits for its end. */
  #heldHead: ResponseHead | undefined;
  #holding = false;

  /** The response cannot be completed: the client must see that. */
  abstract abort(flag: string, details: string): void;

  abstract resume(reply?: LocalReply): void;

  /** Everything of a complete response is on its way. */
  abstract onDownstreamSent(): void;

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
    const { flag, details } = given;
    if (this.responseStarted) {
      this.abort(flag, details);
      return;
    }
    if (flag !== '') this.addFlag(flag);
    this.responseCodeDetails = details;
    const { localReply } = this.runtime.settings;
    const reply = localReply === undefined ? given : localReply.rewrite(given, this);
    const { status, body } = reply;
    const grpc = this.isGrpc;
    const headers = headersOfReply(reply, grpc);
    const text = grpc ? '' : body;
    const ofDestination = this.chosen?.destination.response;
    if (ofDestination !== undefined) mutate(headers, [ofDestination], this);
    if (this.route !== undefined) mutate(headers, this.route.response, this);
    // What is under way upstream is of no use any more.
    this.forwarding?.cancel();
    this.forwarding = undefined;
    const code = grpc ? 200 : status;
    this.respondHead(code, headers, text === '' ? -1 : text.length, text === '');
    if (text !== '' && this.method !== 'HEAD' && !this.ended) this.#respondText(text);
    this.respondEnd();
    this.stream.flush();
  }

  /**
   * Sends the head of the response.
   * @param contentLength as it stands in the list; -1 where it does not.
   * @param endStream whether nothing follows.
   */
  respondHead(status: number, headers: HeaderList, contentLength: number, endStream: boolean): void {
    const { runtime, stream } = this;
    this.responseStarted = true;
    this.responseCode = status;
    this.responseHeaders = headers;
    const opaque = asksUpgrade(this) && isAccepted(this, status);
    const hooks = runtime.hooks.responseHead;
    for (let i = 0; i < hooks.length; i++) hooks[i]!.onResponseHead!(this);
    if (this.ended) return;
    // A filter that changes the body takes its length away.
    const length = hooks.length > 0 && !hasHeader(headers, 'content-length') ? -1 : contentLength;
    setOwnHeaders(headers, this.requestHeaders, runtime);
    const { stats } = runtime;
    stats.downstream_rq_completed.inc();
    stats.countStatus(status);
    this.disarmRequest();
    if (!this.requestDone) {
      stats.downstream_rq_response_before_rq_complete.inc();
      if (opaque) this.opaque = true;
      else this.closeAfter = true;
    }
    const head: ResponseHead = {
      status,
      headers,
      requestMethod: this.method,
      minor: this.minor,
      contentLength: length,
      endStream,
      opaque,
      rawNames: this.responseNames,
      close: this.closeAfter,
    };
    if (this.#holding) this.#heldHead = head;
    else this.closeAfter = stream.head(head);
  }

  holdResponse(): void {
    this.#holding = true;
  }

  #sendHeldHead(held: ResponseHead): void {
    for (const filter of this.runtime.hooks.heldResponse) filter.onHeldResponse!(this);
    if (this.ended) return;
    const contentLength = hasHeader(held.headers, 'content-length') ? 0 : -1;
    this.closeAfter = this.stream.head({ ...held, contentLength, endStream: this.#trailers.length === 0 });
  }

  #respondText(text: string): void {
    if (this.runtime.hooks.responseData.length > 0) {
      this.respondData(Buffer.from(text, 'latin1'));
      return;
    }
    this.bytesSent += text.length;
    this.stream.text(text);
  }

  respondData(data: Buffer): void {
    const { stream } = this;
    if (data.length === 0 || (!this.#holding && !stream.takesBody)) return;
    this.touch();
    let piece = data;
    const hooks = this.runtime.hooks.responseData;
    for (let i = 0; i < hooks.length; i++) piece = hooks[i]!.onResponseData!(this, piece) ?? piece;
    this.bytesSent += piece.length;
    if (piece.length > 0) stream.data(piece);
  }

  respondTrailers(trailers: HeaderList): void {
    const { runtime, stream } = this;
    this.responseTrailers = trailers;
    const hooks = runtime.hooks.responseTrailers;
    // What filters do to them is for the client; the record keeps what came.
    this.#trailers = hooks.length === 0 ? trailers : [...trailers];
    for (const filter of hooks) {
      const last = filter.onResponseTrailers!(this, this.#trailers);
      if (last === undefined || !stream.takesBody) continue;
      this.bytesSent += last.length;
      stream.data(last);
    }
  }

  respondEnd(): void {
    const { stream } = this;
    if (this.#heldHead !== undefined) this.#sendHeldHead(this.#heldHead);
    if (this.ended) return;
    const wanted = stream.major === 2 || this.runtime.settings.requests.wantsTrailers === true;
    stream.end(wanted ? this.#trailers : noTrailers);
    this.responseDone = true;
    this.forwarding = undefined;
    if (stream.unsent) this.disarmAll();
    else this.onDownstreamSent();
  }
}
