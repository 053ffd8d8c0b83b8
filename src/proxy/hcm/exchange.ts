/**
 * One request and its response: from the decoded head through filters and route to the upstream,
 * and back. It is the access record as well, filled on the way.
 */
import { errorKinds } from '#core/error.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { RequestDecoder } from '#http/codec/h1/decoder.ts';
import { type HeaderList, headerOf } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { Direction, Exchange, LocalReply } from '../filter/contract.ts';
import { headersOfReply, replyTo } from '../reply.ts';
import { mutate } from '../route/header-mutation.ts';
import type { CompiledRoute } from '../route/table.ts';
import { type Chosen, chooseDestination } from './destination.ts';
import { Forwarding } from './forwarding.ts';
import { TrafficRecord } from './record.ts';
import {
  dropHopByHop,
  expectsContinue,
  isGrpcType,
  mutateRequestHead,
  normalizeAuthority,
} from './request-head.ts';
import { setOwnHeaders } from './response-head.ts';
import type { HcmRuntime } from './runtime.ts';
import type { ServerConnection } from './server-connection.ts';
import { readTarget } from './target.ts';
import { Tunnel } from './tunnel.ts';

const STREAM_IDLE = 0;
const REQUEST = 1;
const DURATION = 2;

/** By the kinds of timers above. */
const timeouts = [
  ['STREAM_IDLE_TIMEOUT', 'downstream_rq_idle_timeout'],
  ['REQUEST_TIMEOUT', 'downstream_rq_timeout'],
  ['MAX_STREAM_DURATION', 'downstream_rq_max_duration_reached'],
] as const;

export class HttpExchange extends TrafficRecord implements Exchange, TimerOwner {
  // --- the exchange
  scheme: string;
  isGrpc = false;
  route: CompiledRoute | undefined = undefined;
  cluster: ClusterRuntime | undefined = undefined;
  endpoint: Endpoint | undefined = undefined;
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  readonly slots: unknown[] = [];
  requestDone = false;
  responseStarted = false;
  isTunnel = false;

  readonly connection: ServerConnection;
  readonly runtime: HcmRuntime;
  readonly #marks: number;
  readonly #connectionHeader: string;
  readonly #minor: number;
  readonly #hasBody: boolean;
  #chosen: Chosen | undefined;
  #forwarding: Forwarding | undefined;
  #tunnel: Tunnel | undefined;
  #filterAt = 0;
  #waiting = false;
  #held: Buffer[] | undefined;
  #closeAfter = false;
  #responseDone = false;
  #ended = false;
  #idleTimer: Timer | undefined;
  #requestTimer: Timer | undefined;
  #durationTimer: Timer | undefined;

  /** @param decoder holds the head; undefined for bytes that were none. */
  constructor(connection: ServerConnection, decoder: RequestDecoder | undefined, runtime: HcmRuntime) {
    const { facts } = connection;
    super(facts, runtime.clock);
    this.protocol = 'HTTP/1.1';
    this.connection = connection;
    this.runtime = runtime;
    this.peerPresented = facts.peer.presented;
    this.peerValidated = facts.peer.validated;
    this.scheme = facts.secure ? 'https' : 'http';
    if (decoder === undefined) {
      this.requestHeaders = [];
      this.#marks = 0;
      this.#connectionHeader = '';
      this.#minor = 1;
      this.#hasBody = false;
    } else {
      this.method = decoder.method;
      this.path = decoder.target;
      this.authority = decoder.host;
      this.requestHeaders = decoder.headers;
      this.#marks = decoder.marks;
      this.#connectionHeader = decoder.connection;
      this.#minor = decoder.minor;
      this.#hasBody = decoder.chunked || decoder.contentLength > 0 || decoder.method === 'CONNECT';
      if (decoder.minor === 0) this.protocol = 'HTTP/1.0';
      if (!this.#hasBody) {
        this.requestDone = true;
        this.requestEndMs = this.startMs;
      }
    }
    const { stats } = runtime;
    stats.downstream_rq_total.inc();
    stats.downstream_rq_http1_total.inc();
    stats.downstream_rq_active.add(1);
  }

  get direction(): Direction {
    return this.runtime.settings.direction;
  }

  ratio(): number {
    return this.runtime.random.ratio();
  }

  // --- the request comes in

