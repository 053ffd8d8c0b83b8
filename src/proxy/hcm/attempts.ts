/** The attempts of one request: which are under way, and whether another follows (Envoy, "Retries", "Request hedging"). */
import type { Clock } from '#core/clock.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { ClusterStats } from '../cluster/stats.ts';
import type { IncomingResponse, UpstreamStream } from '../pool/contract.ts';
import type { RequestPriority } from '../route/action.ts';
import type { RetryRules } from '../route/retry-policy.ts';
import type { RouteCounter, RouteStats } from '../route/route-stats.ts';
import type { Attempt } from './attempt.ts';
import type { Chosen } from './destination.ts';
import type { HttpExchange } from './exchange.ts';
import { createRetryState, type RetryLimits, type RetryState, type RetryVerdict } from './retry.ts';
import { dropRetryHeaders, noTimeouts, type Timeouts } from './rewrite.ts';
import { figuresOf, noFigures } from './route-figures.ts';
import type { HcmRuntime } from './runtime.ts';

/** A retry begins. */
export const BACK_OFF = 1;

export abstract class Attempts implements TimerOwner, RetryLimits {
  readonly exchange: HttpExchange;
  readonly cluster: ClusterRuntime;
  /** Of the route's priority. */
  readonly breaker: CircuitBreaker;
  readonly priority: RequestPriority;
  readonly runtime: HcmRuntime;
  timeouts: Timeouts = noTimeouts;
  /** Undefined once nothing is made again. */
  protected retry: RetryState | undefined;
  /** The newest, if it is under way; once there is a response for the client, the one it comes by. */
  protected attempt: Attempt | undefined;
  /** Whether the retry that is to come follows an attempt that took too long. */
  protected afterTimeout = false;
  /** Whether a retry waits for its time. */
  protected waits = false;
  /** Of the virtual cluster and of the route, where they are counted. */
  protected readonly figures: readonly RouteStats[];
  /** Older ones that are under way. */
  #older: Attempt[] | undefined;
  #backOffTimer: Timer | undefined;

  constructor(exchange: HttpExchange, { action, cluster }: Chosen, runtime: HcmRuntime) {
    this.exchange = exchange;
    this.cluster = cluster;
    this.priority = action.priority;
    this.breaker = cluster.breakerOf(this.priority);
    this.runtime = runtime;
    this.figures = figuresOf(exchange);
  }

  get stats(): ClusterStats {
    return this.cluster.stats;
  }

  get clock(): Clock {
    return this.runtime.clock;
  }

  abstract onTimer(kind: number): void;

  /** The body need not be sent again. */
  protected abstract dropBody(): void;

  /** @param isAsked whether the request asks for retries; what the route adds counts too */
  protected createRetry(rules: RetryRules | undefined, isAsked: boolean): void {
    if (rules === undefined && !isAsked) return;
    const { exchange } = this;
    this.retry = createRetryState(rules, exchange, isAsked, this);
    if (isAsked) dropRetryHeaders(exchange.requestHeaders);
  }

  /** @returns whether the client gets this response; else it is given up, and another comes. */
  protected isFinal(
    attempt: Attempt,
    retry: RetryState,
    { status, headers, endStream }: Pick<IncomingResponse, 'status' | 'headers' | 'endStream'>,
  ): boolean {
    let isPoor: boolean;
    if (attempt.retried) isPoor = retry.wants(status, headers);
    else {
      const verdict = retry.onResponse(status, headers);
      if (verdict === 'again') {
        this.cluster.stats.countRetried(status);
        this.#discard(attempt, endStream);
        this.scheduleRetry(false);
        return false;
      }
      this.noteVerdict(verdict);
      isPoor = verdict !== 'no';
    }
    if (isPoor && this.hasOthers(attempt)) {
      this.#discard(attempt, endStream);
      return false;
    }
    this.#settleOn(attempt);
    return true;
  }

