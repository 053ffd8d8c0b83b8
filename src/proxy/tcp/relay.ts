/** A connection to an endpoint for bytes without HTTP: for tcp_proxy, and for a CONNECT that ends here. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { type ConnectDeps, type ConnectFailure, type ConnectHandler, Connecting } from '../pool/connect.ts';
import { remoteAddressOf } from '../pool/happy-eyeballs.ts';
import type { OriginalSource } from '../pool/original-source.ts';
import { type ByteTaker, SocketReader } from '../pool/socket-reader.ts';
import type { TlsPeer } from '../tls/context.ts';
import { Outlet, type OutletOwner } from './outlet.ts';

/**
 * `connections`: the circuit breaker allows no more; `pending`: nor more that wait for one.
 */
const GATEWAY_TIMEOUT = 504;

export type RelayFailure = ConnectFailure | 'OVERLOADED' | 'TOO_MANY_WAITING';

/** How the other side of a connection came to its end. */
export type RelayEnd = 'reset' | 'closed';

export interface RelayHandler {
  /** @param remoteAddress as an `UpstreamStream` has it */
  onOpen(peer: TlsPeer, localAddress: string, remoteAddress: string): void;
  onFailed(failure: RelayFailure, reason: string): void;
  /** @returns whether nothing refers to `data` any more. */
  onData(data: Buffer): boolean;
  /** What was written is out; comes after {@link Relay.write} said that more should wait. */
  onDrain(): void;
  /** The upstream has closed its sending direction. */
  onEnd(): void;
  /** The connection is gone; not called after {@link Relay.close}. */
  onClosed(end: RelayEnd): void;
  /** After `close` with what was written still on its way: all is out, or lost. */
  onFlushed?(): void;
  /**
   * Whether nothing refers to any data it was given any more; undefined where nobody knows of data given
   * before. Nothing does when it calls {@link Relay.resume}.
   */
  readonly dataIsOut: boolean | undefined;
  /** Whether the connection counts as a request of its cluster: not where one of HTTP is counted. */
  readonly countsAsRequest: boolean;
}

/**
 * `flush`: what was written still goes out; `ended`: the same, and the other side was the last to end;
 * `now`: also ends a flush; `reset`: with RST, where the system knows that.
 */
export type RelayClose = 'flush' | 'ended' | 'now' | 'reset';

export interface Relay {
  /** @returns whether more may be written at once. */
  write(data: Buffer): boolean;
  endSending(): void;
  pause(): void;
  resume(): void;
  close(how?: RelayClose): void;
  readonly receivingEnded: boolean;
  /** Whether {@link Relay.waits} tells of all that was written. */
  readonly knowsWhatIsOut: boolean;
  /** Whether something that was written is not out. */
  readonly waits: boolean;
}

export interface RelayDeps extends ConnectDeps {
  readonly clock: Clock;
  /** Where the connection leaves from; absent: as the cluster says. */
  readonly originalSource?: OriginalSource;
  /** Absent: that of default priority. */
  readonly breaker?: CircuitBreaker;
}

export function startRelay(
  endpoint: Endpoint,
  cluster: ClusterRuntime,
  deps: RelayDeps,
  handler: RelayHandler,
): Relay {
  return new UpstreamRelay(endpoint, cluster, deps, handler);
}

class UpstreamRelay implements Relay, ConnectHandler, ByteTaker, OutletOwner {
  readonly #endpoint: Endpoint;
  readonly #cluster: ClusterRuntime;
  readonly #handler: RelayHandler;
  readonly #deps: RelayDeps;
  readonly #breaker: CircuitBreaker;
  readonly #startMs: number;
  /** Where the endpoint is read plainly. */
  readonly #reader: SocketReader | undefined;
  #connecting: Connecting | undefined;
  #socket: Duplex | undefined;
  #outlet: Outlet | undefined;
  #closed = false;
  #sendingEnded = false;
  receivingEnded = false;
  readonly knowsWhatIsOut = true;

