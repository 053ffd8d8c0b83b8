/**
 * One request and its response: from the decoded head through filters and route to the upstream,
 * and back. It is the access record as well, filled on the way.
 */
import { type ErrorCode, errorKinds } from '#core/error.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import type { RawNames } from '#http/codec/h1/header-case.ts';
import { type HeaderList, hasHeader, headerOf, noTrailers } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { Direction, Exchange, LocalReply } from '../filter/contract.ts';
import { headersOfReply, replyTo } from '../reply.ts';
import { mutate } from '../route/header-mutation.ts';
import type { CompiledRoute } from '../route/table.ts';
import { type Chosen, chooseDestination } from './destination.ts';
import type { DownstreamStream, RequestHead, ResponseHead } from './downstream-stream.ts';
import { limitDuration } from './duration.ts';
import { Forwarding } from './forwarding.ts';
import { dropHopByHop, takeExpectation } from './hop-by-hop.ts';
import { isGrpcType, mustRedirectToTls, mutateRequestHead, normalizeAuthority } from './request-head.ts';
import { setOwnHeaders } from './response-head.ts';
import type { HcmRuntime } from './runtime.ts';
import { TakenRequest } from './taken-request.ts';
import { readTarget } from './target.ts';
import { allowsUpgrade, asksUpgrade, isAccepted } from './upgrade.ts';

export class HttpExchange extends TakenRequest implements Exchange {
  // --- the exchange
  isGrpc = false;
  route: CompiledRoute | undefined = undefined;
  cluster: ClusterRuntime | undefined = undefined;
  endpoint: Endpoint | undefined = undefined;
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  readonly slots: unknown[] = [];
  responseStarted = false;
  /** How HTTP/1 writes the names of the response's fields, where the sender's form is kept. */
  responseNames: RawNames | undefined;

  readonly stream: DownstreamStream;
  #chosen: Chosen | undefined;
  #forwarding: Forwarding | undefined;
  #filterAt = 0;
  #waiting = false;
  #held: Buffer[] | undefined;
  #trailers: HeaderList = noTrailers;
  #closeAfter = false;
  /** Counted among the upgrades under way. */
  #upgrading = false;
  #opaque = false;
  /** The head of a response that waits for its end. */
  #heldHead: ResponseHead | undefined;
  #holding = false;
  #responseDone = false;
  #ended = false;

  constructor(stream: DownstreamStream, runtime: HcmRuntime) {
    const { facts, major } = stream;
    super(facts, runtime);
    this.protocol = major === 2 ? 'HTTP/2' : 'HTTP/1.1';
    this.stream = stream;
    this.peerPresented = facts.peer.presented;
    this.peerValidated = facts.peer.validated;
    const { stats } = runtime;
    stats.downstream_rq_total.inc();
    if (major === 2) stats.downstream_rq_http2_total.inc();
    else stats.downstream_rq_http1_total.inc();
    stats.downstream_rq_active.add(1);
  }

  get direction(): Direction {
    return this.runtime.settings.direction;
  }

  ratio(): number {
    return this.runtime.random.ratio();
  }

  // --- the request comes in

  /** The limits that hold before anything is known of the request. */
  startTimers(): void {
    const { streamIdleTimeoutMs, requestTimeoutMs, maxStreamDurationMs } = this.runtime.settings;
    if (streamIdleTimeoutMs > 0) this.armIdle(streamIdleTimeoutMs);
    if (requestTimeoutMs > 0) this.armRequest(requestTimeoutMs);
    this.armDuration(maxStreamDurationMs);
  }