  /** Its response is of no use, and counts as an error of its endpoint. */
  #discard(attempt: Attempt, endStream: boolean): void {
    if (attempt.stream !== undefined) attempt.endpoint.counts.rqError++;
    attempt.discard(endStream);
    this.remove(attempt);
  }

  /** It is the client's: nothing else is under way any more. */
  #settleOn(attempt: Attempt): void {
    const { exchange } = this;
    this.stopRetries();
    this.dropBody();
    this.remove(attempt);
    if (this.attempt !== undefined) this.abandonAll();
    this.attempt = attempt;
    // Another one may have begun last.
    exchange.endpoint = attempt.endpoint;
    exchange.upstreamHost = attempt.endpoint.address;
    if (attempt.stream !== undefined) this.noteConnection(attempt.stream);
  }

  protected stopRetries(): void {
    this.waits = false;
    if (this.#backOffTimer !== undefined) this.runtime.wheel.disarm(this.#backOffTimer);
    this.retry?.release();
    this.retry = undefined;
  }

  /** It is under way from now on, beside others. */
  protected add(attempt: Attempt): void {
    if (this.attempt !== undefined) {
      this.#older ??= [];
      this.#older.push(this.attempt);
    }
    this.attempt = attempt;
  }

  /** It is not under way any more. */
  protected remove(attempt: Attempt): void {
    if (this.attempt === attempt) this.attempt = this.#older?.pop();
    else if (this.#older !== undefined) this.#older = this.#older.filter((other) => other !== attempt);
  }

  /** Whether something may still come without this one. */
  protected hasOthers(attempt: Attempt): boolean {
    if (this.waits || (this.#older !== undefined && this.#older.length > 0)) return true;
    return this.attempt !== undefined && this.attempt !== attempt;
  }

  protected abandonAll(): void {
    const older = this.#older;
    this.#older = undefined;
    this.attempt?.abandon();
    this.attempt = undefined;
    if (older !== undefined) for (const attempt of older) attempt.abandon();
  }

  protected noteConnection({ major, peer, localAddress, remoteAddress }: UpstreamStream): void {
    this.exchange.upstreamProtocol = major === 2 ? 'HTTP/2' : 'HTTP/1.1';
    this.exchange.noteConnection(peer, localAddress, remoteAddress);
  }

  protected noteVerdict(verdict: RetryVerdict): void {
    if (this.figures !== noFigures) this.#countVerdict(verdict);
    if (verdict === 'limit-exceeded') this.exchange.addFlag('URX');
    else if (verdict === 'overflow') this.exchange.addFlag('UO');
  }

  #countVerdict(verdict: RetryVerdict): void {
    // The attempt before was a retry, whose outcome stays.
    if (verdict === 'no' && this.exchange.upstreamAttempts > 1) this.count('upstream_rq_retry_success');
    else if (verdict === 'limit-exceeded') this.count('upstream_rq_retry_limit_exceeded');
    else if (verdict === 'overflow') this.count('upstream_rq_retry_overflow');
  }

  protected count(name: RouteCounter): void {
    for (let i = 0; i < this.figures.length; i++) this.figures[i]!.count(name);
  }

  /** @param afterTimeout whether the attempt before took too long */
  protected scheduleRetry(afterTimeout: boolean): void {
    this.waits = true;
    this.afterTimeout = afterTimeout;
    this.#backOffTimer ??= new Timer(this, BACK_OFF);
    this.runtime.wheel.arm(this.#backOffTimer, this.retry!.nextDelayMs(this.runtime.random));
  }

  /** It goes on, and another begins if there is one left. */
  onSlowTry(attempt: Attempt): void {
    if (this.retry === undefined || attempt.retried) return;
    const verdict = this.retry.onSlowTry();
    this.noteVerdict(verdict);
    if (verdict !== 'again') return;
    attempt.retried = true;
    this.scheduleRetry(true);
  }
}
