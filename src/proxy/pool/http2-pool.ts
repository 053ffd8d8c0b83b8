/**
 * The HTTP/2 connections to one endpoint: one, and another where the streams of those there are run
 * out. Requests wait, within the cluster's limits, while there is none.
 */
import type { Duplex } from 'node:stream';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { healthOf } from '../cluster/health.ts';
import type { ClusterStats } from '../cluster/stats.ts';
import type { Http2Stats } from '../http2/stats.ts';
import type { TlsPeer } from '../tls/context.ts';
import { type ConnectFailure, type ConnectHandler, Connecting, offersBoth, offersHttp2 } from './connect.ts';
import type { ConnectionPool, PoolClient } from './contract.ts';
import type { AlpnJudge } from './endpoint-pools.ts';
import { Http2Connection } from './http2-connection.ts';
import { MOST_AHEAD, needsMore, type Provision } from './preconnect.ts';
import type { PoolDeps, PoolSettings } from './settings.ts';

export class Http2Pool implements ConnectionPool {
  readonly endpoint: Endpoint;
  readonly stats: ClusterStats;
  readonly http2Stats: Http2Stats;
  readonly settings: PoolSettings;
  readonly deps: PoolDeps;
  readonly #breaker: CircuitBreaker;
  /** With or without room; those that take nothing new are in `#draining`. */
  readonly #open: Http2Connection[] = [];
  readonly #leaving = new Set<Http2Connection>();
  readonly #waiting: PoolClient[] = [];
  readonly #connecting = new Set<Connecting>();
  /** Requests that a new connection may carry at once. */
  readonly #room: number;
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
    this.settings = settings;
    this.#breaker = breaker;
    this.stats = stats;
    this.http2Stats = stats.http2();
    const { http2, maxRequestsPerConnection } = settings;
    this.#room = Math.min(http2.maxConcurrentStreams, maxRequestsPerConnection || http2.maxConcurrentStreams);
    this.deps = deps;
  }

  request(client: PoolClient): void {
    const connection = this.#withRoom();
    if (connection !== undefined) {
      this.#attach(connection, client);
      if (this.settings.preconnect.perUpstream > 1) this.#preconnect();
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

  cancel(client: PoolClient): void {
    const at = this.#waiting.indexOf(client);
    if (at === -1) return;
    this.#waiting.splice(at, 1);
    this.#leaveQueue();
    this.stats.upstream_rq_cancelled.inc();
  }

  drain(): void {
    this.#draining = true;
    this.renew();
  }

  /** Connections end with what they carry; new ones take their place. */
  renew(): void {
    for (const connection of this.#open.splice(0)) {
      this.#leaving.add(connection);
      connection.drain();
    }
  }

  close(): void {
    for (const connecting of this.#connecting) connecting.giveUp();
    for (const connection of [...this.#open, ...this.#leaving]) connection.destroy();
  }

  countSent(bytes: number): void {
    this.stats.upstream_cx_tx_bytes_total.inc(bytes);
  }

  countReceived(bytes: number): void {
    this.stats.upstream_cx_rx_bytes_total.inc(bytes);
  }

  // --- what connections say

  /** A stream has ended, or the endpoint allows more of them. */
  onRoom(connection: Http2Connection): void {
    while (this.#waiting.length > 0 && connection.hasRoom) {
      this.#leaveQueue();
      this.#attach(connection, this.#waiting.shift()!);
    }
  }

  /** It takes no new requests. */
  onDraining(connection: Http2Connection): void {
    const at = this.#open.indexOf(connection);
    if (at === -1) return;
    this.#open.splice(at, 1);
    this.#leaving.add(connection);
    this.stats.upstream_cx_close_notify.inc();
  }

  onClosed(connection: Http2Connection, local: boolean): void {
    const at = this.#open.indexOf(connection);
    if (at !== -1) this.#open.splice(at, 1);
    this.#leaving.delete(connection);
    const { stats, endpoint } = this;
    stats.upstream_cx_destroy.inc();
    if (local) stats.upstream_cx_destroy_local.inc();
    else stats.upstream_cx_destroy_remote.inc();
    stats.upstream_cx_length_ms.record(this.deps.clock.nowMs() - connection.openedMs);
    this.#released();
    endpoint.connectionEnds();
    if (this.#waiting.length > 0) this.#connectIfNeeded();
  }

  // --- connecting

  #withRoom(): Http2Connection | undefined {
    const open = this.#open;
    for (let i = 0; i < open.length; i++) if (open[i]!.hasRoom) return open[i];
    return undefined;
  }

  #attach(connection: Http2Connection, client: PoolClient): void {
    if (!this.#breaker.requests.take()) {
      this.stats.upstream_rq_active_overflow.inc();
      client.onPoolFailure('OVERLOADED', '');
      return;
    }
    const stream = connection.request();
    const { maxRequestsPerConnection } = this.settings;
    if (maxRequestsPerConnection > 0 && connection.requests >= maxRequestsPerConnection) {
      this.stats.upstream_cx_max_requests.inc();
      const at = this.#open.indexOf(connection);
      if (at !== -1) this.#open.splice(at, 1);
      this.#leaving.add(connection);
      client.onPoolReady(stream);
      connection.drain();
      return;
    }
    client.onPoolReady(stream);
  }

  #connectIfNeeded(): void {
    while (this.#waiting.length > this.#connecting.size * this.#room) if (!this.#begin()) return;
    if (this.settings.preconnect.perUpstream > 1) this.#preconnect();
  }

  /** Connections for requests that may follow. */
  #preconnect(): void {
    const { perUpstream } = this.settings.preconnect;
    for (let i = 0; i < MOST_AHEAD && this.#isReady && needsMore(this.provision(), perUpstream); i++) {
      if (!this.#begin()) return;
    }
  }

  get #isReady(): boolean {
    return !this.#draining && !this.endpoint.removed && healthOf(this.endpoint.flags) === 'healthy';
  }

  provision(): Provision {
    let active = 0;
    let capacity = this.#connecting.size * this.#room;
    for (const { streamsActive } of this.#open) {
      active += streamsActive;
      capacity += Math.max(0, this.#room - streamsActive);
    }
    for (const { streamsActive } of this.#leaving) active += streamsActive;
    return { pending: this.#waiting.length, active, capacity };
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
      if (this.#open.length + this.#leaving.size + this.#connecting.size > 0) return false;
      this.#breaker.connections.force();
    }
    endpoint.connectionBegins();
    stats.upstream_cx_total.inc();
    stats.upstream_cx_active.add(1);
    const startMs = this.deps.clock.nowMs();
    const handler: ConnectHandler = {
      onNextAddress: () => stats.upstream_cx_total.inc(),
      onConnected: (socket, peer) => {
        this.#connecting.delete(connecting);
        this.#onConnected(socket, peer, startMs);
      },
      onConnectFailed: (failure, reason) => {
        this.#connecting.delete(connecting);
        this.#onConnectFailed(failure, reason);
      },
    };
    const offer = this.judge === undefined ? offersHttp2 : offersBoth;
    const connecting = new Connecting(endpoint, this.settings, handler, this.deps, undefined, offer);
    this.#connecting.add(connecting);
    return allowed;
  }

  #onConnected(socket: Duplex, peer: TlsPeer, startMs: number): void {
    const nowMs = this.deps.clock.nowMs();
    this.stats.upstream_cx_connect_ms.record(nowMs - startMs);
    if (this.judge?.takesOver(this, socket, peer) !== true) this.adopt(socket, peer);
    this.#connectIfNeeded();
  }

  /** The clients that wait for a connection leave the queue. */
  takeWaiting(): PoolClient[] {
    for (let i = 0; i < this.#waiting.length; i++) this.#leaveQueue();
    return this.#waiting.splice(0);
  }

  /** Takes a connection that is made, and counted as one. */
  adopt(socket: Duplex, peer: TlsPeer): void {
    this.stats.upstream_cx_http2_total.inc();
    const connection = new Http2Connection(this, socket, peer, this.deps.clock.nowMs());
    if (this.#draining || this.endpoint.removed) this.#leaving.add(connection);
    else this.#open.push(connection);
    this.onRoom(connection);
    if (this.#leaving.has(connection)) connection.drain();
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
