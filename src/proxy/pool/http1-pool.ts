/**
 * The connections to one endpoint. A request gets an idle one at once, or waits for one that is
 * being made, within the limits of the cluster's circuit breaker.
 */
import type { Duplex } from 'node:stream';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { healthOf } from '../cluster/health.ts';
import type { ClusterStats } from '../cluster/stats.ts';
import type { TlsPeer } from '../tls/context.ts';
import { type ConnectFailure, type ConnectHandler, Connecting, offersBoth, offersHttp1 } from './connect.ts';
import type { ConnectionPool, PoolClient } from './contract.ts';
import type { AlpnJudge } from './endpoint-pools.ts';
import { Http1Connection } from './http1-connection.ts';
import { Lifetimes } from './lifetimes.ts';
import { MOST_AHEAD, needsMore, type Provision } from './preconnect.ts';
import type { PoolDeps, PoolSettings } from './settings.ts';
import { SocketReader } from './socket-reader.ts';

export class Http1Pool implements ConnectionPool, TimerOwner {
  readonly endpoint: Endpoint;
  readonly stats: ClusterStats;
  readonly #settings: PoolSettings;
  readonly #breaker: CircuitBreaker;
  readonly #deps: PoolDeps;
  /** Last in, first out: connections that are not needed fall idle and end. */
  readonly #idle: Http1Connection[] = [];
  readonly #idleSinceMs: number[] = [];
  readonly #busy = new Set<Http1Connection>();
  readonly #connecting = new Set<Connecting>();
  readonly #waiting: PoolClient[] = [];
  readonly #idleTimer: Timer;
  /** Undefined where connections last as long as they like. */
  readonly #lifetimes: Lifetimes<Http1Connection> | undefined;
  #draining = false;
  /** Where ALPN may choose another version. */
  judge: AlpnJudge | undefined;

