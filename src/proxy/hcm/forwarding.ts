/**
 * The router: sends a request to an endpoint of its cluster, again where that fails and policy allows, and hands the response back.
 */
import { type ErrorCode, errorKinds } from '#core/error.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import { type HeaderList, headerOf, removeHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { endpointAt } from '../cluster/wanted-endpoint.ts';
import type { LocalReply } from '../filter/contract.ts';
import type { IncomingResponse, PoolFailure, ResetReason, UpstreamStream } from '../pool/contract.ts';
import { headersOfReply, replyTo } from '../reply.ts';
import { Attempt } from './attempt.ts';
import { isCanary, noteResponse } from './attempt-outcome.ts';
import { BACK_OFF } from './attempts.ts';
import type { Chosen } from './destination.ts';
import { nextEndpoint } from './endpoint-choice.ts';
import type { HttpExchange } from './exchange.ts';
import { dropResponseHopByHop } from './hop-by-hop.ts';
import { takeRedirect } from './internal-redirect.ts';
import { startMirrors } from './mirror.ts';
import { OutgoingRequest } from './outgoing-request.ts';
import { type HashedRequest, hashRequest } from './request-hash.ts';
import type { AttemptFailure } from './retry.ts';
import {
  asksForRetries,
  hasAny,
  noTimeouts,
  readTimeouts,
  rewriteRequest,
  rewriteResponse,
  setOriginalHost,
  tellRetry,
  tellServiceTime,
} from './rewrite.ts';
import type { HcmRuntime } from './runtime.ts';
import { serverNameFor } from './server-name.ts';
import { isAccepted, isUseless } from './upgrade.ts';

/** One request on its way to a cluster, over all attempts; several may be under way (Envoy, "Request hedging"). */
export class Forwarding extends OutgoingRequest {
  readonly #chosen: Chosen;
  /** An interim response has come. */
  #interim = false;
  #hashed: HashedRequest | undefined;
  /** Of the newest attempt. */
  #asked: Endpoint | undefined;
  #serverName = '';

  constructor(exchange: HttpExchange, chosen: Chosen, runtime: HcmRuntime, hasBody: boolean) {
    super(exchange, chosen, runtime, hasBody);
    this.#chosen = chosen;
  }