  constructor(endpoint: Endpoint, cluster: ClusterRuntime, deps: RelayDeps, handler: RelayHandler) {
    this.#endpoint = endpoint;
    this.#cluster = cluster;
    this.#handler = handler;
    this.#deps = deps;
    this.#breaker = deps.breaker ?? cluster.breaker;
    this.#startMs = deps.clock.nowMs();
    const isPlain = !endpoint.transport.secure && endpoint.target.kind !== 'internal';
    this.#reader = isPlain ? new SocketReader(cluster.settings.bufferLimitBytes) : undefined;
    if (!this.#takePlaces()) return;
    const { stats } = cluster;
    stats.upstream_cx_total.inc();
    stats.upstream_cx_active.add(1);
    stats.upstream_rq_pending_total.inc();
    stats.upstream_rq_pending_active.add(1);
    endpoint.connectionBegins();
    endpoint.tunnels.add(this);
    const { pool } = cluster.settings;
    const settings = deps.originalSource?.for(pool, stats) ?? pool;
    this.#connecting = new Connecting(endpoint, settings, this, deps, this.#reader);
  }

  /** @returns whether the circuit breaker allows it; else the handler hears of it. */
  #takePlaces(): boolean {
    const breaker = this.#breaker;
    const { stats } = this.#cluster;
    let failure: RelayFailure | undefined;
    if (!breaker.takeConnection(this.#endpoint)) {
      stats.upstream_cx_overflow.inc();
      failure = 'OVERLOADED';
    } else if (!breaker.pending.take()) {
      breaker.connections.release();
      stats.upstream_rq_pending_overflow.inc();
      failure = 'TOO_MANY_WAITING';
    }
    if (failure === undefined) return true;
    this.#closed = true;
    const reason = failure;
    queueMicrotask(() => this.#handler.onFailed(reason, ''));
    return false;
  }

  onConnected(socket: Duplex, peer: TlsPeer): void {
    this.#connecting = undefined;
    this.#socket = socket;
    const cluster = this.#cluster;
    const { stats } = cluster;
    const { counts, monitor } = this.#endpoint;
    this.#leavePending();
    stats.upstream_cx_connect_ms.record(this.#deps.clock.nowMs() - this.#startMs);
    if (this.#handler.countsAsRequest) {
      monitor?.connected(true);
      stats.upstream_rq_total.inc();
      stats.upstream_rq_active.add(1);
      counts.rqTotal++;
      counts.rqActive++;
    }
    const { bufferLimitBytes } = cluster.settings;
    this.#outlet = new Outlet(socket, bufferLimitBytes, this, stats.upstream_cx_tx_bytes_total);
    if (this.#reader === undefined) socket.on('data', (data: Buffer) => this.#received(data));
    else this.#reader.taker = this;
    socket.on('end', () => {
      this.receivingEnded = true;
      if (!this.#closed) this.#handler.onEnd();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#onGone(error.code));
    socket.on('close', () => {
      this.#reader?.done();
      this.#outlet!.count();
      this.#onGone(undefined);
    });
    const { localAddress, localPort } = socket as Socket;
    this.#handler.onOpen(
      peer,
      localAddress === undefined ? '' : `${localAddress}:${localPort}`,
      remoteAddressOf(this.#endpoint, socket),
    );
  }

  onNextAddress(): void {
    this.#cluster.stats.upstream_cx_total.inc();
  }

  onConnectFailed(failure: ConnectFailure, reason: string): void {
    this.#connecting = undefined;
    const { stats } = this.#cluster;
    this.#leavePending();
    stats.upstream_rq_pending_failure_eject.inc();
    stats.upstream_cx_connect_fail.inc();
    if (failure === 'CONNECT_TIMEOUT') stats.upstream_cx_connect_timeout.inc();
    this.#endpoint.counts.cxConnectFail++;
    this.#release(failure !== 'CONNECT_FAILED');
    if (this.#handler.countsAsRequest) {
      this.#endpoint.monitor?.failed(failure === 'CONNECT_TIMEOUT' ? GATEWAY_TIMEOUT : undefined);
    }
    this.#handler.onFailed(failure, reason);
  }

  // --- receiving

  onBytes(bytes: Buffer): boolean {
    const handler = this.#handler;
    const reader = this.#reader!;
    if (handler.dataIsOut === true) reader.settle();
    const free = this.#received(bytes);
    const isOut = handler.dataIsOut;
    if (isOut === true) reader.settle();
    else if (isOut === false) reader.lend();
    return free;
  }

  #received(data: Buffer): boolean {
    if (this.#closed) return true;
    this.#cluster.stats.upstream_cx_rx_bytes_total.inc(data.length);
    return this.#handler.onData(data);
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    if (this.#handler.dataIsOut !== undefined) this.#reader?.settle();
    this.#socket?.resume();
  }

  // --- sending

  write(data: Buffer): boolean {
    const outlet = this.#outlet!;
    outlet.write(data);
    return !outlet.full;
  }

  onOutletDrain(): void {
    if (!this.#closed) this.#handler.onDrain();
  }

  get waits(): boolean {
    return this.#socket !== undefined && this.#socket.writableLength > 0;
  }

  endSending(): void {
    if (this.#sendingEnded || this.#socket === undefined) return;
    this.#sendingEnded = true;
    this.#socket.end();
  }

  // --- the end

  close(how: RelayClose = 'now'): void {
    const socket = this.#socket;
    if (this.#closed) {
      if (how === 'now' || how === 'reset') socket?.destroy();
      return;
    }
    if (this.#connecting !== undefined) {
      this.#connecting.giveUp();
      this.#leavePending();
      this.#cluster.stats.upstream_rq_cancelled.inc();
    }
    this.#release(how !== 'ended');
    if (socket === undefined) return;
    if (how === 'flush' || how === 'ended') this.#flush(socket);
    else if (how === 'reset') resetSocket(socket);
    else socket.destroy();
  }

  #flush(socket: Duplex): void {
    this.endSending();
    socket.once('close', () => this.#handler.onFlushed?.());
    // With both directions ended the socket goes by itself.
    if (!this.receivingEnded) socket.once('finish', () => socket.destroy());
  }

  #onGone(errorCode: string | undefined): void {
    if (this.#closed) return;
    this.#release(false);
    this.#socket!.destroy();
    // After its FIN a reset says no more than that it does not read either.
    this.#handler.onClosed(errorCode === 'ECONNRESET' && !this.receivingEnded ? 'reset' : 'closed');
  }

  #leavePending(): void {
    this.#breaker.pending.release();
    this.#cluster.stats.upstream_rq_pending_active.add(-1);
  }

  /** @param local whether the end came from here. */
  #release(local: boolean): void {
    this.#closed = true;
    this.#endpoint.tunnels.delete(this);
    const { counts } = this.#endpoint;
    this.#endpoint.connectionEnds();
    this.#breaker.connections.release();
    const { stats } = this.#cluster;
    stats.upstream_cx_active.add(-1);
    stats.upstream_cx_destroy.inc();
    (local ? stats.upstream_cx_destroy_local : stats.upstream_cx_destroy_remote).inc();
    if (this.#socket === undefined) return;
    if (this.#handler.countsAsRequest) {
      counts.rqActive--;
      stats.upstream_rq_active.add(-1);
    }
    stats.upstream_cx_destroy_with_active_rq.inc();
    (local
      ? stats.upstream_cx_destroy_local_with_active_rq
      : stats.upstream_cx_destroy_remote_with_active_rq
    ).inc();
    stats.upstream_cx_length_ms.record(this.#deps.clock.nowMs() - this.#startMs);
  }
}

/** Ends a connection with RST, or at once where it is none of TCP's own. */
export function resetSocket(socket: Duplex): void {
  const plain = socket as Socket & { readonly encrypted?: boolean };
  if (
    typeof plain.resetAndDestroy === 'function' &&
    plain.encrypted !== true &&
    plain.remotePort !== undefined
  ) {
    plain.resetAndDestroy();
  } else socket.destroy();
}