  constructor(
    endpoint: Endpoint,
    settings: PoolSettings,
    breaker: CircuitBreaker,
    stats: ClusterStats,
    deps: PoolDeps,
  ) {
    this.endpoint = endpoint;
    this.stats = stats;
    this.#settings = settings;
    this.#breaker = breaker;
    this.#deps = deps;
    this.#idleTimer = new Timer(this, 0);
    const { maxConnectionDurationMs: lifeMs, durationJitter: jitter } = settings;
    this.#lifetimes =
      lifeMs === 0
        ? undefined
        : new Lifetimes({ lifeMs, jitter }, deps, (connection) => this.#onOver(connection));
  }

  get sendsTrailers(): boolean {
    return this.#settings.sendsTrailers;
  }

  get properCase(): boolean {
    return this.#settings.properCase;
  }

  onException(error: unknown): void {
    this.#deps.onException(error);
  }

  /** Calls back at once where an idle connection is there. */
  request(client: PoolClient): void {
    const connection = this.#idle.pop();
    if (connection !== undefined) {
      this.#idleSinceMs.pop();
      this.#attach(connection, client);
      if (this.#settings.preconnect.perUpstream > 1) this.#preconnect();
      return;
    }
    if (!this.#breaker.pending.take()) {
      this.stats.upstream_rq_pending_overflow.inc();
      client.onPoolFailure('OVERLOADED', '');
      return;
    }
    this.stats.upstream_rq_pending_total.inc();
    this.stats.upstream_rq_pending_active.add(1);
    this.endpoint.counts.rqPending++;
    this.#waiting.push(client);
    this.#connectIfNeeded();
  }

  /** The client no longer waits. */
  cancel(client: PoolClient): void {
    const at = this.#waiting.indexOf(client);
    if (at === -1) return;
    this.#waiting.splice(at, 1);
    this.#leaveQueue();
    this.stats.upstream_rq_cancelled.inc();
  }

  /** Idle connections end now, busy ones when they are done. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#idle.splice(0)) connection.close(true);
    this.#idleSinceMs.length = 0;
    this.#deps.wheel.disarm(this.#idleTimer);
  }

  /** Idle connections end now, busy ones when they are done; new ones take their place. */
  renew(): void {
    for (const connection of this.#idle.splice(0)) connection.close(true);
    this.#idleSinceMs.length = 0;
    this.#deps.wheel.disarm(this.#idleTimer);
    for (const connection of this.#busy) connection.last = true;
  }

  /** Everything ends now. */
  close(): void {
    this.drain();
    for (const connecting of this.#connecting) connecting.giveUp();
    for (const connection of this.#busy) connection.close(true);
  }

  countSent(bytes: number): void {
    this.stats.upstream_cx_tx_bytes_total.inc(bytes);
  }

  countReceived(bytes: number): void {
    this.stats.upstream_cx_rx_bytes_total.inc(bytes);
  }

  /** A connection may carry the next request. */
  onIdle(connection: Http1Connection): void {
    this.#busy.delete(connection);
    const { maxRequestsPerConnection } = this.#settings;
    if (maxRequestsPerConnection > 0 && connection.requests >= maxRequestsPerConnection) {
      this.stats.upstream_cx_max_requests.inc();
      connection.close(true);
      return;
    }
    if (connection.last || this.#lifetimes?.isOver(connection) === true) {
      connection.close(true);
      return;
    }
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#leaveQueue();
      this.#attach(connection, next);
    } else if (this.#draining || this.endpoint.removed) connection.close(true);
    else this.#rest(connection);
  }

  onClosed(connection: Http1Connection, local: boolean): void {
    const { stats, endpoint } = this;
    this.#lifetimes?.remove(connection);
    const idleAt = this.#idle.indexOf(connection);
    if (idleAt !== -1) {
      this.#idle.splice(idleAt, 1);
      this.#idleSinceMs.splice(idleAt, 1);
    }
    if (this.#busy.delete(connection)) {
      stats.upstream_cx_destroy_with_active_rq.inc();
      if (local) stats.upstream_cx_destroy_local_with_active_rq.inc();
      else stats.upstream_cx_destroy_remote_with_active_rq.inc();
    }
    stats.upstream_cx_destroy.inc();
    if (local) stats.upstream_cx_destroy_local.inc();
    else stats.upstream_cx_destroy_remote.inc();
    stats.upstream_cx_length_ms.record(this.#deps.clock.nowMs() - connection.openedMs);
    this.#released();
    endpoint.connectionEnds();
    if (this.#waiting.length > 0) this.#connectIfNeeded();
  }

  /** The clients that wait for a connection leave the queue. */
  takeWaiting(): PoolClient[] {
    for (let i = 0; i < this.#waiting.length; i++) this.#leaveQueue();
    return this.#waiting.splice(0);
  }

  /** Takes a connection that is made, and counted as one. */
  adopt(socket: Duplex, peer: TlsPeer, reader?: SocketReader): void {
    this.stats.upstream_cx_http1_total.inc();
    const nowMs = this.#deps.clock.nowMs();
    const connection = new Http1Connection(this, socket, peer, this.#settings.limits, nowMs, reader);
    this.#lifetimes?.add(connection);
    this.onIdle(connection);
  }

  /** It has lasted long enough: an idle one ends, a busy one with its request. */
  #onOver(connection: Http1Connection): void {
    this.stats.upstream_cx_max_duration_reached.inc();
    if (!this.#busy.has(connection)) connection.close(true);
  }

  onTimer(): void {
    const { idleTimeoutMs } = this.#settings;
    const nowMs = this.#deps.clock.nowMs();
    while (this.#idle.length > 0 && nowMs - this.#idleSinceMs[0]! >= idleTimeoutMs) {
      this.#idleSinceMs.shift();
      this.stats.upstream_cx_idle_timeout.inc();
      this.#idle.shift()!.close(true);
    }
    if (this.#idle.length > 0) {
      this.#deps.wheel.arm(this.#idleTimer, idleTimeoutMs - (nowMs - this.#idleSinceMs[0]!), nowMs);
    }
  }

  #rest(connection: Http1Connection): void {
    const nowMs = this.#deps.clock.nowMs();
    this.#idle.push(connection);
    this.#idleSinceMs.push(nowMs);
    const { idleTimeoutMs } = this.#settings;
    if (idleTimeoutMs > 0 && !this.#idleTimer.armed)
      this.#deps.wheel.arm(this.#idleTimer, idleTimeoutMs, nowMs);
  }

  #attach(connection: Http1Connection, client: PoolClient): void {
    if (!this.#breaker.requests.take()) {
      this.stats.upstream_rq_active_overflow.inc();
      this.#rest(connection);
      client.onPoolFailure('OVERLOADED', '');
      return;
    }
    this.#busy.add(connection);
    client.onPoolReady(connection);
  }

  #connectIfNeeded(): void {
    while (this.#connecting.size < this.#waiting.length) if (!this.#begin()) return;
    if (this.#settings.preconnect.perUpstream > 1) this.#preconnect();
  }

  /** Connections for requests that may follow. */
  #preconnect(): void {
    const { perUpstream } = this.#settings.preconnect;
    for (let i = 0; i < MOST_AHEAD && this.#isReady && needsMore(this.provision(), perUpstream); i++) {
      if (!this.#begin()) return;
    }
  }

  get #isReady(): boolean {
    return !this.#draining && !this.endpoint.removed && healthOf(this.endpoint.flags) === 'healthy';
  }

  provision(): Provision {
    const { size: active } = this.#busy;
    return {
      pending: this.#waiting.length,
      active,
      capacity: this.#idle.length + this.#connecting.size,
    };
  }

  /** @returns whether it was begun. */
  prepare(ratio: number): boolean {
    return this.#isReady && needsMore(this.provision(), ratio, 1) && this.#begin();
  }

  /** @returns whether there may be more of them. */
  #begin(): boolean {
    const { stats, endpoint } = this;
    const allowed = this.#breaker.takeConnection(endpoint);
    if (!allowed) {
      stats.upstream_cx_overflow.inc();
      // A pool without any connection gets one in any case, or its requests would wait for ever.
      if (this.#busy.size + this.#idle.length + this.#connecting.size > 0) return false;
      this.#breaker.connections.force();
    }
    endpoint.connectionBegins();
    stats.upstream_cx_total.inc();
    stats.upstream_cx_active.add(1);
    this.#connect();
    return allowed;
  }

  #connect(): void {
    const startMs = this.#deps.clock.nowMs();
    const handler: ConnectHandler = {
      onNextAddress: () => this.stats.upstream_cx_total.inc(),
      onConnected: (socket, peer) => {
        this.#connecting.delete(connecting);
        this.#onConnected(socket, peer, startMs, reader);
      },
      onConnectFailed: (failure, reason) => {
        this.#connecting.delete(connecting);
        this.#onConnectFailed(failure, reason);
      },
    };
    const reader = this.endpoint.transport.secure ? undefined : new SocketReader();
    const offer = this.judge === undefined ? offersHttp1 : offersBoth;
    const connecting = new Connecting(this.endpoint, this.#settings, handler, this.#deps, reader, offer);
    this.#connecting.add(connecting);
  }

  #onConnected(socket: Duplex, peer: TlsPeer, startMs: number, reader: SocketReader | undefined): void {
    const nowMs = this.#deps.clock.nowMs();
    this.stats.upstream_cx_connect_ms.record(nowMs - startMs);
    if (this.judge?.takesOver(this, socket, peer) !== true) this.adopt(socket, peer, reader);
  }

  #onConnectFailed(failure: ConnectFailure, reason: string): void {
    const { stats, endpoint } = this;
    stats.upstream_cx_connect_fail.inc();
    stats.upstream_cx_destroy.inc();
    if (failure === 'CONNECT_TIMEOUT') stats.upstream_cx_connect_timeout.inc();
    if (failure === 'CONNECT_FAILED') stats.upstream_cx_destroy_remote.inc();
    else stats.upstream_cx_destroy_local.inc();
    endpoint.counts.cxConnectFail++;
    endpoint.connectionEnds();
    this.#released();
    // As Envoy has it, all that wait fail: what was begun for others may do no better.
    for (const client of this.takeWaiting()) {
      stats.upstream_rq_pending_failure_eject.inc();
      client.onPoolFailure(failure, reason);
    }
  }

  #leaveQueue(): void {
    this.#breaker.pending.release();
    this.stats.upstream_rq_pending_active.add(-1);
    this.endpoint.counts.rqPending--;
  }

  #released(): void {
    this.#breaker.connections.release();
    this.stats.upstream_cx_active.add(-1);
  }
}