  start(): void {
    const { runtime } = this;
    const { settings } = runtime;
    if (settings.streamIdleTimeoutMs > 0) this.#armIdle(settings.streamIdleTimeoutMs);
    if (settings.requestTimeoutMs > 0) {
      this.#requestTimer = new Timer(this, REQUEST);
      runtime.wheel.arm(this.#requestTimer, settings.requestTimeoutMs, this.startMs);
    }
    const refusal = readTarget(this, this.#marks, this.#minor, settings);
    if (refusal !== undefined) {
      this.refuse(refusal);
      return;
    }
    this.authority = normalizeAuthority(this.authority, this.connection.facts, runtime);
    const marks = this.#marks;
    const wantsContinue = expectsContinue(this.requestHeaders, marks);
    const upgrades = (marks & mark.upgrade) !== 0 && /\bupgrade\b/i.test(this.#connectionHeader);
    dropHopByHop(this.requestHeaders, marks, this.#connectionHeader);
    mutateRequestHead(this, marks, this.connection.facts, runtime);
    if ((marks & mark.contentType) !== 0)
      this.isGrpc = isGrpcType(headerOf(this.requestHeaders, 'content-type')!);
    if (wantsContinue && !settings.proxy100Continue) {
      this.connection.writeText('HTTP/1.1 100 Continue\r\n\r\n');
      this.connection.flush();
    } else if (wantsContinue) this.requestHeaders.push('expect', '100-continue');
    this.#findRoute(upgrades);
  }

  #findRoute(upgrades: boolean): void {
    const { runtime } = this;
    const table = runtime.routes();
    const route = table?.find(this);
    if (table === undefined || route === undefined) {
      runtime.stats.no_route.inc();
      this.refuse(replyTo('NO_ROUTE'));
      return;
    }
    if (table.internalOnlyHeaders.length > 0 && runtime.settings.useRemoteAddress) {
      const hidden = table.internalOnlyHeaders;
      this.requestHeaders = this.requestHeaders.filter((_, i, all) => !hidden.includes(all[i - (i % 2)]!));
    }
    this.route = route;
    this.routeName = route.name;
    const { requireTls } = route.host;
    if (requireTls !== 'none' && this.scheme !== 'https') {
      this.reply({
        status: 301,
        body: '',
        flag: '',
        details: 'direct_response',
        headers: ['location', `https://${this.authority}${this.path}`],
      });
      return;
    }
    const { action } = route;
    if (action.kind === 'forward') {
      const chosen = chooseDestination(this, action, runtime);
      if ('status' in chosen) {
        if (chosen.flag === 'NC') runtime.stats.no_cluster.inc();
        this.reply(chosen);
        return;
      }
      this.#chosen = chosen;
      this.cluster = chosen.cluster;
      this.upstreamCluster = chosen.cluster.name;
      if (
        upgrades ||
        (this.method === 'CONNECT' &&
          action.upgrades.get('connect') !== true &&
          !runtime.settings.connectEnabled)
      ) {
        this.refuse(replyTo('UPGRADE_REFUSED'));
        return;
      }
      if (action.idleTimeoutMs !== undefined) this.#armIdle(action.idleTimeoutMs);
      this.#armDuration(action.maxDurationMs || runtime.settings.maxStreamDurationMs);
    }
    this.#runFilters();
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
    if (!this.#ended) this.connection.resume();
    this.connection.flush();
  }

  #act(): void {
    const { route, runtime } = this;
    const { action } = route!;
    switch (action.kind) {
      case 'forward': {
        if (this.method === 'CONNECT') {
          this.isTunnel = true;
          this.#tunnel = new Tunnel(this, this.#chosen!.cluster, runtime);
          this.#tunnel.start();
          return;
        }
        const forwarding = new Forwarding(this, this.#chosen!, runtime, this.#hasBody);
        this.#forwarding = forwarding;
        forwarding.start(this.#marks);
        return;
      }
      case 'redirect':
        runtime.stats.rq_redirect.inc();
        this.#replyFromRoute(action.status, '', ['location', action.location(this, this.scheme === 'https')]);
        return;
      case 'direct':
        runtime.stats.rq_direct_response.inc();
        this.#replyFromRoute(action.status, action.body, []);
        return;
      default:
        this.reply({ status: 500, body: '', flag: '', details: 'non_forwarding_action' });
    }
  }

  #replyFromRoute(status: number, body: string, headers: HeaderList): void {
    this.#replyWith({ status, body, flag: '', details: 'direct_response', headers }, true);
  }

  onRequestData(data: Buffer): void {
    this.bytesReceived += data.length;
    if (this.#responseDone) return;
    if (this.#idleTimer !== undefined) this.#touch();
    const filters = this.runtime.hooks.requestData;
    for (let i = 0; i < filters.length; i++) filters[i]!.onRequestData!(this, data);
    if (this.#tunnel !== undefined) this.#tunnel.sendData(data);
    else if (this.#forwarding !== undefined) this.#forwarding.sendData(data);
    else if (this.#waiting) {
      this.#held ??= [];
      this.#held.push(data);
      this.connection.pause();
    }
  }

  onRequestTrailers(trailers: HeaderList): void {
    for (const filter of this.runtime.hooks.requestTrailers) filter.onRequestTrailers!(this, trailers);
    if (this.runtime.settings.enableTrailers) this.#forwarding?.sendTrailers(trailers);
  }

  onRequestEnd(): void {
    if (!this.requestDone) {
      this.requestDone = true;
      this.requestEndMs = this.runtime.clock.nowMs();
    }
    if (this.#requestTimer !== undefined) this.runtime.wheel.disarm(this.#requestTimer);
    if (this.#tunnel !== undefined) this.#tunnel.endSending();
    else if (this.#responseDone) this.#finish();
    else this.#forwarding?.endRequest();
  }

  flushUpstream(): void {
    this.#forwarding?.flush();
  }

  onDownstreamDrain(): void {
    this.#forwarding?.onDownstreamDrain();
    this.#tunnel?.onDownstreamDrain();
  }

  /** The client is gone: nothing can be answered. */
  onDownstreamGone(): void {
    if (this.#ended) return;
    this.addFlag('DC');
    if (!this.#responseDone) this.responseCodeDetails = 'downstream_remote_disconnect';
    this.runtime.stats.downstream_rq_rx_reset.inc();
    this.#forwarding?.cancel();
    this.#tunnel?.cancel();
    this.#forwarding = undefined;
    this.#tunnel = undefined;
    this.#record();
  }

  // --- the response goes out

  /** A reply of our own, after which the connection may go on. */
  reply(reply: LocalReply): void {
    this.#replyWith(reply, false);
  }

  /** A reply of our own to something broken, or that needs no filters. */
  refuse(reply: LocalReply): void {
    const { flag, status } = reply;
    const isBroken = flag === 'DPE' || flag === 'DT' || status === 400 || status === 403;
    // What comes after a broken message cannot be told apart.
    if (isBroken || this.method === 'CONNECT') this.#closeAfter = true;
    this.#replyWith(reply, false);
  }

  #replyWith(reply: LocalReply, fromRoute: boolean): void {
    if (this.responseStarted) {
      this.abort(reply.flag, reply.details);
      return;
    }
    const { status, body, flag, details } = reply;
    if (flag !== '') this.addFlag(flag);
    this.responseCodeDetails = details;
    const grpc = this.isGrpc && !fromRoute;
    const headers = headersOfReply(reply, grpc);
    const text = grpc ? '' : body;
    const ofDestination = this.#chosen?.destination.response;
    if (ofDestination !== undefined) mutate(headers, [ofDestination], this);
    if (this.route !== undefined) mutate(headers, this.route.response, this);
    // What is under way upstream is of no use any more.
    this.#forwarding?.cancel();
    this.#forwarding = undefined;
    const code = grpc ? 200 : status;
    this.respondHead(code, headers, text.length, text === '');
    if (text !== '' && this.method !== 'HEAD') {
      this.bytesSent += text.length;
      this.connection.writeText(text);
    }
    this.respondEnd();
    this.connection.flush();
  }

  /**
   * Sends the head of the response.
   * @param contentLength -1: not known.
   * @param empty whether no body follows and the list says nothing about that.
   */
  respondHead(status: number, headers: HeaderList, contentLength: number, empty: boolean): void {
    const { runtime, connection } = this;
    this.responseStarted = true;
    this.responseCode = status;
    this.responseHeaders = headers;
    const hooks = runtime.hooks.responseHead;
    for (let i = 0; i < hooks.length; i++) hooks[i]!.onResponseHead!(this);
    setOwnHeaders(headers, this.requestHeaders, runtime);
    if (!this.requestDone && !this.isTunnel) {
      this.#closeAfter = true;
      runtime.stats.downstream_rq_response_before_rq_complete.inc();
    }
    const close = this.#closeAfter || connection.mustClose;
    this.#closeAfter = connection.response.head({
      status,
      headers,
      requestMethod: this.method,
      minor: this.#minor,
      contentLength,
      empty,
      opaque: this.isTunnel && status === 200,
      close,
    });
  }

  respondData(data: Buffer): void {
    const { response } = this.connection;
    if (data.length === 0 || !response.hasBody) return;
    if (this.#idleTimer !== undefined) this.#touch();
    const hooks = this.runtime.hooks.responseData;
    for (let i = 0; i < hooks.length; i++) hooks[i]!.onResponseData!(this, data);
    this.bytesSent += data.length;
    response.data(data);
  }

  respondTrailers(trailers: HeaderList): void {
    const { runtime } = this;
    for (const filter of runtime.hooks.responseTrailers) filter.onResponseTrailers!(this, trailers);
    this.responseTrailers = trailers;
    if (runtime.settings.enableTrailers) this.connection.response.trailers(trailers);
  }

  respondEnd(): void {
    this.connection.response.end();
    this.#responseDone = true;
    this.#forwarding = undefined;
    if (this.requestDone || this.#closeAfter) this.#finish();
  }

  /** The response cannot be completed: the client must see that. */
  abort(flag: string, details: string): void {
    if (this.#ended) return;
    if (flag !== '') this.addFlag(flag);
    this.responseCodeDetails = details;
    this.#forwarding?.cancel();
    this.#tunnel?.cancel();
    this.#forwarding = undefined;
    this.#tunnel = undefined;
    this.runtime.stats.rq_reset_after_downstream_response_started.inc();
    this.connection.flush();
    this.#record();
    this.connection.onExchangeEnd(true);
  }

  /** Both directions of a tunnel have ended, or one has failed. */
  endTunnel(): void {
    if (this.#ended) return;
    this.#tunnel = undefined;
    this.#record();
    this.connection.onExchangeEnd(true);
  }

  #finish(): void {
    if (this.#ended) return;
    this.#record();
    this.connection.onExchangeEnd(this.#closeAfter);
  }

  #record(): void {
    const { runtime } = this;
    this.#ended = true;
    this.#waiting = false;
    if (this.#idleTimer !== undefined) runtime.wheel.disarm(this.#idleTimer);
    if (this.#requestTimer !== undefined) runtime.wheel.disarm(this.#requestTimer);
    if (this.#durationTimer !== undefined) runtime.wheel.disarm(this.#durationTimer);
    this.endMs = runtime.clock.nowMs();
    const { stats, hooks } = runtime;
    stats.downstream_rq_active.add(-1);
    stats.downstream_rq_completed.inc();
    if (this.responseCode > 0) stats.countStatus(this.responseCode);
    stats.downstream_rq_time.record(this.endMs - this.startMs);
    for (let i = 0; i < hooks.end.length; i++) hooks.end[i]!.onEnd!(this);
    runtime.writeLog(this);
  }

  // --- time-outs

  #armIdle(timeoutMs: number): void {
    if (timeoutMs === 0) {
      if (this.#idleTimer !== undefined) this.runtime.wheel.disarm(this.#idleTimer);
      this.#idleTimer = undefined;
      return;
    }
    this.#idleTimer ??= new Timer(this, STREAM_IDLE);
    this.#idleTimeoutMs = timeoutMs;
    this.runtime.wheel.arm(this.#idleTimer, timeoutMs, this.startMs);
  }

  #idleTimeoutMs = 0;

  #touch(): void {
    this.runtime.wheel.postpone(this.#idleTimer!, this.#idleTimeoutMs);
  }

  #armDuration(durationMs: number): void {
    if (durationMs === 0) return;
    this.#durationTimer = new Timer(this, DURATION);
    this.runtime.wheel.arm(this.#durationTimer, durationMs);
  }

  onTimer(kind: number): void {
    const [code, stat] = timeouts[kind]!;
    this.runtime.stats[stat].inc();
    this.#forwarding?.cancel();
    this.#forwarding = undefined;
    if (this.isTunnel) {
      this.abort(errorKinds[code].flag, errorKinds[code].details);
      return;
    }
    const reply = replyTo(code);
    // Whoever waits for a response did not time out: the upstream did.
    this.reply(code === 'STREAM_IDLE_TIMEOUT' && this.requestDone ? { ...reply, status: 504 } : reply);
  }
}