  /** The head is complete. */
  start(head: RequestHead): void {
    this.take(head);
    const { runtime } = this;
    const { settings } = runtime;
    if (runtime.overload.stopsRequests) {
      runtime.stats.downstream_rq_overload_close.inc();
      this.refuse(settings.overloadReply);
      return;
    }
    const marks = this.marks;
    if ((marks & mark.expect) !== 0 && !settings.proxy100Continue && takeExpectation(this.requestHeaders)) {
      this.interim(100, []);
    }
    const refusal = readTarget(this, marks, this.minor, this.stream.major, runtime);
    if (refusal !== undefined) {
      this.refuse(refusal);
      return;
    }
    normalizeAuthority(this, this.stream.facts, runtime);
    dropHopByHop(this.requestHeaders, marks, this.connectionHeader, this.upgrade !== '');
    const rejection = mutateRequestHead(this, marks, this.stream.facts, runtime);
    if (rejection !== undefined) {
      this.reply(rejection);
      return;
    }
    if ((marks & mark.contentType) !== 0)
      this.isGrpc = isGrpcType(headerOf(this.requestHeaders, 'content-type')!);
    this.#findRoute();
  }

  /** A head before the answer. */
  interim(status: number, headers: HeaderList): void {
    const { stats } = this.runtime;
    stats.downstream_rq_completed.inc();
    stats.countStatus(status);
    this.stream.interim(status, headers);
  }

