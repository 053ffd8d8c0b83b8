/**
 * The router: sends a request to an endpoint of its cluster, again where that fails and policy allows, and hands the response back.
 */
import { type ErrorCode, errorKinds } from '#core/error.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { type HeaderList, noTrailers, removeHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type {
  ConnectionPool,
  IncomingResponse,
  PoolClient,
  PoolFailure,
  ResetReason,
  ResponseHandler,
  UpstreamStream,
} from '../pool/contract.ts';
import { replyTo } from '../reply.ts';
import { type Chosen, chooseEndpoint, chooseUntried } from './destination.ts';
import type { HttpExchange } from './exchange.ts';
import { dropResponseHopByHop } from './hop-by-hop.ts';
import { type HashedRequest, hashRequest } from './request-hash.ts';
import { type AttemptFailure, createRetryState, type RetryState, type RetryVerdict } from './retry.ts';
import {
  readTimeouts,
  rewriteRequest,
  rewriteResponse,
  setOriginalHost,
  type Timeouts,
  tellRetry,
  tellServiceTime,
} from './rewrite.ts';
import type { HcmRuntime } from './runtime.ts';
import { serverNameFor } from './server-name.ts';
import { asksUpgrade, endsHere, isAccepted, isUseless, waitsForAcceptance } from './upgrade.ts';

const ROUTE = 0;
const TRY = 1;
const TRY_IDLE = 2;
const BACK_OFF = 3;

export class Forwarding implements PoolClient, ResponseHandler, TimerOwner {
  readonly #exchange: HttpExchange;
  readonly #chosen: Chosen;
  readonly #cluster: ClusterRuntime;
  readonly #runtime: HcmRuntime;
  readonly #hasBody: boolean;
  /** Whether the request ends here, and its bytes go on without HTTP. */
  readonly #endsHere: boolean;
  /** Whether the client's bytes wait for the upstream to accept another protocol. */
  #held: boolean;
  #timeouts: Timeouts = { routeMs: 0, perTryMs: 0 };
  #retry: RetryState | undefined;
  #stream: UpstreamStream | undefined;
  #pool: ConnectionPool | undefined;
  #endpoint: Endpoint | undefined;
  #waiting = false;
  /** While a pool is asked: it may answer at once. */
  #attempting = false;
  #counted = false;
  #headSent = false;
  /** Of this attempt, and of the request as a whole. */
  #attemptStartMs = 0;
  #requestDone = false;
  #endSent = false;
  /** What was read of the body and may have to be sent again, or could not be sent yet. */
  #body: Buffer[] | undefined;
  #bodyBytes = 0;
  #trailers: HeaderList = noTrailers;
  /** An interim response has come. */
  #interim = false;
  #responding = false;
  #ended = false;
  #tried: Set<Endpoint> | undefined;
  #hashed: HashedRequest | undefined;
  #serverName = '';
  #routeTimer: Timer | undefined;
  #tryTimer: Timer | undefined;
  #tryIdleTimer: Timer | undefined;
  #backOffTimer: Timer | undefined;

  constructor(exchange: HttpExchange, chosen: Chosen, runtime: HcmRuntime, hasBody: boolean) {
    this.#exchange = exchange;
    this.#chosen = chosen;
    this.#cluster = chosen.cluster;
    this.#runtime = runtime;
    this.#hasBody = hasBody;
    this.#endsHere = endsHere(exchange, chosen.action);
    this.#held = asksUpgrade(exchange) && waitsForAcceptance(exchange, this.#endsHere);
  }

  /** @param marks of the request's head as it came. */
  start(marks: number): void {
    const exchange = this.#exchange;
    const hasEnvoyHeaders = (marks & mark.envoyInternal) !== 0;
    this.#timeouts = readTimeouts(
      exchange,
      this.#chosen.action,
      hasEnvoyHeaders,
      this.#runtime.settings.router,
    );
    this.#retry = createRetryState(exchange.route!.retry, exchange, hasEnvoyHeaders);
    rewriteRequest(exchange, this.#chosen, this.#timeouts, hasEnvoyHeaders, this.#runtime.settings.router);
    this.#hashed = hashRequest(exchange, this.#chosen);
    this.#serverName = serverNameFor(exchange, this.#cluster.settings.pool.autoName);
    this.#attempt();
  }

  // --- the request

