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
import type { OriginalSource } from './original-source.ts';
import type { Provision } from './preconnect.ts';
import type { ProxiedConnection } from './proxy-protocol.ts';
import type { PoolDeps, PoolSettings } from './settings.ts';

/** Told by a pool what ALPN agreed on for a new connection, before the pool uses it. */
export interface AlpnJudge {
  /** Whether the connection went to the other pool. */
  takesOver(from: ConnectionPool, socket: Duplex, peer: TlsPeer): boolean;
}

/** A downstream connection that endpoints are told of. */
export interface PooledDownstream extends ProxiedConnection {
  /** Where connections for it leave from; undefined: as the cluster says. */
  readonly originalSource: OriginalSource | undefined;
  /** Runs `run` when the connection is closed. */
  onceClosed(run: () => void): void;
}

/** Names of servers that one endpoint has connections for. */
const MAX_NAMES = 128;
/** Clients that one endpoint has connections for, where these leave from the addresses of clients. */
const MAX_SOURCES = 1024;

export class EndpointPools {
  readonly #endpoint: Endpoint;
  readonly #settings: PoolSettings;
  readonly #breaker: CircuitBreaker;
  readonly #stats: ClusterStats;
  readonly #deps: PoolDeps;
  #http1: Http1Pool | undefined;
  #http2: Http2Pool | undefined;
  #auto: AutoPool | undefined;
  /** By downstream connection, while that is open. */
  #own: Map<PooledDownstream, EndpointPools> | undefined;
  /** By the name of the server that requests are for. */
  #named: RecentPools | undefined;
  /** By the client's address that connections leave from. */
  #sourced: RecentPools | undefined;

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

  /**
   * @param downstreamMajor version of HTTP the request came by
   * @param downstream the connection it came by: an endpoint that is told of it gets connections for it alone
   * @param serverName the server it is for, where connections are made by that; '' else
   */
  of(downstreamMajor: 1 | 2, downstream?: PooledDownstream, serverName = ''): ConnectionPool {
    if (serverName !== '' && this.#endpoint.transport.secure) {
      return this.#namedOf(serverName).of(downstreamMajor, downstream);
    }
    const isOwn = this.#settings.perDownstream || this.#endpoint.transport.proxyHeader !== undefined;
    if (downstream !== undefined && isOwn) {
      return this.#ownOf(downstream).of(downstreamMajor);
    }
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

  /** Those whose connections leave from a client's address. */
  from(source: OriginalSource): EndpointPools {
    this.#sourced ??= new RecentPools(MAX_SOURCES);
    return this.#sourced.get(source.key, () => {
      const settings = source.for(this.#settings, this.#stats);
      return new EndpointPools(this.#endpoint, settings, this.#breaker, this.#stats, this.#deps);
    });
  }

  http1(): Http1Pool {
    this.#http1 ??= new Http1Pool(this.#endpoint, this.#settings, this.#breaker, this.#stats, this.#deps);
    return this.#http1;
  }

  http2(): Http2Pool {
    this.#http2 ??= new Http2Pool(this.#endpoint, this.#settings, this.#breaker, this.#stats, this.#deps);
    return this.#http2;
  }

  #ownOf(downstream: PooledDownstream): EndpointPools {
    this.#own ??= new Map();
    let own = this.#own.get(downstream);
    if (own !== undefined) return own;
    const deps = { ...this.#deps, downstream };
    own = new EndpointPools(this.#endpoint, this.#settings, this.#breaker, this.#stats, deps);
    this.#own.set(downstream, own);
    downstream.onceClosed(() => {
      this.#own?.delete(downstream);
      own.drain();
    });
    return own;
  }

  #namedOf(serverName: string): EndpointPools {
    this.#named ??= new RecentPools(MAX_NAMES);
    return this.#named.get(serverName, () => {
      const { sends, verifies } = this.#settings.autoName!;
      const server = {
        ...(sends ? { serverName } : {}),
        ...(verifies ? { names: [serverName] } : {}),
      };
      const deps = { ...this.#deps, server };
      return new EndpointPools(this.#endpoint, this.#settings, this.#breaker, this.#stats, deps);
    });
  }

  /** Adds what connections there are for. */
  addProvision(to: { -readonly [Key in keyof Provision]: Provision[Key] }): void {
    for (const pool of [this.#http1, this.#http2]) {
      if (pool === undefined) continue;
      const { pending, active, capacity } = pool.provision();
      to.pending += pending;
      to.active += active;
      to.capacity += capacity;
    }
    for (const other of this.#others()) other.addProvision(to);
  }

  *#others(): Iterable<EndpointPools> {
    yield* this.#own?.values() ?? [];
    yield* this.#named?.values() ?? [];
    yield* this.#sourced?.values() ?? [];
  }

  drain(): void {
    this.#http1?.drain();
    this.#http2?.drain();
    for (const other of this.#others()) other.drain();
  }

  /** Connections that carry nothing end now, others with what they carry; new ones may follow. */
  renew(): void {
    this.#http1?.renew();
    this.#http2?.renew();
    for (const other of this.#others()) other.renew();
  }

  close(): void {
    this.#http1?.close();
    this.#http2?.close();
    for (const other of this.#others()) other.close();
  }
}

/** Pools by what clients choose: those not used for longest make room. */
class RecentPools {
  /** The one used longest ago first. */
  readonly #pools = new Map<string, EndpointPools>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string, make: () => EndpointPools): EndpointPools {
    const known = this.#pools;
    let pools = known.get(key);
    if (pools === undefined) {
      pools = make();
      for (const [oldest, others] of known) {
        if (known.size < this.#max) break;
        known.delete(oldest);
        others.drain();
      }
    } else if (known.size > 1) known.delete(key);
    known.set(key, pools);
    return pools;
  }

  values(): Iterable<EndpointPools> {
    return this.#pools.values();
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

  prepare(ratio: number): boolean {
    return (this.#speaksHttp2 ? this.#http2 : this.#http1).prepare(ratio);
  }

  takesOver(from: ConnectionPool, socket: Duplex, peer: TlsPeer): boolean {
    const isHttp2 = (socket as TLSSocket).alpnProtocol === 'h2';
    this.#speaksHttp2 = isHttp2;
    if (isHttp2 === (from === this.#http2)) return false;
    const waiting = isHttp2 ? this.#http1.takeWaiting() : this.#http2.takeWaiting();
    if (isHttp2) this.#http2.adopt(socket, peer);
    else this.#http1.adopt(socket, peer);
    // Those that waited find it idle, and open none besides.
    for (const client of waiting) this.request(client);
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