  #findRoute(): void {
    const { runtime } = this;
    const table = runtime.routes();
    const route = table?.find(this);
    const host = route === undefined ? table?.findHost(this.authority) : route.host;
    if (mustRedirectToTls(host, this.requestHeaders)) {
      runtime.stats.rq_total.inc();
      this.#redirect(301, `https://${this.authority}${this.path}`);
      return;
    }
    this.route = route;
    let chosen: ReturnType<typeof chooseDestination> | undefined;
    if (route !== undefined) {
      this.routeName = route.name;
      if (route.action.kind === 'forward') chosen = chooseDestination(this, route.action, runtime);
      if (chosen !== undefined && !('status' in chosen)) this.upstreamCluster = chosen.cluster.name;
    }
    if (asksUpgrade(this) && !this.#mayUpgrade()) {
      this.stream.drain();
      this.refuse(replyTo('UPGRADE_REFUSED'));
      return;
    }
    runtime.stats.rq_total.inc();
    if (route === undefined) {
      runtime.stats.no_route.inc();
      this.refuse(replyTo('NO_ROUTE'));
      return;
    }
    if (chosen !== undefined) {
      if ('status' in chosen) {
        if (chosen.flag === 'NC') runtime.stats.no_cluster.inc();
        this.reply(chosen);
        return;
      }
      this.#chosen = chosen;
      this.cluster = chosen.cluster;
      const { timeouts } = chosen.action;
      if (timeouts.idleMs !== undefined) this.armIdle(timeouts.idleMs);
      limitDuration(this, timeouts, runtime.settings.maxStreamDurationMs);
    }
    this.#runFilters();
  }

  /** @returns whether the protocol may be changed, which counts as done; without a route there is nothing to say. */
  #mayUpgrade(): boolean {
    const { settings, stats } = this.runtime;
    if (allowsUpgrade(this, this.route?.action, settings)) {
      this.#upgrading = true;
      stats.downstream_cx_upgrades_total.inc();
      stats.downstream_cx_upgrades_active.add(1);
      return true;
    }
    if (this.route === undefined) return true;
    stats.downstream_rq_ws_on_non_ws_route.inc();
    return false;
  }

  #runFilters(): void {
    const filters = this.runtime.hooks.requestHead;
    while (this.#filterAt < filters.length) {
      const verdict = filters[this.#filterAt++]!.onRequestHead!(this);
      if (verdict === undefined) continue;
      if (verdict === 'wait') {
        this.#waiting = true;
        return;
      }
      this.reply(verdict);
      return;
    }
    this.#act();
  }

  resume(reply?: LocalReply): void {
    if (!this.#waiting || this.#ended) return;
    this.#waiting = false;
    if (reply !== undefined) this.reply(reply);
    else this.#runFilters();
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) for (const data of held) this.#forwarding?.sendData(data);
    if (this.requestDone) this.#forwarding?.endRequest();
    this.#forwarding?.flush();
    if (!this.#ended) this.stream.resume();
    this.stream.flush();
  }

  #act(): void {
    const { route, runtime } = this;
    const { action } = route!;
    switch (action.kind) {
      case 'forward': {
        const forwarding = new Forwarding(this, this.#chosen!, runtime, this.hasBody);
        this.#forwarding = forwarding;
        forwarding.start(this.marks);
        return;
      }
      case 'redirect':
        this.#redirect(action.status, action.location(this, this.scheme === 'https'));
        return;
      case 'direct':
        this.#replyFromRoute(action.status, action.body, []);
        return;
      default:
        this.reply({ status: 500, body: '', flag: '', details: 'non_forwarding_action' });
    }
  }

  #redirect(status: number, location: string): void {
    this.#replyFromRoute(status, '', ['location', location]);
  }

  #replyFromRoute(status: number, body: string, headers: HeaderList): void {
    this.runtime.stats.rq_direct_response.inc();
    this.reply({ status, body, flag: '', details: 'direct_response', headers });
  }

  onRequestData(data: Buffer): void {
    this.bytesReceived += data.length;
    if (this.#responseDone) return;
    this.touch();
    let piece = data;
    const filters = this.runtime.hooks.requestData;
    for (let i = 0; i < filters.length; i++) piece = filters[i]!.onRequestData!(this, piece) ?? piece;
    if (piece.length === 0) return;
    if (this.#forwarding !== undefined) this.#forwarding.sendData(piece);
    else if (this.#waiting) {
      this.#held ??= [];
      this.#held.push(piece);
      this.stream.pause();
    }
  }

  onRequestTrailers(trailers: HeaderList): void {
    for (const filter of this.runtime.hooks.requestTrailers) filter.onRequestTrailers!(this, trailers);
    if (this.stream.major === 2 || this.runtime.settings.requests.wantsTrailers === true)
      this.#forwarding?.sendTrailers(trailers);
  }

  onRequestEnd(): void {
    if (!this.requestDone) {
      this.requestDone = true;
      this.requestEndMs = this.runtime.clock.nowMs();
    }
    this.disarmRequest();
    if (this.#responseDone) this.onDownstreamSent();
    else this.#forwarding?.endRequest();
  }

  /** Everything of a complete response is on its way. */
  onDownstreamSent(): void {
    if (this.stream.unsent) return;
    if (this.requestDone || this.#closeAfter || this.#opaque) this.#finish();
  }

  flushUpstream(): void {
    this.#forwarding?.flush();
  }

  onDownstreamDrain(): void {
    this.#forwarding?.onDownstreamDrain();
  }

  /**
   * The client is gone, or has given the request up: nothing can be answered.
   * @param flag why, for the access log
   */
  onDownstreamGone(flag = 'DC', details = 'downstream_remote_disconnect'): void {
    if (this.#ended) return;
    this.addFlag(flag);
    this.responseCodeDetails = details;
    this.runtime.stats.downstream_rq_rx_reset.inc();
    this.#forwarding?.cancel();
    this.#forwarding = undefined;
    this.#record();
  }

  // --- the response goes out

  /** A reply of our own, after which the connection may go on. */
  reply(reply: LocalReply): void {
    this.#replyWith(reply);
  }

  /** A reply of our own to something broken, or that needs no filters. */
  refuse(reply: LocalReply): void {
    const { flag, status } = reply;
    // What comes after a broken message cannot be told apart.
    const isBroken = status === 403 || (status === 400 && !this.runtime.settings.keepsBroken);
    if (isBroken || flag === 'DPE' || this.method === 'CONNECT') this.#closeAfter = true;
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
    const ofDestination = this.#chosen?.destination.response;
    if (ofDestination !== undefined) mutate(headers, [ofDestination], this);
    if (this.route !== undefined) mutate(headers, this.route.response, this);
    // What is under way upstream is of no use any more.
    this.#forwarding?.cancel();
    this.#forwarding = undefined;
    const code = grpc ? 200 : status;
    this.respondHead(code, headers, text === '' ? -1 : text.length, text === '');
    if (text !== '' && this.method !== 'HEAD' && !this.#ended) this.#respondText(text);
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
    if (this.#ended) return;
    // A filter that changes the body takes its length away.
    const length = hooks.length > 0 && !hasHeader(headers, 'content-length') ? -1 : contentLength;
    setOwnHeaders(headers, this.requestHeaders, runtime);
    const { stats } = runtime;
    stats.downstream_rq_completed.inc();
    stats.countStatus(status);
    this.disarmRequest();
    if (!this.requestDone) {
      stats.downstream_rq_response_before_rq_complete.inc();
      if (opaque) this.#opaque = true;
      else this.#closeAfter = true;
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
      close: this.#closeAfter,
    };
    if (this.#holding) this.#heldHead = head;
    else this.#closeAfter = stream.head(head);
  }

  holdResponse(): void {
    this.#holding = true;
  }

  #sendHeldHead(held: ResponseHead): void {
    for (const filter of this.runtime.hooks.heldResponse) filter.onHeldResponse!(this);
    if (this.#ended) return;
    const contentLength = hasHeader(held.headers, 'content-length') ? 0 : -1;
    this.#closeAfter = this.stream.head({ ...held, contentLength, endStream: this.#trailers.length === 0 });
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
    if (this.#ended) return;
    const wanted = stream.major === 2 || this.runtime.settings.requests.wantsTrailers === true;
    stream.end(wanted ? this.#trailers : noTrailers);
    this.#responseDone = true;
    this.#forwarding = undefined;
    if (stream.unsent) this.disarmAll();
    else this.onDownstreamSent();
  }

  /** The response cannot be completed: the client must see that. */
  abort(flag: string, details: string): void {
    if (this.#ended) return;
    if (flag !== '') this.addFlag(flag);
    this.responseCodeDetails = details;
    this.#forwarding?.cancel();
    this.#forwarding = undefined;
    this.runtime.stats.downstream_rq_tx_reset.inc();
    this.runtime.stats.downstream_rq_rx_reset.inc();
    this.#record();
    this.stream.abort();
  }

  /** A mistake of ours: this request ends, and nothing else. */
  fail(): void {
    if (this.#ended) return;
    if (this.responseStarted) this.abort('', 'internal_error');
    else this.refuse(replyTo('INTERNAL_ERROR'));
  }

  #finish(): void {
    if (this.#ended) return;
    if (!this.requestDone) this.runtime.stats.downstream_rq_rx_reset.inc();
    this.#record();
    this.stream.finished(this.#closeAfter);
  }

  #record(): void {
    const { runtime } = this;
    this.#ended = true;
    this.#waiting = false;
    this.disarmAll();
    this.endMs = runtime.clock.nowMs();
    const { stats, hooks } = runtime;
    stats.downstream_rq_active.add(-1);
    if (this.#upgrading) stats.downstream_cx_upgrades_active.add(-1);
    stats.downstream_rq_time.record(this.endMs - this.startMs);
    for (let i = 0; i < hooks.end.length; i++) hooks.end[i]!.onEnd!(this);
    runtime.writeLog(this);
    lastOfKind.exchange = this;
  }

  protected override onTimeout(code: ErrorCode): void {
    this.#forwarding?.cancel();
    this.#forwarding = undefined;
    if (this.#opaque) {
      this.abort(errorKinds[code].flag, errorKinds[code].details);
      return;
    }
    const reply = replyTo(code);
    // Whoever waits for a response did not time out: the upstream did.
    this.reply(code !== 'REQUEST_TIMEOUT' && this.requestDone ? { ...reply, status: 504 } : reply);
  }
}
