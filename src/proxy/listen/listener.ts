/** A listener in force: takes connections, chooses their chain, and hands them to HTTP or TCP. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { Counter, Gauge, Histogram, Scope } from '#observe/metrics-contract.ts';
import type { ClusterDeps, ClusterRuntime } from '../cluster/cluster.ts';
import { openLogs } from '../hcm/access-log-settings.ts';
import type { HttpServerConnection } from '../hcm/downstream-stream.ts';
import { createDate, type DownstreamFacts, type HcmRuntime, hooksOf } from '../hcm/runtime.ts';
import { serveHttp } from '../hcm/serve.ts';
import { createHttpStats } from '../hcm/stats.ts';
import type { RouteTable } from '../route/table.ts';
import { TcpConnection, type TcpRuntime } from '../tcp/connection.ts';
import type { TlsPeer } from '../tls/context.ts';
import { createDownstreamTls, type DownstreamTls } from '../tls/downstream.ts';
import { type ConnectionTraits, chooseChain } from './chain-match.ts';
import { clientCertificateOf } from './client-certificate.ts';
import { type Inspected, inspect, uninspected } from './inspect.ts';
import type { ChainSettings, ListenerSettings } from './settings.ts';

export interface ListenerDeps extends ClusterDeps {
  routes(name: string): RouteTable | undefined;
  cluster(name: string): ClusterRuntime | undefined;
  nextConnectionId(): number;
}

const noPeer: TlsPeer = { uri: '', presented: false, validated: false, ownUri: '' };

interface ListenerStats {
  readonly downstream_cx_total: Counter;
  readonly downstream_cx_destroy: Counter;
  readonly downstream_cx_active: Gauge;
  readonly downstream_cx_length_ms: Histogram;
  /** `worker_N.*`: of this thread. */
  readonly worker_cx_total: Counter;
  readonly worker_cx_active: Gauge;
  readonly no_filter_chain_match: Counter;
  readonly downstream_pre_cx_timeout: Counter;
  readonly scope: Scope;
}

export class ListenerRuntime {
  readonly settings: ListenerSettings;
  readonly #deps: ListenerDeps;
  readonly #chains: readonly Chain[];
  readonly #default: Chain | undefined;
  readonly #stats: ListenerStats;
  readonly #raw = new Set<Duplex>();
  readonly #connections = new Set<HttpServerConnection | TcpConnection>();
  #draining = false;
  #onIdle: (() => void) | undefined;

