/**
 * The router: sends a request to an endpoint of its cluster, again where that fails and policy allows, and hands the response back.
 */
import { type ErrorCode, errorKinds } from '#core/error.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { type HeaderList, noTrailers, removeHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { IncomingResponse, PoolFailure, ResetReason, UpstreamStream } from '../pool/contract.ts';
import { replyTo } from '../reply.ts';
import type { RequestPriority } from '../route/action.ts';
import { Attempt } from './attempt.ts';
import { noteResponse } from './attempt-outcome.ts';
import type { Chosen } from './destination.ts';
import { nextEndpoint } from './endpoint-choice.ts';
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
const BACK_OFF = 1;

/** One request on its way to a cluster, over all attempts. */
export class Forwarding implements TimerOwner {
  readonly exchange: HttpExchange;
  readonly cluster: ClusterRuntime;
  /** Of the route's priority. */
  readonly breaker: CircuitBreaker;
  readonly priority: RequestPriority;
  readonly runtime: HcmRuntime;
  readonly hasBody: boolean;
  readonly #chosen: Chosen;
  /** Whether the request ends here, and its bytes go on without HTTP. */
  readonly #endsHere: boolean;
  /** Whether the client's bytes wait for the upstream to accept another protocol. */
  #held: boolean;
  #timeouts: Timeouts = { routeMs: 0, perTryMs: 0 };
  #retry: RetryState | undefined;
  /** The last one; it may be over. */
  #attempt: Attempt | undefined;
  #requestDone = false;
  /** What was read of the body and may have to be sent again, or could not be sent yet. */
  #body: Buffer[] | undefined;
  #bodyBytes = 0;
  #trailers: HeaderList = noTrailers;
  /** An interim response has come. */
  #interim = false;
  #ended = false;
  #tried: Set<Endpoint> | undefined;
  #hashed: HashedRequest | undefined;
  #serverName = '';
  #routeTimer: Timer | undefined;
  #backOffTimer: Timer | undefined;

  constructor(exchange: HttpExchange, chosen: Chosen, runtime: HcmRuntime, hasBody: boolean) {
    this.exchange = exchange;
    this.#chosen = chosen;
    this.cluster = chosen.cluster;
    this.priority = chosen.action.priority;
    this.breaker = chosen.cluster.breakerOf(this.priority);
    this.runtime = runtime;
    this.hasBody = hasBody;
    this.#endsHere = endsHere(exchange, chosen.action);
    this.#held = asksUpgrade(exchange) && waitsForAcceptance(exchange, this.#endsHere);
  }

