/**
 * One request and its response: from the decoded head through filters and route to the upstream,
 * and back. It is the access record as well, filled on the way.
 */
import { type ErrorCode, errorKinds } from '#core/error.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import { type HeaderList, headerOf } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import { isDrawn, isShed } from '../overload/draw.ts';
import { replyTo } from '../reply.ts';
import type { DownstreamStream, RequestHead } from './downstream-stream.ts';
import { dropOverload } from './drop-overload.ts';
import { Forwarding } from './forwarding.ts';
import { dropHopByHop, takeExpectation } from './hop-by-hop.ts';
import { RequestFilters } from './request-filters.ts';
import { isGrpcType, mutateRequestHead, normalizeAuthority } from './request-head.ts';
import type { HcmRuntime } from './runtime.ts';
import { readTarget } from './target.ts';

export class HttpExchange extends RequestFilters {
  constructor(stream: DownstreamStream, runtime: HcmRuntime) {
    super(stream, runtime);
    const { major } = stream;
    this.protocol = major === 2 ? 'HTTP/2' : 'HTTP/1.1';
    const { stats } = runtime;
    stats.downstream_rq_total.inc();
    if (major === 2) stats.downstream_rq_http2_total.inc();
    else stats.downstream_rq_http1_total.inc();
    stats.downstream_rq_active.add(1);
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
    if (isOverloaded(runtime)) {
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
    this.findFirstRoute();
    if (!this.mayUpgrade()) {
      this.stream.drain();
      this.refuse(replyTo('UPGRADE_REFUSED'));
      return;
    }
    this.runFilters();
  }

  /**
   * A redirect of the upstream is followed: this exchange ends, and another one goes on in its place.
   * @param headers of the redirect @param body of the request
   */
  startAgain(status: number, headers: HeaderList, body: readonly Buffer[]): void {
    this.responseCode = status;
    this.responseHeaders = headers;
    this.responseCodeDetails = 'internal_redirect';
    this.forwarding = undefined;
    this.responseDone = true;
    this.#record();
    const next = this.stream.renew();
    next.startTimers();
    next.#goOnFrom(this, body);
    next.flushUpstream();
  }

  /** The request as it is after the changes of the route that was left. */
  #goOnFrom(before: HttpExchange, body: readonly Buffer[]): void {
    const { method, path, authority, scheme, requestHeaders, connectionHeader } = before;
    const { marks, minor, requestNames } = before;
    this.take({
      ...{ method, scheme, marks, minor },
      ...{ target: path, host: authority, headers: requestHeaders, connection: connectionHeader },
      ...{ hasBody: body.length > 0, upgrade: '', rawNames: requestNames },
    });
    this.protocol = before.protocol;
    this.isGrpc = before.isGrpc;
    this.redirects = before.redirects;
    this.bytesReceived = before.bytesReceived;
    this.downstreamRemoteAddress = before.downstreamRemoteAddress;
    const refusal = readTarget(this, marks, minor, this.stream.major, this.runtime);
    if (refusal !== undefined) {
      this.refuse(refusal);
      return;
    }
    this.findFirstRoute();
    this.runFilters();
    for (const data of body) this.onRequestData(data);
    if (!this.ended) this.onRequestEnd();
  }

  /** A head before the answer. */
  interim(status: number, headers: HeaderList): void {
    const { stats } = this.runtime;
    stats.downstream_rq_completed.inc();
    stats.countStatus(status);
    this.stream.interim(status, headers);
  }

  /** What the router does, once every filter has let the request through (Envoy, "Router"). */
  protected act(): void {
    const { route, runtime } = this;
    const { stats } = runtime;
    stats.rq_total.inc();
    if (this.redirectsToTls) {
      this.#redirect(301, `https://${this.authority}${this.path}`);
      return;
    }
    if (route === undefined) {
      stats.no_route.inc();
      this.refuse(replyTo('NO_ROUTE'));
      return;
    }
    if (this.unchosen !== undefined) {
      if (this.unchosen.flag === 'NC') stats.no_cluster.inc();
      this.reply(this.unchosen);
      return;
    }
    const { action } = route;
    switch (action.kind) {
      case 'forward': {
        const { cluster } = this.chosen!;
        if (cluster.dropRatio > 0 && this.#isDropped(cluster)) return;
        const forwarding = new Forwarding(this, this.chosen!, runtime, this.hasBody);
        this.forwarding = forwarding;
        forwarding.start(this.marks);
        return;
      }
      case 'redirect':
        this.#redirect(action.status, action.location(this, this.scheme === 'https'));
        return;
      case 'direct':
        this.#replyFromRoute(
          action.status,
          action.bodyOf(this),
          action.tellsLocation ? ['location', `${this.scheme}://${this.authority}${this.path}`] : [],
          action.contentType,
        );
        return;
      default:
        this.reply({ status: 500, body: '', flag: '', details: 'non_forwarding_action' });
    }
  }