  sendData(data: Buffer): void {
    if (this.#ended) return;
    const stream = this.#held ? undefined : this.#stream;
    if (stream !== undefined) {
      stream.sendData(data);
      if (stream.full) this.#exchange.stream.pause();
      if (this.#retry === undefined) return;
    }
    this.#body ??= [];
    this.#body.push(data);
    this.#bodyBytes += data.length;
    if (this.#bodyBytes <= this.#cluster.settings.bufferLimitBytes) return;
    if (stream === undefined) this.#exchange.stream.pause();
    if (this.#retry === undefined) return;
    // Too much to keep: the request can no longer be sent again.
    this.#cluster.stats.retry_or_shadow_abandoned.inc();
    this.#retry.release(this.#cluster.breaker);
    this.#retry = undefined;
    if (stream !== undefined) this.#body = undefined;
  }

  sendTrailers(trailers: HeaderList): void {
    this.#trailers = trailers;
  }

  endRequest(): void {
    this.#requestDone = true;
    const { routeMs } = this.#timeouts;
    if (routeMs > 0 && !this.#ended) {
      this.#routeTimer = new Timer(this, ROUTE);
      this.#runtime.wheel.arm(this.#routeTimer, routeMs, this.#exchange.requestEndMs);
    }
    if (this.#stream !== undefined && !this.#held) this.#writeEnd(this.#stream);
  }

  flush(): void {
    this.#stream?.flush();
  }

  onDownstreamDrain(): void {
    this.#stream?.resume();
  }

  /** The client is gone, or was answered. */
  cancel(): void {
    if (this.#ended) return;
    this.#abandonAttempt();
    this.#end();
  }

  // --- attempts

  #attempt(): void {
    const cluster = this.#cluster;
    const exchange = this.#exchange;
    exchange.upstreamAttempts++;
    const endpoint = this.#pick();
    if (endpoint === undefined) {
      this.#fail('NO_ENDPOINT', '');
      return;
    }
    this.#endpoint = endpoint;
    const { action } = this.#chosen;
    if (action.autoHostRewrite && endpoint.hostname !== '' && endpoint.hostname !== exchange.authority) {
      setOriginalHost(exchange, action);
      exchange.authority = endpoint.hostname;
    }
    if (this.#runtime.settings.head.matchUpstreamScheme) {
      exchange.scheme = endpoint.transport.secure ? 'https' : 'http';
    }
    exchange.endpoint = endpoint;
    exchange.upstreamHost = endpoint.address;
    exchange.upstreamLocalAddress = '';
    this.#attemptStartMs = exchange.upstreamAttempts === 1 ? exchange.startMs : this.#runtime.clock.nowMs();
    this.#headSent = false;
    this.#endSent = false;
    this.#armTry();
    this.#waiting = true;
    this.#pool = this.#endsHere
      ? cluster.tcpPoolOf(endpoint, exchange.stream.facts)
      : cluster.poolOf(endpoint, exchange.stream.major, exchange.stream.facts, this.#serverName);
    this.#attempting = true;
    this.#pool.request(this);
    this.#attempting = false;
  }

  #pick(): Endpoint | undefined {
    const cluster = this.#cluster;
    const hash = this.#hashed?.hash;
    const endpoint = chooseEndpoint(cluster, this.#exchange, hash);
    const rules = this.#retry?.rules;
    if (rules?.avoidPreviousHosts !== true || endpoint === undefined) return endpoint;
    this.#tried ??= new Set();
    return chooseUntried(cluster, endpoint, this.#tried, rules.hostAttempts, hash);
  }

  onPoolReady(stream: UpstreamStream): void {
    this.#waiting = false;
    const exchange = this.#exchange;
    const { stats } = this.#cluster;
    this.#stream = stream;
    stats.upstream_rq_active.add(1);
    stats.upstream_rq_total.inc();
    const { counts } = stream.endpoint;
    counts.rqActive++;
    counts.rqTotal++;
    this.#counted = true;
    exchange.upstreamLocalAddress = stream.localAddress;
    exchange.upstreamPeerUri = stream.peer.uri;
    exchange.upstreamLocalUri = stream.peer.ownUri;
    stream.begin(this);
    const hooks = this.#runtime.hooks.upstream;
    for (let i = 0; i < hooks.length; i++) hooks[i]!.onUpstream!(exchange);
    if (this.#stream !== stream) return;
    this.#headSent = true;
    this.#endSent = !this.#hasBody;
    stream.sendHead(exchange, this.#endSent);
    if (this.#held) stream.flush();
    else this.#sendHeld(stream);
  }

  onPoolFailure(failure: PoolFailure, reason: string): void {
    this.#waiting = false;
    this.#exchange.upstreamTransportFailureReason = reason.replaceAll(' ', '_');
    const kind: AttemptFailure = failure === 'OVERLOADED' ? 'overflow' : 'connect';
    if (failure !== 'OVERLOADED' && this.#endpoint !== undefined) this.#endpoint.counts.rqError++;
    this.#afterFailure(kind, failure, reason);
  }

  #writeEnd(stream: UpstreamStream): void {
    if (this.#endSent) return;
    this.#endSent = true;
    stream.sendEnd(this.#trailers);
  }

  // --- the response

  onResponseHead(head: IncomingResponse): void {
    const { status, headers, marks } = head;
    const exchange = this.#exchange;
    if (status < 200 && status !== 101) {
      this.#countInterim(status);
      if (status === 100 && this.#runtime.settings.proxy100Continue && !exchange.responseStarted) {
        exchange.interim(100, []);
      }
      return;
    }
    const retry = this.#retry;
    const { stats, breaker } = this.#cluster;
    dropResponseHopByHop(headers, marks, status === 101 && exchange.upgrade !== '');
    if (this.#held && !this.#takeAcceptance(status, headers)) return;
    if (retry !== undefined) {
      const verdict = retry.onResponse(status, headers, breaker, stats);
      if (verdict === 'again') {
        stats.countRetried(status);
        this.#countEndpoint(status);
        // An answer that is complete leaves nothing to give up.
        if (head.endStream && this.#endSent) this.#stream = undefined;
        this.#scheduleRetry();
        return;
      }
      this.#noteVerdict(verdict);
      this.#retry = undefined;
      this.#body = undefined;
    }
    this.#disarmTry();
    this.#responding = true;
    exchange.firstUpstreamByteMs = this.#runtime.clock.nowMs();
    exchange.responseCodeDetails = 'via_upstream';
    stats.countStatus(status);
    this.#countEndpoint(status);
    const { router } = this.#runtime.settings;
    if (!router.suppressEnvoyHeaders) tellServiceTime(exchange, headers, marks, this.#attemptStartMs);
    rewriteResponse(exchange, this.#chosen, headers, this.#hashed?.cookies);
    exchange.responseNames = head.rawNames;
    exchange.respondHead(status, headers, head.contentLength, head.endStream);
  }

  /** What was held goes out if this accepts it. @returns whether the response is of use to the client */
  #takeAcceptance(status: number, headers: HeaderList): boolean {
    const exchange = this.#exchange;
    if (isAccepted(exchange, status)) {
      this.#held = false;
      this.#sendHeld(this.#stream!);
      return true;
    }
    if (!isUseless(exchange, status, this.#stream!.major)) return true;
    removeHeader(headers, 'content-length');
    exchange.reply({ status, body: '', flag: '', details: 'websocket_handshake_unsuccessful', headers });
    return false;
  }

  #sendHeld(stream: UpstreamStream): void {
    const body = this.#body;
    if (body !== undefined) {
      for (const data of body) stream.sendData(data);
      if (this.#retry === undefined) this.#body = undefined;
    }
    if (this.#requestDone) this.#writeEnd(stream);
    // Else the bytes at hand may hold more of the body; who reads them flushes.
    if (this.#exchange.requestDone || body !== undefined || !this.#attempting) stream.flush();
    if (!stream.full) this.#exchange.stream.resume();
  }

  /** The first of those that have a meaning. */
  #countInterim(status: number): void {
    if (status > 104 || status === 101 || this.#interim) return;
    this.#interim = true;
    this.#cluster.stats.countStatus(status);
  }

  onResponseData(data: Buffer): void {
    if (!this.#responding) return;
    const exchange = this.#exchange;
    exchange.respondData(data);
    if (exchange.stream.full) this.#stream?.pause();
  }

  onResponseTrailers(trailers: HeaderList): void {
    if (this.#responding) this.#exchange.respondTrailers(trailers);
  }

  onReadDone(): void {
    if (this.#responding) this.#exchange.stream.flush();
  }

  get keepsData(): boolean {
    return this.#exchange.stream.keepsData;
  }

  onResponseEnd(): void {
    lastOfKind.forwarding = this;
    const exchange = this.#exchange;
    const stream = this.#stream;
    this.#stream = undefined;
    this.#leave();
    // The end of a connection behind CONNECT is that of the tunnel.
    if (!this.#requestDone && this.#endsHere) stream?.reset();
    if (!this.#responding) return;
    const { stats } = this.#cluster;
    stats.upstream_rq_time.record(this.#runtime.clock.nowMs() - this.#attemptStartMs);
    this.#end();
    exchange.respondEnd();
    exchange.stream.flush();
  }

  onUpstreamDrain(): void {
    this.#exchange.stream.resume();
  }

  onUpstreamReset(reason: ResetReason): void {
    this.#stream = undefined;
    this.#leave();
    this.#endpoint!.counts.rqError++;
    if (this.#responding) {
      const { flag, details } = errorKinds[reason];
      this.#breakOff(flag, details.replace('before', 'after'));
      return;
    }
    // Between a response that is not used and the next attempt.
    if (this.#backOffTimer?.armed === true) return;
    const failure =
      reason === 'UPSTREAM_REFUSED_STREAM' ? 'refused' : this.#headSent ? 'reset' : 'reset-before-request';
    this.#afterFailure(failure, reason, '');
  }

  // --- what goes wrong

  #afterFailure(failure: AttemptFailure, code: ErrorCode, reason: string): void {
    const { breaker, stats } = this.#cluster;
    const verdict = this.#retry?.onFailure(failure, breaker, stats) ?? 'no';
    if (verdict === 'again') {
      this.#scheduleRetry();
      return;
    }
    this.#noteVerdict(verdict);
    this.#fail(code, reason);
  }

  #noteVerdict(verdict: RetryVerdict): void {
    if (verdict === 'limit-exceeded') this.#exchange.addFlag('URX');
    else if (verdict === 'overflow') this.#exchange.addFlag('UO');
  }

  #scheduleRetry(): void {
    this.#abandonAttempt();
    this.#backOffTimer ??= new Timer(this, BACK_OFF);
    this.#runtime.wheel.arm(this.#backOffTimer, this.#retry!.nextDelayMs(this.#runtime.random));
  }

  /** Lets go of the connection, or of the place in the queue. */
  #abandonAttempt(): void {
    this.#disarmTry();
    if (this.#waiting) this.#pool?.cancel(this);
    this.#waiting = false;
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.reset();
    this.#leave();
  }

  #fail(code: ErrorCode, reason: string): void {
    const exchange = this.#exchange;
    const status = replyTo(code, reason, exchange.upstreamAttempts > 1);
    // Replies made here in place of the upstream's count as answers of the cluster.
    this.#cluster.stats.countStatus(status.status);
    this.#end();
    exchange.reply(status);
  }

  /** A response that has begun cannot be completed. */
  #breakOff(flag: string, details: string): void {
    const exchange = this.#exchange;
    // Whether the call succeeded would have been known at its end.
    if (exchange.isGrpc) this.#runtime.stats.rq_reset_after_downstream_response_started.inc();
    this.#end();
    exchange.abort(flag, details);
  }

  #end(): void {
    this.#ended = true;
    this.#disarmTry();
    const { wheel } = this.#runtime;
    if (this.#routeTimer !== undefined) wheel.disarm(this.#routeTimer);
    if (this.#backOffTimer !== undefined) wheel.disarm(this.#backOffTimer);
    this.#retry?.release(this.#cluster.breaker);
    this.#retry = undefined;
    this.#body = undefined;
  }

  #leave(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#cluster.breaker.requests.release();
    this.#cluster.stats.upstream_rq_active.add(-1);
    this.#endpoint!.counts.rqActive--;
  }

  #countEndpoint(status: number): void {
    const { counts } = this.#endpoint!;
    if (status >= 500) counts.rqError++;
    else counts.rqSuccess++;
  }

  // --- time-outs

  #armTry(): void {
    const { wheel } = this.#runtime;
    const { perTryMs } = this.#timeouts;
    if (perTryMs > 0) {
      this.#tryTimer ??= new Timer(this, TRY);
      wheel.arm(this.#tryTimer, perTryMs);
    }
    const idleMs = this.#retry?.rules.perTryIdleTimeoutMs ?? 0;
    if (idleMs > 0) {
      this.#tryIdleTimer ??= new Timer(this, TRY_IDLE);
      wheel.arm(this.#tryIdleTimer, idleMs);
    }
  }

  #disarmTry(): void {
    const { wheel } = this.#runtime;
    if (this.#tryTimer !== undefined) wheel.disarm(this.#tryTimer);
    if (this.#tryIdleTimer !== undefined) wheel.disarm(this.#tryIdleTimer);
  }

  onTimer(kind: number): void {
    const { stats } = this.#cluster;
    if (kind === BACK_OFF) {
      tellRetry(this.#exchange, this.#chosen.action, this.#timeouts, this.#runtime);
      this.#attempt();
      return;
    }
    if (this.#endpoint !== undefined) this.#endpoint.counts.rqTimeout++;
    if (kind === ROUTE) {
      stats.upstream_rq_timeout.inc();
      this.#abandonAttempt();
      if (this.#responding) this.#breakOff('UT', 'response_timeout');
      else this.#fail('UPSTREAM_TIMEOUT', '');
      return;
    }
    if (kind === TRY) stats.upstream_rq_per_try_timeout.inc();
    else stats.upstream_rq_per_try_idle_timeout.inc();
    this.#abandonAttempt();
    this.#afterFailure('per-try-timeout', kind === TRY ? 'PER_TRY_TIMEOUT' : 'PER_TRY_IDLE_TIMEOUT', '');
  }
}
