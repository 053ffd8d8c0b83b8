/** A downstream connection under `tcp_proxy`: its bytes go to an endpoint and back, unread. */
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { errorKinds } from '#core/error.ts';
import type { Random } from '#core/random.ts';
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';
import type { Counter, Gauge } from '#observe/metrics-contract.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { ConnectionFacts, Direction } from '../filter/contract.ts';
import type { WriteLog } from '../hcm/access-log-settings.ts';
import { TrafficRecord } from '../hcm/record.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import type { ConnectDeps } from '../pool/connect.ts';
import { type Relay, startRelay } from './relay.ts';
import type { TcpSettings } from './settings.ts';

export interface TcpRuntime {
  readonly settings: TcpSettings;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly connecting: ConnectDeps;
  readonly writeLog: WriteLog;
  readonly stats: TcpStats;
  cluster(name: string): ClusterRuntime | undefined;
}

/** `tcp.<stat_prefix>.*`. */
export interface TcpStats {
  readonly downstream_cx_total: Counter;
  readonly downstream_cx_no_route: Counter;
  readonly downstream_cx_rx_bytes_total: Counter;
  readonly downstream_cx_tx_bytes_total: Counter;
  readonly idle_timeout: Counter;
  readonly upstream_cx_active: Gauge;
}

const IDLE = 0;
const LIFETIME = 1;

export class TcpConnection extends TrafficRecord implements TimerOwner, ConnectionFacts {
  cluster: ClusterRuntime | undefined = undefined;
  endpoint: Endpoint | undefined = undefined;

  readonly #socket: Duplex;
  readonly #runtime: TcpRuntime;
  readonly #onClose: (connection: TcpConnection) => void;
  readonly #idleTimer: Timer = new Timer(this, IDLE);
  readonly #lifeTimer: Timer = new Timer(this, LIFETIME);
  #relay: Relay | undefined;
  #open = false;
  #closed = false;
  #downstreamEnded = false;

  constructor(
    socket: Duplex,
    facts: DownstreamFacts,
    runtime: TcpRuntime,
    onClose: (connection: TcpConnection) => void,
  ) {
    super(facts, runtime.clock);
    this.#socket = socket;
    this.#runtime = runtime;
    this.#onClose = onClose;
    runtime.stats.downstream_cx_total.inc();
    socket.on('data', (data: Buffer) => this.#onData(data));
    // Nothing is read before there is somewhere to send it.
    socket.pause();
    socket.on('drain', () => this.#relay?.resume());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
    const { idleTimeoutMs, maxDurationMs } = runtime.settings;
    if (idleTimeoutMs > 0) runtime.wheel.arm(this.#idleTimer, idleTimeoutMs);
    if (maxDurationMs > 0) runtime.wheel.arm(this.#lifeTimer, maxDurationMs);
    this.#chooseCluster();
  }

  get direction(): Direction {
    return this.#runtime.settings.direction;
  }

  #chooseCluster(): void {
    const { settings, random } = this.#runtime;
    let point = random.ratio() * settings.totalWeight;
    const chosen = settings.clusters.find(({ weight }) => {
      point -= weight;
      return point < 0;
    });
    const cluster = this.#runtime.cluster((chosen ?? settings.clusters[0])?.name ?? '');
    if (cluster === undefined) {
      this.#runtime.stats.downstream_cx_no_route.inc();
      this.#refuse('NC');
      return;
    }
    this.cluster = cluster;
    this.upstreamCluster = cluster.name;
    this.#connect(cluster);
  }

  #connect(cluster: ClusterRuntime): void {
    const endpoint = cluster.pick();
    if (endpoint === undefined) {
      this.#refuse(errorKinds.NO_ENDPOINT.flag);
      return;
    }
    this.upstreamAttempts++;
    this.endpoint = endpoint;
    this.upstreamHost = endpoint.address;
    this.#relay = startRelay(endpoint, cluster, this.#runtime.connecting, {
      onOpen: (peer, localAddress) => {
        this.#open = true;
        this.upstreamPeerUri = peer.uri;
        this.upstreamLocalUri = peer.ownUri;
        this.upstreamLocalAddress = localAddress;
        for (const filter of this.#runtime.settings.filters) filter.onOpen?.(this);
        this.#socket.resume();
        if (this.#downstreamEnded) this.#relay!.endSending();
      },
      onFailed: (failure, reason) => {
        this.upstreamTransportFailureReason = reason.replaceAll(' ', '_');
        if (failure !== 'OVERLOADED' && this.upstreamAttempts < this.#runtime.settings.maxConnectAttempts) {
          this.#connect(cluster);
          return;
        }
        if (failure !== 'OVERLOADED') cluster.stats.upstream_cx_connect_attempts_exceeded.inc();
        this.#refuse(errorKinds[failure].flag);
      },
      onData: (data) => {
        this.#touch();
        if (this.firstUpstreamByteMs === -1) this.firstUpstreamByteMs = this.#runtime.clock.nowMs();
        this.bytesSent += data.length;
        this.#runtime.stats.downstream_cx_tx_bytes_total.inc(data.length);
        if (!this.#socket.write(data)) this.#relay!.pause();
      },
      onDrain: () => this.#socket.resume(),
      onEnd: () => {
        if (!this.#socket.writableEnded) this.#socket.end();
        if (this.#downstreamEnded) this.close();
      },
      onClosed: () => this.close(),
    });
  }

  #onData(data: Buffer): void {
    this.#touch();
    this.bytesReceived += data.length;
    this.#runtime.stats.downstream_cx_rx_bytes_total.inc(data.length);
    if (!this.#relay!.write(data)) this.#socket.pause();
  }

  #onEnd(): void {
    this.#downstreamEnded = true;
    if (!this.#open) return;
    this.#relay!.endSending();
    if (this.#relay!.receivingEnded) this.close();
  }

  #touch(): void {
    const { idleTimeoutMs } = this.#runtime.settings;
    if (idleTimeoutMs > 0) this.#runtime.wheel.postpone(this.#idleTimer, idleTimeoutMs);
  }

  #refuse(flag: string): void {
    this.responseFlags = flag;
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { wheel, clock, settings, writeLog } = this.#runtime;
    wheel.disarm(this.#idleTimer);
    wheel.disarm(this.#lifeTimer);
    this.#relay?.close();
    const socket = this.#socket;
    if (socket.writableEnded || socket.writableLength > 0) socket.end(() => socket.destroy());
    else socket.destroy();
    this.endMs = clock.nowMs();
    this.requestEndMs = this.endMs;
    for (const filter of settings.filters) filter.onEnd?.(this);
    writeLog(this);
    this.#onClose(this);
  }

  onTimer(kind: number): void {
    if (kind === IDLE) this.#runtime.stats.idle_timeout.inc();
    this.close();
  }
}