  /** @param marks of the request's head as it came. */
  start(marks: number): void {
    const { exchange, runtime } = this;
    const { router } = runtime.settings;
    const { action } = this.#chosen;
    const { retry } = exchange.route!;
    // Filters may have added some.
    const hasEnvoyHeaders =
      (marks & mark.envoyInternal) !== 0 ||
      (exchange.hooks.requestHead.length > 0 && hasAny(exchange.requestHeaders, 'x-envoy-'));
    this.timeouts = readTimeouts(exchange, action, retry, hasEnvoyHeaders, router);
    const isChanged = rewriteRequest(exchange, this.#chosen, this.timeouts, hasEnvoyHeaders, router);
    // Time limits are those of the route in any case.
    const isAsked = (hasEnvoyHeaders || isChanged) && asksForRetries(exchange.requestHeaders);
    this.createRetry(this.cluster.settings.policies.retry ?? retry, isAsked);
    this.#hashed = hashRequest(exchange, this.#chosen);
    this.#serverName = serverNameFor(exchange, this.cluster.settings.pool.autoName);
    this.#tryOnce();
    const ofCluster = this.cluster.settings.mirrors;
    const mirrors = ofCluster.length > 0 ? ofCluster : this.#chosen.action.mirrors;
    if (mirrors.length === 0 || this.ended) return;
    this.mirrors = startMirrors(mirrors, exchange, runtime, this.hasBody, this.timeouts.routeMs);
  }

  pauseResponse(): void {
    this.attempt?.stream?.pause();
  }

  onDownstreamDrain(): void {
    this.attempt?.stream?.resume();
  }

  /** The client is gone, or was answered. */
  cancel(): void {
    if (this.ended) return;
    this.abandonAll();
    this.end();
  }

  // --- attempts

  #tryOnce(): void {
    const { cluster, exchange, runtime } = this;
    exchange.upstreamAttempts++;
    const isRetry = exchange.upstreamAttempts > 1;
    const { criteria } = this.#chosen.destination;
    const wanted = isRetry ? undefined : exchange.wantedEndpoint;
    const hash = this.#hashed?.hash;
    const endpoint = nextEndpoint(cluster, exchange, criteria, hash, this.retry, isRetry, wanted);
    this.#asked = endpoint;
    if (endpoint === undefined) {
      this.abandonAll();
      const isMissing =
        wanted?.isStrict === true && endpointAt(wanted.address, cluster.endpoints) === undefined;
      this.#fail('NO_ENDPOINT', '', isMissing ? wanted.missingStatus : undefined);
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
    const startMs = isRetry ? runtime.clock.nowMs() : exchange.startMs;
    const attempt = new Attempt(this, endpoint, startMs);
    this.add(attempt);
    const { facts, major } = exchange.stream;
    attempt.start(
      this.endsHere
        ? cluster.tcpPoolOf(endpoint, facts, action.priority)
        : cluster.poolOf(endpoint, major, facts, this.#serverName, action.priority),
    );
  }

  /** An attempt has its stream; nothing was sent on it. */
  onStream(stream: UpstreamStream): void {
    const { exchange } = this;
    this.noteConnection(stream);
    exchange.noteConnected();
    this.count('upstream_rq_total');
    const hooks = exchange.hooks.upstream;
    for (let i = 0; i < hooks.length; i++) hooks[i]!.onUpstream!(exchange);
  }

  onPoolFailure(attempt: Attempt, failure: PoolFailure, reason: string): void {
    this.exchange.upstreamTransportFailureReason = reason.replaceAll(' ', '_');
    const kind: AttemptFailure = failure === 'OVERLOADED' ? 'overflow' : 'connect';
    this.#afterFailure(attempt, kind, failure, reason);
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
    const { stats } = cluster;
    noteResponse(attempt.endpoint, status, headers, exchange.isGrpc);
    dropResponseHopByHop(headers, marks, status === 101 && exchange.upgrade !== '');
    if (this.held && !this.#takeAcceptance(attempt, status, headers)) return;
    if (this.retry !== undefined && !this.isFinal(attempt, this.retry, head)) return;
    if (this.#chosen.action.redirects?.statuses.has(status) === true && this.#follow(attempt, head)) return;
    if (this.keepsForRedirect) {
      this.keepsForRedirect = false;
      this.dropBody();
    }
    attempt.respond();
    exchange.firstUpstreamByteMs = runtime.clock.nowMs();
    exchange.responseCodeDetails = 'via_upstream';
    if (!exchange.isHealthCheck) {
      this.#countStatus(status);
      if (isCanary(attempt.endpoint, headers, marks)) stats.countCanary(status);
      attempt.endpoint.zoneCount?.(status);
    }
    attempt.endpoint.countStatus(status);
    if (!runtime.settings.router.suppressEnvoyHeaders)
      tellServiceTime(exchange, headers, marks, attempt.startMs);
    exchange.responseCode = status;
    rewriteResponse(exchange, this.#chosen, headers, this.#hashed?.cookies);
    exchange.responseNames = head.rawNames;
    exchange.respondHead(status, headers, head.contentLength, head.endStream);
  }

  /** @returns whether another exchange goes on in the place of this one */
  #follow(attempt: Attempt, { status, headers, endStream }: IncomingResponse): boolean {
    const { exchange } = this;
    const { stats } = this.cluster;
    const { redirects } = this.#chosen.action;
    const { method } = exchange;
    const isComplete = this.requestDone && (this.keepsForRedirect || !this.hasBody);
    if (
      !isComplete ||
      headerOf(headers, 'location') === undefined ||
      !takeRedirect(exchange, exchange.route!, redirects!, status, headers)
    ) {
      stats.upstream_internal_redirect_failed_total.inc();
      return false;
    }
    stats.upstream_internal_redirect_succeeded_total.inc();
    const body = this.body ?? [];
    attempt.discard(endStream);
    this.remove(attempt);
    this.end();
    exchange.startAgain(status, headers, exchange.method === method ? body : []);
    return true;
  }

  /** Of the answer that the client gets. */
  #countStatus(status: number): void {
    this.cluster.stats.countStatus(status, this.exchange.isInternal);
    for (let i = 0; i < this.figures.length; i++) this.figures[i]!.countStatus(status);
  }

  /** What was held goes out if this accepts it. @returns whether the response is of use to the client */
  #takeAcceptance(attempt: Attempt, status: number, headers: HeaderList): boolean {
    const { exchange } = this;
    const stream = attempt.stream!;
    if (isAccepted(exchange, status)) {
      this.held = false;
      this.sendBody(attempt, stream, false);
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
    this.cluster.stats.countStatus(status, this.exchange.isInternal);
  }

  /** @param stream that of the attempt, which it has left */
  onResponseEnd(attempt: Attempt, stream: UpstreamStream | undefined): void {
    lastOfKind.forwarding = this;
    const { exchange } = this;
    // The end of a connection behind CONNECT is that of the tunnel.
    if (!this.requestDone && this.endsHere) stream?.reset();
    if (!attempt.responding) return;
    const { stats } = this.cluster;
    const tookMs = this.runtime.clock.nowMs() - attempt.startMs;
    stats.recordTime(tookMs, exchange.isInternal);
    for (let i = 0; i < this.figures.length; i++) this.figures[i]!.recordTime(tookMs);
    this.end();
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
    this.#afterFailure(attempt, failure, reason, '');
  }

  // --- what goes wrong

  #afterFailure(attempt: Attempt, failure: AttemptFailure, code: ErrorCode, reason: string): void {
    const verdict = attempt.retried ? 'no' : (this.retry?.onFailure(failure) ?? 'no');
    attempt.abandon();
    this.remove(attempt);
    if (verdict === 'again') {
      this.scheduleRetry(failure === 'per-try-timeout');
      return;
    }
    this.noteVerdict(verdict);
    const reply = this.#replyTo(code, reason);
    // This one Envoy does not count.
    if (code !== 'UPSTREAM_MAX_DURATION') this.#countReply(reply.status);
    if (!this.hasOthers(attempt)) this.#replyWith(reply);
  }

  /** By a filter, in the place of its endpoint. */
  onAnswered(attempt: Attempt, reply: LocalReply): void {
    const { isGrpc } = this.exchange;
    const status = isGrpc ? 200 : reply.status;
    const head = { status, headers: headersOfReply(reply, isGrpc), endStream: true };
    if (this.retry !== undefined && !this.isFinal(attempt, this.retry, head)) return;
    this.abandonAll();
    this.#countReply(status);
    this.#replyWith(reply);
  }

  #fail(code: ErrorCode, reason: string, status?: number): void {
    const reply = this.#replyTo(code, reason);
    this.#countReply(status ?? reply.status);
    this.#replyWith(status === undefined ? reply : { ...reply, status });
  }

  #replyTo(code: ErrorCode, reason: string): LocalReply {
    const reply = replyTo(code, reason, this.exchange.upstreamAttempts > 1);
    if (code === 'UPSTREAM_MAX_DURATION' && !this.requestDone) return { ...reply, status: 408 };
    const { status } = this.timeouts;
    return reply.status === noTimeouts.status && status !== reply.status
      ? { ...reply, status, body: '' }
      : reply;
  }