  /** @param marks of the request's head as it came. */
  start(marks: number): void {
    const { exchange, runtime } = this;
    const { router } = runtime.settings;
    const hasEnvoyHeaders = (marks & mark.envoyInternal) !== 0;
    this.#timeouts = readTimeouts(exchange, this.#chosen.action, hasEnvoyHeaders, router);
    this.#retry = createRetryState(exchange.route!.retry, exchange, hasEnvoyHeaders);
    rewriteRequest(exchange, this.#chosen, this.#timeouts, hasEnvoyHeaders, router);
    this.#hashed = hashRequest(exchange, this.#chosen);
    this.#serverName = serverNameFor(exchange, this.cluster.settings.pool.autoName);
    this.#tryOnce();
  }

  // --- the request

  sendData(data: Buffer): void {
    if (this.#ended) return;
    const stream = this.#held ? undefined : this.#attempt?.stream;
    if (stream !== undefined) {
      stream.sendData(data);
      if (stream.full) this.exchange.stream.pause();
      if (this.#retry === undefined) return;
    }
    this.#body ??= [];
    this.#body.push(data);
    this.#bodyBytes += data.length;
    if (this.#bodyBytes <= this.cluster.settings.bufferLimitBytes) return;
    if (stream === undefined) this.exchange.stream.pause();
    if (this.#retry === undefined) return;
    // Too much to keep: the request can no longer be sent again.
    this.cluster.stats.retry_or_shadow_abandoned.inc();
    this.#retry.release(this.breaker);
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
      this.runtime.wheel.arm(this.#routeTimer, routeMs, this.exchange.requestEndMs);
    }
    if (!this.#held) this.#attempt?.writeEnd(this.#trailers);
  }

  flush(): void {
    this.#attempt?.stream?.flush();
  }

  pauseResponse(): void {
    this.#attempt?.stream?.pause();
  }

  onDownstreamDrain(): void {
    this.#attempt?.stream?.resume();
  }

  /** The client is gone, or was answered. */
  cancel(): void {
    if (this.#ended) return;
    this.#attempt?.abandon();
    this.#end();
  }

  // --- attempts

  #tryOnce(): void {
    const { cluster, exchange, runtime } = this;
    exchange.upstreamAttempts++;
    const rules = this.#retry?.rules;
    if (rules?.avoidPreviousHosts === true) this.#tried ??= new Set();
    const endpoint = nextEndpoint(cluster, exchange, this.#hashed?.hash, rules, this.#tried);
    if (endpoint === undefined) {
      this.#fail('NO_ENDPOINT', '');
      return;
    }
    const { action } = this.#chosen;
    if (action.autoHostRewrite && endpoint.hostname !== '' && endpoint.hostname !== exchange.authority) {
      setOriginalHost(exchange, action);
      exchange.authority = endpoint.hostname;
    }
    if (runtime.settings.head.matchUpstreamScheme) {
      exchange.scheme = endpoint.transport.secure ? 'https' : 'http';
    }
    exchange.endpoint = endpoint;
    exchange.upstreamHost = endpoint.address;
    exchange.upstreamRemoteAddress = '';
    exchange.upstreamLocalAddress = '';
    const startMs = exchange.upstreamAttempts === 1 ? exchange.startMs : runtime.clock.nowMs();
    const attempt = new Attempt(this, endpoint, startMs);
    this.#attempt = attempt;
    attempt.arm(this.#timeouts.perTryMs, this.#retry?.rules.perTryIdleTimeoutMs ?? 0);
    const { facts, major } = exchange.stream;
    attempt.start(
      this.#endsHere
        ? cluster.tcpPoolOf(endpoint, facts, action.priority)
        : cluster.poolOf(endpoint, major, facts, this.#serverName, action.priority),
    );
  }

  /** An attempt has its stream; nothing was sent on it. */
  onStream(stream: UpstreamStream): void {
    const { exchange } = this;
    exchange.upstreamRemoteAddress = stream.remoteAddress;
    exchange.upstreamLocalAddress = stream.localAddress;
    exchange.upstreamPeerUri = stream.peer.uri;
    exchange.upstreamLocalUri = stream.peer.ownUri;
    const hooks = exchange.hooks.upstream;
    for (let i = 0; i < hooks.length; i++) hooks[i]!.onUpstream!(exchange);
  }

  /** The head went out; what waited for that follows. @param atOnce whether this is the call that asked for the stream */
  sendKept(attempt: Attempt, stream: UpstreamStream, atOnce: boolean): void {
    if (this.#held) stream.flush();
    else this.#sendBody(attempt, stream, atOnce);
  }

  #sendBody(attempt: Attempt, stream: UpstreamStream, atOnce: boolean): void {
    const { exchange } = this;
    const body = this.#body;
    if (body !== undefined) {
      for (const data of body) stream.sendData(data);
      if (this.#retry === undefined) this.#body = undefined;
    }
    if (this.#requestDone) attempt.writeEnd(this.#trailers);
    // Else the bytes at hand may hold more of the body; who reads them flushes.
    if (exchange.requestDone || body !== undefined || !atOnce) stream.flush();
    if (!stream.full) exchange.stream.resume();
  }

  onPoolFailure(failure: PoolFailure, reason: string): void {
    this.exchange.upstreamTransportFailureReason = reason.replaceAll(' ', '_');
    const kind: AttemptFailure = failure === 'OVERLOADED' ? 'overflow' : 'connect';
    this.#afterFailure(kind, failure, reason);
  }

  // --- the response

  onResponseHead(attempt: Attempt, head: IncomingResponse): void {
    const { status, headers, marks } = head;
    const { cluster, exchange, runtime } = this;
    if (status < 200 && status !== 101) {
      this.#countInterim(status);
      if (status === 100 && runtime.settings.proxy100Continue && !exchange.responseStarted) {
        exchange.interim(100, []);
      }
      return;
    }
    const retry = this.#retry;
    const { stats } = cluster;
    noteResponse(attempt.endpoint, status, headers, exchange.isGrpc);
    dropResponseHopByHop(headers, marks, status === 101 && exchange.upgrade !== '');
    if (this.#held && !this.#takeAcceptance(attempt, status, headers)) return;
    if (retry !== undefined) {
      const verdict = retry.onResponse(status, headers, this.breaker, stats);
      if (verdict === 'again') {
        stats.countRetried(status);
        attempt.endpoint.countStatus(status);
        attempt.discard(head.endStream);
        this.#scheduleRetry();
        return;
      }
      this.#noteVerdict(verdict);
      this.#retry = undefined;
      this.#body = undefined;
    }
    attempt.disarm();
    attempt.responding = true;
    exchange.firstUpstreamByteMs = runtime.clock.nowMs();
    exchange.responseCodeDetails = 'via_upstream';
    if (!exchange.isHealthCheck) stats.countStatus(status);
    attempt.endpoint.countStatus(status);
    const { router } = runtime.settings;
    if (!router.suppressEnvoyHeaders) tellServiceTime(exchange, headers, marks, attempt.startMs);
    rewriteResponse(exchange, this.#chosen, headers, this.#hashed?.cookies);
    exchange.responseNames = head.rawNames;
    exchange.respondHead(status, headers, head.contentLength, head.endStream);
  }

  /** What was held goes out if this accepts it. @returns whether the response is of use to the client */
  #takeAcceptance(attempt: Attempt, status: number, headers: HeaderList): boolean {
    const { exchange } = this;
    const stream = attempt.stream!;
    if (isAccepted(exchange, status)) {
      this.#held = false;
      this.#sendBody(attempt, stream, false);
      return true;
    }
    if (!isUseless(exchange, status, stream.major)) return true;
    removeHeader(headers, 'content-length');
    exchange.reply({ status, body: '', flag: '', details: 'websocket_handshake_unsuccessful', headers });
    return false;
  }

  /** The first of those that have a meaning. */
  #countInterim(status: number): void {
    if (status > 104 || status === 101 || this.#interim) return;
    this.#interim = true;
    this.cluster.stats.countStatus(status);
  }

  /** @param stream that of the attempt, which it has left */
  onResponseEnd(attempt: Attempt, stream: UpstreamStream | undefined): void {
    lastOfKind.forwarding = this;
    const { exchange } = this;
    // The end of a connection behind CONNECT is that of the tunnel.
    if (!this.#requestDone && this.#endsHere) stream?.reset();
    if (!attempt.responding) return;
    const { stats } = this.cluster;
    stats.upstream_rq_time.record(this.runtime.clock.nowMs() - attempt.startMs);
    this.#end();
    exchange.respondEnd();
    exchange.stream.flush();
  }

  onUpstreamReset(attempt: Attempt, reason: ResetReason, headSent: boolean): void {
    if (attempt.responding) {
      const { flag, details } = errorKinds[reason];
      this.#breakOff(flag, details.replace('before', 'after'));
      return;
    }
    const failure =
      reason === 'UPSTREAM_REFUSED_STREAM' ? 'refused' : headSent ? 'reset' : 'reset-before-request';
    this.#afterFailure(failure, reason, '');
  }

  // --- what goes wrong

  #afterFailure(failure: AttemptFailure, code: ErrorCode, reason: string): void {
    const { stats } = this.cluster;
    const verdict = this.#retry?.onFailure(failure, this.breaker, stats) ?? 'no';
    if (verdict === 'again') {
      this.#attempt!.abandon();
      this.#scheduleRetry();
      return;
    }
    this.#noteVerdict(verdict);
    this.#fail(code, reason);
  }

  #noteVerdict(verdict: RetryVerdict): void {
    if (verdict === 'limit-exceeded') this.exchange.addFlag('URX');
    else if (verdict === 'overflow') this.exchange.addFlag('UO');
  }

  #scheduleRetry(): void {
    this.#backOffTimer ??= new Timer(this, BACK_OFF);
    this.runtime.wheel.arm(this.#backOffTimer, this.#retry!.nextDelayMs(this.runtime.random));
  }

  #fail(code: ErrorCode, reason: string): void {
    const { exchange } = this;
    const status = replyTo(code, reason, exchange.upstreamAttempts > 1);
    // Replies made here in place of the upstream's count as answers of the cluster.
    if (!exchange.isHealthCheck) this.cluster.stats.countStatus(status.status);
    this.#end();
    exchange.reply(status);
  }

  /** A response that has begun cannot be completed. */
  #breakOff(flag: string, details: string): void {
    const { exchange } = this;
    // Whether the call succeeded would have been known at its end.
    if (exchange.isGrpc) this.runtime.stats.rq_reset_after_downstream_response_started.inc();
    this.#end();
    exchange.abort(flag, details);
  }

  #end(): void {
    this.#ended = true;
    this.#attempt?.disarm();
    const { wheel } = this.runtime;
    if (this.#routeTimer !== undefined) wheel.disarm(this.#routeTimer);
    if (this.#backOffTimer !== undefined) wheel.disarm(this.#backOffTimer);
    this.#retry?.release(this.breaker);
    this.#retry = undefined;
    this.#body = undefined;
  }

  // --- time-outs

  onTryTimeout(code: ErrorCode): void {
    this.#afterFailure('per-try-timeout', code, '');
  }

  onTimer(kind: number): void {
    if (kind === BACK_OFF) {
      tellRetry(this.exchange, this.#chosen.action, this.#timeouts, this.runtime);
      this.#tryOnce();
      return;
    }
    const attempt = this.#attempt;
    attempt?.countTimeout();
    this.cluster.stats.upstream_rq_timeout.inc();
    const responding = attempt?.responding === true;
    attempt?.abandon();
    if (responding) this.#breakOff('UT', 'response_timeout');
    else this.#fail('UPSTREAM_TIMEOUT', '');
  }
}