  #isDropped(cluster: ClusterRuntime): boolean {
    const { random, settings } = this.runtime;
    const reply = dropOverload(cluster, random, settings.router.suppressEnvoyHeaders);
    if (reply !== undefined) this.reply(reply);
    return reply !== undefined;
  }

  #redirect(status: number, location: string): void {
    this.#replyFromRoute(status, '', ['location', location]);
  }

  #replyFromRoute(status: number, body: string, headers: HeaderList, contentType?: string): void {
    this.runtime.stats.rq_direct_response.inc();
    const type = contentType === undefined ? undefined : { contentType };
    this.reply({ status, body, flag: '', details: 'direct_response', headers, ...type });
  }

  onRequestEnd(): void {
    if (!this.requestDone) {
      this.requestDone = true;
      this.requestEndMs = this.runtime.clock.nowMs();
    }
    this.disarmRequest();
    if (this.responseDone) this.onDownstreamSent();
    else this.endRequest();
  }

  onDownstreamSent(): void {
    if (this.stream.unsent) return;
    if (this.requestDone || this.closeAfter || this.opaque) this.#finish();
  }

  flushUpstream(): void {
    this.forwarding?.flush();
  }

  /**
   * The client is gone, or has given the request up: nothing can be answered.
   * @param flag why, for the access log
   */
  onDownstreamGone(flag = 'DC', details = 'downstream_remote_disconnect'): void {
    if (this.ended) return;
    this.addFlag(flag);
    this.responseCodeDetails = details;
    this.runtime.stats.downstream_rq_rx_reset.inc();
    this.forwarding?.cancel();
    this.forwarding = undefined;
    this.#record();
  }

  // --- the response goes out

  abort(flag: string, details: string): void {
    if (this.ended) return;
    if (flag !== '') this.addFlag(flag);
    this.responseCodeDetails = details;
    this.forwarding?.cancel();
    this.forwarding = undefined;
    this.runtime.stats.downstream_rq_tx_reset.inc();
    this.runtime.stats.downstream_rq_rx_reset.inc();
    this.#record();
    this.stream.abort();
  }

  /** A mistake of ours: this request ends, and nothing else. */
  fail(): void {
    if (this.ended) return;
    if (this.responseStarted) this.abort('', 'internal_error');
    else this.refuse(replyTo('INTERNAL_ERROR'));
  }

  #finish(): void {
    if (this.ended) return;
    if (!this.requestDone) this.runtime.stats.downstream_rq_rx_reset.inc();
    this.#record();
    this.stream.finished(this.closeAfter);
  }

  #record(): void {
    const { runtime } = this;
    this.ended = true;
    this.stopRequest();
    this.disarmAll();
    this.endMs = runtime.clock.nowMs();
    const { stats } = runtime;
    const { hooks } = this;
    stats.downstream_rq_active.add(-1);
    if (this.isHealthCheck) stats['tracing.health_check'].inc();
    if (this.upgrading) stats.downstream_cx_upgrades_active.add(-1);
    stats.downstream_rq_time.record(this.endMs - this.startMs);
    for (let i = 0; i < hooks.end.length; i++) hooks.end[i]!.onEnd!(this);
    runtime.writeLog(this);
    lastOfKind.exchange = this;
  }

  protected override onTimeout(code: ErrorCode): void {
    this.forwarding?.cancel();
    this.forwarding = undefined;
    if (this.opaque) {
      this.abort(errorKinds[code].flag, errorKinds[code].details);
      return;
    }
    const reply = replyTo(code);
    // Whoever waits for a response did not time out: the upstream did.
    this.reply(code !== 'REQUEST_TIMEOUT' && this.requestDone ? { ...reply, status: 504 } : reply);
  }
}

function isOverloaded({ overload, random }: HcmRuntime): boolean {
  const { shedsRequests, stopsRequests } = overload;
  if (stopsRequests === 0 && shedsRequests === 0) return false;
  return isShed(overload, 'shedsRequests', random) || isDrawn(stopsRequests, random);
}