  /** Replies made here in place of the upstream's count as answers of the cluster. */
  #countReply(status: number): void {
    if (this.exchange.isHealthCheck) return;
    this.#countStatus(status);
    this.#asked?.zoneCount?.(status);
  }

  #replyWith(reply: LocalReply): void {
    this.end();
    this.exchange.reply(reply);
  }

  /** A response that has begun cannot be completed. */
  #breakOff(flag: string, details: string): void {
    const { exchange } = this;
    // Whether the call succeeded would have been known at its end.
    if (exchange.isGrpc && exchange.responseCode < 500)
      this.runtime.stats.rq_reset_after_downstream_response_started.inc();
    this.end();
    exchange.abort(flag, details);
  }

  // --- time-outs

  /** It was given up. */
  onTryTimeout(attempt: Attempt, code: ErrorCode): void {
    if (attempt.responding) this.#breakOff(errorKinds[code].flag, errorKinds[code].details);
    else this.#afterFailure(attempt, 'per-try-timeout', code, '');
  }

  /** It took longer than its cluster allows. */
  onDuration(attempt: Attempt): void {
    const code: ErrorCode = 'UPSTREAM_MAX_DURATION';
    if (!attempt.responding) {
      this.#afterFailure(attempt, 'reset', code, '');
      return;
    }
    attempt.abandon();
    this.#breakOff(errorKinds[code].flag, errorKinds[code].details);
  }

  onTimer(kind: number): void {
    if (kind === BACK_OFF) {
      this.waits = false;
      this.retry!.countRetry();
      this.count('upstream_rq_retry');
      tellRetry(this.exchange, this.#chosen.action, this.timeouts, this.afterTimeout, this.runtime);
      this.#tryOnce();
      return;
    }
    this.count('upstream_rq_timeout');
    const responding = this.attempt?.responding === true;
    const reply = this.#replyTo('UPSTREAM_TIMEOUT', '');
    for (let attempt = this.attempt; attempt !== undefined; attempt = this.attempt) {
      attempt.countTimeout();
      this.cluster.stats.upstream_rq_timeout.inc();
      if (!responding) this.#countReply(reply.status);
      attempt.abandon();
      this.remove(attempt);
    }
    if (responding) this.#breakOff('UT', 'response_timeout');
    else this.#replyWith(reply);
  }
}
