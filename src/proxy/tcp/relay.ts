/** A connection without HTTP to an endpoint, for tcp_proxy and CONNECT: bytes, half-closes and back-pressure. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { type ConnectDeps, type ConnectFailure, Connecting } from '../pool/connect.ts';
import type { TlsPeer } from '../tls/context.ts';

export interface RelayHandler {
  onOpen(peer: TlsPeer, localAddress: string): void;
  onFailed(failure: ConnectFailure | 'OVERLOADED', reason: string): void;
  onData(data: Buffer): void;
  onDrain(): void;
  /** The upstream has closed its sending direction. */
  onEnd(): void;
  /** The connection is gone; not called after `close`. */
  onClosed(): void;
}

export interface Relay {
  /** @returns whether more may be written at once. */
  write(data: Buffer): boolean;
  endSending(): void;
  pause(): void;
  resume(): void;
  close(): void;
  readonly receivingEnded: boolean;
}

export function startRelay(
  endpoint: Endpoint,
  cluster: ClusterRuntime,
  deps: ConnectDeps,
  handler: RelayHandler,
): Relay {
  return new UpstreamRelay(endpoint, cluster, deps, handler);
}

class UpstreamRelay implements Relay {
  readonly #endpoint: Endpoint;
  readonly #cluster: ClusterRuntime;
  readonly #handler: RelayHandler;
  readonly #connecting: Connecting | undefined;
  #socket: Duplex | undefined;
  #closed = false;
  receivingEnded = false;

  constructor(endpoint: Endpoint, cluster: ClusterRuntime, deps: ConnectDeps, handler: RelayHandler) {
    this.#endpoint = endpoint;
    this.#cluster = cluster;
    this.#handler = handler;
    const { stats, breaker } = cluster;
    if (!breaker.connections.take()) {
      stats.upstream_cx_overflow.inc();
      this.#closed = true;
      queueMicrotask(() => handler.onFailed('OVERLOADED', ''));
      return;
    }
    stats.upstream_cx_total.inc();
    stats.upstream_cx_active.add(1);
    endpoint.counts.cxTotal++;
    endpoint.counts.cxActive++;
    endpoint.tunnels.add(this);
    this.#connecting = new Connecting(
      endpoint,
      cluster.settings.pool.connectTimeoutMs,
      {
        onConnected: (socket, peer) => this.#onConnected(socket, peer),
        onConnectFailed: (failure, reason) => {
          stats.upstream_cx_connect_fail.inc();
          if (failure === 'CONNECT_TIMEOUT') stats.upstream_cx_connect_timeout.inc();
          endpoint.counts.cxConnectFail++;
          this.#release();
          handler.onFailed(failure, reason);
        },
      },
      deps,
    );
  }

  #onConnected(socket: Duplex, peer: TlsPeer): void {
    this.#socket = socket;
    const { stats } = this.#cluster;
    const { localAddress, localPort } = socket as Socket;
    socket.on('data', (data: Buffer) => {
      stats.upstream_cx_rx_bytes_total.inc(data.length);
      this.#handler.onData(data);
    });
    socket.on('drain', () => this.#handler.onDrain());
    socket.on('end', () => {
      this.receivingEnded = true;
      if (!this.#closed) this.#handler.onEnd();
    });
    socket.on('error', () => this.#onGone());
    socket.on('close', () => this.#onGone());
    this.#handler.onOpen(peer, localAddress === undefined ? '' : `${localAddress}:${localPort}`);
  }

  write(data: Buffer): boolean {
    this.#cluster.stats.upstream_cx_tx_bytes_total.inc(data.length);
    return this.#socket!.write(data);
  }

  endSending(): void {
    if (this.#socket?.writableEnded === false) this.#socket.end();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    if (this.#closed) return;
    this.#connecting?.giveUp();
    this.#release();
    // What was written still goes out; what comes is not read any more.
    const socket = this.#socket;
    if (socket === undefined) return;
    if (this.receivingEnded && !socket.writableFinished) socket.end(() => socket.destroy());
    else socket.destroy();
  }

  #onGone(): void {
    if (this.#closed) return;
    this.#release();
    this.#socket?.destroy();
    this.#handler.onClosed();
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endpoint.tunnels.delete(this);
    this.#endpoint.counts.cxActive--;
    this.#cluster.breaker.connections.release();
    const { stats } = this.#cluster;
    stats.upstream_cx_active.add(-1);
    stats.upstream_cx_destroy.inc();
  }
}
