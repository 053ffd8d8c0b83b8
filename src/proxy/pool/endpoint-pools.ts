/** The pools of one endpoint: one, or one a version of HTTP where the cluster leaves the choice open. */
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { ClusterStats } from '../cluster/stats.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { ConnectionPool, PoolClient } from './contract.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool } from './http2-pool.ts';
import type { PoolDeps, PoolSettings } from './settings.ts';

/** Told by a pool what ALPN agreed on for a new connection, before the pool uses it. */
export interface AlpnJudge {
  /** Whether the connection went to the other pool. */
  takesOver(from: ConnectionPool, socket: Duplex, peer: TlsPeer): boolean;
}

export class EndpointPools {
  readonly #endpoint: Endpoint;
  readonly #settings: PoolSettings;
  readonly #breaker: CircuitBreaker;
  readonly #stats: ClusterStats;
  readonly #deps: PoolDeps;
  #http1: Http1Pool | undefined;
  #http2: Http2Pool | undefined;
  #auto: AutoPool | undefined;

  constructor(
    endpoint: Endpoint,
    settings: PoolSettings,
    breaker: CircuitBreaker,
    stats: ClusterStats,
    deps: PoolDeps,
  ) {
    this.#endpoint = endpoint;
    this.#settings = settings;
    this.#breaker = breaker;
    this.#stats = stats;
    this.#deps = deps;
  }

  /** @param downstreamMajor version of HTTP the request came by */
  of(downstreamMajor: 1 | 2): ConnectionPool {
    switch (this.#settings.protocol) {
      case 'http1':
        return this.http1();
      case 'http2':
        return this.http2();
      case 'downstream':
        return downstreamMajor === 2 ? this.http2() : this.http1();
      default:
        this.#auto ??= new AutoPool(this.http1(), this.http2());
        return this.#auto;
    }
  }

  http1(): Http1Pool {
    this.#http1 ??= new Http1Pool(this.#endpoint, this.#settings, this.#breaker, this.#stats, this.#deps);
    return this.#http1;
  }

  http2(): Http2Pool {
    this.#http2 ??= new Http2Pool(this.#endpoint, this.#settings, this.#breaker, this.#stats, this.#deps);
    return this.#http2;
  }

  drain(): void {
    this.#http1?.drain();
    this.#http2?.drain();
  }

  close(): void {
    this.#http1?.close();
    this.#http2?.close();
  }
}

/** Requests go to the version that ALPN agreed on last; the first connection finds out. */
class AutoPool implements ConnectionPool, AlpnJudge {
  readonly #http1: Http1Pool;
  readonly #http2: Http2Pool;
  #speaksHttp2 = true;

  constructor(http1: Http1Pool, http2: Http2Pool) {
    this.#http1 = http1;
    this.#http2 = http2;
    http1.judge = this;
    http2.judge = this;
  }

  request(client: PoolClient): void {
    if (this.#speaksHttp2) this.#http2.request(client);
    else this.#http1.request(client);
  }

  cancel(client: PoolClient): void {
    this.#http1.cancel(client);
    this.#http2.cancel(client);
  }

  takesOver(from: ConnectionPool, socket: Duplex, peer: TlsPeer): boolean {
    const isHttp2 = (socket as TLSSocket).alpnProtocol === 'h2';
    this.#speaksHttp2 = isHttp2;
    if (isHttp2 === (from === this.#http2)) return false;
    const waiting = isHttp2 ? this.#http1.takeWaiting() : this.#http2.takeWaiting();
    for (const client of waiting) this.request(client);
    if (isHttp2) this.#http2.adopt(socket, peer);
    else this.#http1.adopt(socket, peer);
    return true;
  }

  drain(): void {
    this.#http1.drain();
    this.#http2.drain();
  }

  close(): void {
    this.#http1.close();
    this.#http2.close();
  }
}