  /** @throws the system's error where a log cannot be opened. */
  constructor(settings: ListenerSettings, deps: ListenerDeps) {
    this.settings = settings;
    this.#deps = deps;
    const scope = deps.metrics.scope({
      path: `listener.${settings.statAddress}`,
      family: 'listener',
      labels: { envoy_listener_address: settings.statAddress },
    });
    this.#stats = {
      downstream_cx_total: scope.counter('downstream_cx_total'),
      downstream_cx_destroy: scope.counter('downstream_cx_destroy'),
      downstream_cx_active: scope.gauge('downstream_cx_active'),
      downstream_cx_length_ms: scope.histogram('downstream_cx_length_ms'),
      worker_cx_total: scope.counter(`worker_${deps.thread?.index ?? 0}.downstream_cx_total`),
      worker_cx_active: scope.gauge(`worker_${deps.thread?.index ?? 0}.downstream_cx_active`),
      no_filter_chain_match: scope.counter('no_filter_chain_match'),
      downstream_pre_cx_timeout: scope.counter('downstream_pre_cx_timeout'),
      scope,
    };
    this.#chains = settings.chains.map((chain) => this.#createChain(chain));
    this.#default = settings.defaultChain && this.#createChain(settings.defaultChain);
  }

  get activeConnections(): number {
    return this.#raw.size;
  }

  accept(socket: Duplex): void {
    const { settings } = this;
    const startMs = this.#deps.clock.nowMs();
    this.#stats.downstream_cx_total.inc();
    this.#stats.downstream_cx_active.add(1);
    this.#stats.worker_cx_total.inc();
    this.#stats.worker_cx_active.add(1);
    this.#raw.add(socket);
    socket.on('error', ignore);
    socket.once('close', () => {
      this.#raw.delete(socket);
      this.#stats.downstream_cx_active.add(-1);
      this.#stats.worker_cx_active.add(-1);
      this.#stats.downstream_cx_destroy.inc();
      this.#stats.downstream_cx_length_ms.record(this.#deps.clock.nowMs() - startMs);
      this.#checkIdle();
    });
    if (!settings.inspects) {
      this.#choose(socket, uninspected);
      return;
    }
    inspect(socket, settings.inspectTimeoutMs, this.#deps.wheel, (inspected) => {
      if (inspected === undefined) {
        if (!socket.destroyed && !socket.readableEnded) this.#stats.downstream_pre_cx_timeout.inc();
        if (!settings.continueOnTimeout || socket.destroyed) {
          socket.destroy();
          return;
        }
      }
      this.#choose(socket, inspected ?? uninspected);
    });
  }

  #choose(socket: Duplex, inspected: Inspected): void {
    const chain = chooseChain(this.#chains, traitsOf(socket as Socket, inspected)) ?? this.#default;
    if (chain === undefined) {
      this.#stats.no_filter_chain_match.inc();
      socket.destroy();
      return;
    }
    if (chain.tls === undefined) {
      chain.serve(socket, factsOf(socket, undefined, noPeer, inspected, this.#deps.nextConnectionId()));
      return;
    }
    const { handshakeTimeoutMs } = chain.settings;
    if (handshakeTimeoutMs > 0) this.#limitHandshake(socket, handshakeTimeoutMs);
    chain.tls.accept(socket);
  }

  #limitHandshake(socket: Duplex, timeoutMs: number): void {
    const owner: TimerOwner = { onTimer: () => socket.destroy() };
    const timer = new Timer(owner, 0);
    this.#deps.wheel.arm(timer, timeoutMs);
    this.#handshakes.set(socket, timer);
    socket.once('close', () => this.#deps.wheel.disarm(timer));
  }

  readonly #handshakes = new WeakMap<Duplex, Timer>();

  #createChain(settings: ChainSettings): Chain {
    const serve = settings.http === undefined ? this.#serveTcp(settings) : this.#serveHttp(settings);
    let tls: DownstreamTls | undefined;
    if (settings.tls !== undefined) {
      const ssl = {
        handshake: this.#stats.scope.counter('ssl.handshake'),
        connection_error: this.#stats.scope.counter('ssl.connection_error'),
        fail_verify_error: this.#stats.scope.counter('ssl.fail_verify_error'),
      };
      tls = createDownstreamTls(settings.tls, this.#deps.secrets, {
        onSecure: (socket, peer) => {
          ssl.handshake.inc();
          socket.on('error', ignore);
          serve(socket, factsOf(socket, socket, peer, uninspected, this.#deps.nextConnectionId()));
        },
        onRefused: (_, reason) => {
          ssl.connection_error.inc();
          if (/certificate|verify|SAN/i.test(reason)) ssl.fail_verify_error.inc();
          this.#deps.log.debug('listen.tls-refused', { listener: this.settings.name, reason });
        },
      });
    }
    return { settings, criteria: settings.criteria, tls, serve };
  }

  #serveHttp(chain: ChainSettings): Chain['serve'] {
    const http = chain.http!;
    const deps = this.#deps;
    const runtime: HcmRuntime = {
      settings: http,
      hooks: hooksOf(http.filters),
      stats: createHttpStats(deps.metrics, http.statPrefix),
      writeLog: openLogs(http.logs, deps),
      clock: deps.clock,
      wheel: deps.wheel,
      random: deps.random,
      connecting: deps,
      localAddress: deps.localAddress,
      routes: http.inlineRoutes === undefined ? () => deps.routes(http.routeName) : () => http.inlineRoutes,
      cluster: (name) => deps.cluster(name),
      onException: (error) => deps.onException(error),
      h2: deps.h2,
      log: deps.log,
      date: createDate(deps.clock),
      draining: false,
    };
    this.#runtimes.push(runtime);
    return (socket, facts) => {
      const connection = serveHttp(socket, facts, runtime, (closed) => this.#connections.delete(closed));
      this.#connections.add(connection);
    };
  }

  readonly #runtimes: HcmRuntime[] = [];

  #serveTcp(chain: ChainSettings): Chain['serve'] {
    const tcp = chain.tcp!;
    const deps = this.#deps;
    const scope = deps.metrics.scope({
      path: `tcp.${tcp.statPrefix}`,
      family: 'tcp',
      labels: { envoy_tcp_prefix: tcp.statPrefix },
    });
    const runtime: TcpRuntime = {
      settings: tcp,
      clock: deps.clock,
      wheel: deps.wheel,
      random: deps.random,
      connecting: deps,
      writeLog: openLogs(tcp.logs, deps),
      stats: {
        downstream_cx_total: scope.counter('downstream_cx_total'),
        downstream_cx_no_route: scope.counter('downstream_cx_no_route'),
        downstream_cx_rx_bytes_total: scope.counter('downstream_cx_rx_bytes_total'),
        downstream_cx_tx_bytes_total: scope.counter('downstream_cx_tx_bytes_total'),
        idle_timeout: scope.counter('idle_timeout'),
        upstream_cx_active: scope.gauge('upstream_cx_active'),
      },
      cluster: (name) => deps.cluster(name),
    };
    return (socket, facts) => {
      const connection = new TcpConnection(socket, facts, runtime, (closed) =>
        this.#connections.delete(closed),
      );
      this.#connections.add(connection);
    };
  }

  /** Responses from now on close their connections. Resolves when none is left. */
  drain(): Promise<void> {
    this.#draining = true;
    for (const runtime of this.#runtimes) runtime.draining = true;
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  /** Ends HTTP connections on which no request is under way. */
  closeIdle(): void {
    for (const connection of this.#connections)
      if (!(connection instanceof TcpConnection)) connection.drain();
  }

  close(): void {
    for (const chain of [...this.#chains, this.#default]) chain?.tls?.close();
    for (const connection of this.#connections) {
      if (connection instanceof TcpConnection) connection.close();
      else connection.destroy();
    }
    for (const socket of this.#raw) socket.destroy();
  }

  #checkIdle(): void {
    if (!this.#draining || this.#raw.size > 0) return;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }
}

interface Chain {
  readonly settings: ChainSettings;
  readonly criteria: ChainSettings['criteria'];
  readonly tls: DownstreamTls | undefined;
  serve(socket: Duplex, facts: DownstreamFacts): void;
}

function ignore(): void {}

function plainIp(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function traitsOf(socket: Socket, inspected: Inspected): ConnectionTraits {
  return {
    localIp: plainIp(socket.localAddress),
    localPort: socket.localPort ?? 0,
    remoteIp: plainIp(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    ...inspected,
  };
}

function factsOf(
  socket: Duplex,
  tls: TLSSocket | undefined,
  peer: TlsPeer,
  inspected: Inspected,
  connectionId: number,
): DownstreamFacts {
  const { remoteAddress, remotePort, localAddress, localPort } = socket as Socket;
  const remoteIp = plainIp(remoteAddress);
  const localIp = plainIp(localAddress);
  return {
    connectionId,
    remoteIp,
    remoteAddress: remoteIp === '' ? '' : `${bracketed(remoteIp)}:${remotePort}`,
    localAddress: localIp === '' ? '' : `${bracketed(localIp)}:${localPort}`,
    localPort: localPort ?? 0,
    secure: tls !== undefined,
    serverName:
      tls === undefined ? inspected.serverName : typeof tls.servername === 'string' ? tls.servername : '',
    tlsVersion: tls?.getProtocol() ?? '',
    peer,
    ownUri: peer.ownUri,
    certificate: tls === undefined || !peer.presented ? undefined : clientCertificateOf(tls, peer.ownUri),
  };
}

function bracketed(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}
