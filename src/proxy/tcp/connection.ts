/**
 * A downstream connection under `tcp_proxy`: its bytes go to an endpoint and back, unread.
 *
 * waiting (for filters, data or a back-off) -> connecting -> open -> ended, perhaps still flushing
 */
import type { Duplex } from 'node:stream';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { ConnectionFacts, Direction } from '../filter/contract.ts';
import { TrafficRecord } from '../hcm/record.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import type { TlsPeer } from '../tls/context.ts';
import { chooseEndpoint } from './choose-endpoint.ts';
import { FilterState, stateKeys, tunnelKeys } from './filter-state.ts';
import { Inlet, type InletHandler } from './inlet.ts';
import type { NetworkConnection } from './network-filter.ts';
import { CONNECT_FAILED, NO_CLUSTER, NO_ENDPOINT, NOT_CONNECTED, OVER_LIMIT } from './not-connected.ts';
import { Outlet, type OutletOwner } from './outlet.ts';
import {
  type Relay,
  type RelayClose,
  type RelayDeps,
  type RelayEnd,
  type RelayFailure,
  resetSocket,
  startRelay,
} from './relay.ts';
import type { TcpRuntime } from './runtime.ts';
import type { WeightedName } from './settings.ts';
import { startTunnel, type TunnelHandler } from './tunnel.ts';

const IDLE = 0;
const LIFETIME = 1;
const BACK_OFF = 2;
const LOG = 3;

/** What is done with the downstream socket. */
type DownstreamClose = 'flush' | 'now' | 'reset';

export class TcpConnection
  extends TrafficRecord
  implements TimerOwner, ConnectionFacts, TunnelHandler, InletHandler, OutletOwner, NetworkConnection
{
  cluster: ClusterRuntime | undefined = undefined;
  endpoint: Endpoint | undefined = undefined;
  readonly countsAsRequest = true;
  readonly state: FilterState = new FilterState();

  readonly #socket: Duplex;
  readonly #facts: DownstreamFacts;
  readonly #runtime: TcpRuntime;
  readonly #onClose: (connection: TcpConnection) => void;
  readonly #inlet: Inlet;
  readonly #outlet: Outlet;
  #relay: Relay | undefined;
  #criteria: WeightedName['criteria'];
  #idleTimer: Timer | undefined;
  #idleTimeoutMs = 0;
  #lifeTimer: Timer | undefined;
  #backOffTimer: Timer | undefined;
  #logTimer: Timer | undefined;
  /** How many filters have let it pass. */
  #passed = 0;
  #ready = false;
  #open = false;
  #ended = false;
  #closed = false;
  #downstreamEnded = false;
  #upstreamFlushes = false;
  /** Reading the downstream waits for the upstream. */
  #held = false;
  #early: Buffer[] | undefined;
  #earlyBytes = 0;

  constructor(
    socket: Duplex,
    facts: DownstreamFacts,
    runtime: TcpRuntime,
    onClose: (connection: TcpConnection) => void,
  ) {
    super(facts, runtime.clock);
    this.#socket = socket;
    this.#facts = facts;
    this.#runtime = runtime;
    this.#onClose = onClose;
    const { settings, stats, wheel } = runtime;
    stats.downstream_cx_total.inc();
    this.#outlet = new Outlet(socket, settings.bufferLimitBytes, this, stats.downstream_cx_tx_bytes_total);
    this.#inlet = new Inlet(socket, this, runtime);
    // Nothing is read before there is somewhere to send it, unless the configuration says how much.
    if (settings.maxEarlyBytes < 0) socket.pause();
    socket.on('error', () => this.#onDownstreamGone('reset'));
    socket.on('close', () => this.#onDownstreamGone('now'));
    if (settings.maxDurationMs > 0) {
      const jitterMs = settings.maxDurationMs * settings.durationJitter * runtime.random.ratio();
      this.#lifeTimer = new Timer(this, LIFETIME);
      wheel.arm(this.#lifeTimer, settings.maxDurationMs + jitterMs);
    }
    if (settings.logIntervalMs > 0) {
      this.#logTimer = new Timer(this, LOG);
      wheel.arm(this.#logTimer, settings.logIntervalMs);
    }
    if (settings.logOnStart) this.#log('TcpConnectionStart');
    this.proceed();
  }

  filterState(key: string, plain: boolean): string | undefined {
    return this.state.shown(key, plain);
  }

  get direction(): Direction {
    return this.#runtime.settings.direction;
  }

  // --- before the upstream

  proceed(): void {
    const { filters, connectOn } = this.#runtime.settings;
    while (this.#passed < filters.length) {
      if (this.#ended) return;
      if (filters[this.#passed++]!.onConnection?.(this) === 'wait') return;
    }
    this.#ready = true;
    if (connectOn === 'accept' || this.#early !== undefined) this.#begin();
    else if (this.#downstreamEnded) this.#finish('now', 'now');
  }

  #begin(): void {
    const runtime = this.#runtime;
    const chosen = this.#chooseCluster();
    this.#criteria = chosen.criteria;
    const cluster = runtime.cluster(chosen.name);
    if (cluster === undefined) {
      runtime.stats.downstream_cx_no_route.inc();
      this.#refuse('NC', NO_CLUSTER);
      return;
    }
    this.cluster = cluster;
    this.upstreamCluster = cluster.shownName;
    this.#attempt();
  }

  #chooseCluster(): WeightedName {
    const { settings, random } = this.#runtime;
    const named = settings.mayBeRerouted ? this.state.text(stateKeys.cluster) : undefined;
    if (named !== undefined) return { ...settings.clusters[0]!, name: named };
    let point = random.ratio() * settings.totalWeight;
    for (const entry of settings.clusters) {
      point -= entry.weight;
      if (point < 0) return entry;
    }
    return settings.clusters[0]!;
  }

  #attempt(): void {
    const cluster = this.cluster!;
    const { settings } = this.#runtime;
    if (this.upstreamAttempts >= settings.maxConnectAttempts) {
      cluster.stats.upstream_cx_connect_attempts_exceeded.inc();
      this.#refuse('URX', CONNECT_FAILED);
      return;
    }
    const { state, metadata, requestedServerName: serverName } = this;
    const asking = { facts: this.#facts, state, metadata, criteria: this.#criteria, serverName };
    const endpoint = chooseEndpoint(cluster, asking, settings.hash);
    if (endpoint === undefined) {
      this.#refuse('UH', NO_ENDPOINT);
      return;
    }
    this.upstreamAttempts++;
    this.endpoint = endpoint;
    this.upstreamHost = endpoint.address;
    const { tunnel } = settings;
    const isTunnel = tunnel !== undefined && this.state.text(stateKeys.disableTunneling) !== 'true';
    this.#relay = isTunnel
      ? startTunnel(endpoint, cluster, tunnel, this.#facts, this)
      : startRelay(endpoint, endpoint.owner ?? cluster, this.#connectingTo(endpoint), this);
  }

  /** With the connection that some endpoints are told of, the address that it may leave from, and what it offers. */
  #connectingTo({ transport }: Endpoint): RelayDeps {
    const { connecting, settings } = this.#runtime;
    const { originalSource } = this.#facts;
    const protocols = transport.secure ? this.state.text(stateKeys.applicationProtocols) : undefined;
    const offers = protocols === undefined || protocols === '' ? undefined : protocols.split(',');
    const isTold = transport.proxyHeader !== undefined || originalSource !== undefined;
    if (!isTold && offers === undefined) return connecting;
    const { clock, wheel, internal } = connecting;
    return {
      ...{ clock, wheel, internal },
      ...(isTold && { downstream: settings.tlvs?.tell(this.#facts, this) ?? this.#facts }),
      ...(originalSource !== undefined && { originalSource }),
      ...(offers !== undefined && { server: { offers } }),
    };
  }

  onFailed(failure: RelayFailure, reason: string): void {
    this.#relay = undefined;
    if (this.#ended) return;
    if (failure === 'OVERLOADED' || failure === 'TOO_MANY_WAITING') {
      this.endpoint = undefined;
      this.upstreamHost = '';
    }
    if (failure === 'OVERLOADED') {
      this.upstreamAttempts--;
      this.#refuse('UO', OVER_LIMIT);
      return;
    }
    if (failure !== 'TOO_MANY_WAITING') {
      this.upstreamTransportFailureReason = reason.trim().replaceAll(/\s+/g, '_');
      if (this.responseFlags === '' && failure !== 'LOCAL_CONNECT_FAILED') this.addFlag('UF');
    }
    this.#again();
  }

  #again(): void {
    const { settings, random, wheel } = this.#runtime;
    const { backOff, maxConnectAttempts } = settings;
    if (backOff === undefined || this.upstreamAttempts >= maxConnectAttempts) {
      this.#attempt();
      return;
    }
    const longestMs = Math.min(backOff.maxMs, backOff.baseMs * 2 ** (this.upstreamAttempts - 1));
    this.#backOffTimer ??= new Timer(this, BACK_OFF);
    wheel.arm(this.#backOffTimer, random.ratio() * longestMs);
  }

  onOpen(peer: TlsPeer, localAddress: string, remoteAddress: string): void {
    this.#open = true;
    this.noteConnected();
    this.noteConnection(peer, localAddress, remoteAddress);
    const { settings, wheel } = this.#runtime;
    this.#idleTimeoutMs = Number(this.state.text(stateKeys.idleTimeout) ?? settings.idleTimeoutMs);
    if (this.#idleTimeoutMs > 0) {
      this.#idleTimer = new Timer(this, IDLE);
      wheel.arm(this.#idleTimer, this.#idleTimeoutMs);
    }
    for (const filter of settings.filters) filter.onOpen?.(this);
    if (this.#ended) return;
    if (settings.logOnConnected) this.#log('TcpUpstreamConnected');
    const relay = this.#relay!;
    if (!relay.knowsWhatIsOut) this.#inlet.stayPlain();
    let goesOn = true;
    for (const data of this.#early ?? []) goesOn = relay.write(data);
    this.#early = undefined;
    if (goesOn) this.#release();
    else this.#hold();
    if (this.#downstreamEnded) relay.endSending();
  }

  onTunnelHead(status: number, headers: HeaderList): void {
    if (this.#runtime.settings.tunnel?.notesHeaders !== true) return;
    this.state.setFields(tunnelKeys.responseHeaders, [':status', String(status), ...headers]);
  }

  onTunnelTrailers(trailers: HeaderList): void {
    if (this.#runtime.settings.tunnel?.notesTrailers !== true) return;
    this.state.setFields(tunnelKeys.responseTrailers, trailers);
  }

  // --- downstream to upstream

  get receivedIsOut(): boolean {
    return this.#relay === undefined ? this.#ended : !this.#relay.waits;
  }

  onReceived(data: Buffer): void {
    if (this.#ended) return;
    const { stats } = this.#runtime;
    this.bytesReceived += data.length;
    stats.downstream_cx_rx_bytes_total.inc(data.length);
    if (this.#facts.guard?.passes(this) === false) return;
    if (!this.#open) {
      this.#onEarlyData(data);
      return;
    }
    this.#touch();
    if (!this.#relay!.write(data)) this.#hold();
    this.#checkDrain();
  }

  #onEarlyData(data: Buffer): void {
    const { settings, stats } = this.#runtime;
    stats.early_data_received_count_total.inc();
    const isFirst = this.#early === undefined;
    this.#early ??= [];
    this.#early.push(data);
    this.#earlyBytes += data.length;
    if (this.#earlyBytes > settings.maxEarlyBytes) this.#hold();
    if (isFirst && settings.connectOn === 'data' && this.#ready) this.#begin();
  }

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#runtime.stats.downstream_flow_control_paused_reading_total.inc();
    this.#inlet.pause();
  }

  #release(): void {
    if (this.#held) {
      this.#held = false;
      this.#runtime.stats.downstream_flow_control_resumed_reading_total.inc();
    }
    this.#inlet.resume();
  }

  onDrain(): void {
    if (this.#ended) return;
    this.#touch();
    this.#release();
  }

  onReceivedAll(): void {
    this.#downstreamEnded = true;
    if (this.#ended || this.#facts.guard?.passes(this) === false) return;
    if (!this.#open) {
      const { settings } = this.#runtime;
      // Without data there is nothing that the connection would be made for.
      const idle = settings.connectOn === 'data' && this.#early === undefined;
      if (idle && this.#ready) this.#finish('now', 'now');
      return;
    }
    const relay = this.#relay!;
    this.#upstreamFlushes = relay.receivingEnded && relay.waits;
    relay.endSending();
    if (!relay.receivingEnded) return;
    if (this.#upstreamFlushes) {
      const { stats } = this.#runtime;
      stats.upstream_flush_total.inc();
      stats.upstream_flush_active.add(1);
    }
    this.#finish('flush', 'flush');
  }

  onFlushed(): void {
    if (!this.#upstreamFlushes) return;
    this.#upstreamFlushes = false;
    this.#relay = undefined;
    this.#runtime.stats.upstream_flush_active.add(-1);
    this.#checkClosed();
  }

  // --- upstream to downstream

  get dataIsOut(): boolean {
    return this.#socket.writableLength === 0;
  }

  onData(data: Buffer): boolean {
    this.#touch();
    this.bytesSent += data.length;
    const outlet = this.#outlet;
    const out = outlet.write(data);
    if (outlet.full) {
      this.cluster!.stats.upstream_flow_control_paused_reading_total.inc();
      this.#relay!.pause();
    }
    this.#checkDrain();
    return out;
  }

  onOutletDrain(): void {
    this.#touch();
    if (this.#ended) return;
    this.cluster!.stats.upstream_flow_control_resumed_reading_total.inc();
    this.#relay?.resume();
  }

  /** The upstream sends no more. */
  onEnd(): void {
    if (this.#downstreamEnded) this.#finish('flush', 'ended');
    else this.#socket.end();
  }

  // --- the end

  onClosed(end: RelayEnd): void {
    if (this.#ended) return;
    if (end === 'reset') this.addFlag('UR');
    this.#finish(end === 'reset' ? 'reset' : 'flush', 'now');
  }

  onReceivingFailed(): void {
    this.#onDownstreamGone('reset');
  }

  #onDownstreamGone(how: RelayClose): void {
    if (!this.#ended) this.#finish('now', how);
    this.#checkClosed();
  }

  #refuse(flag: string, failure: number): void {
    this.addFlag(flag);
    this.downstreamLocalCloseReason = `${NOT_CONNECTED}${failure}`;
    this.#finish('now', 'now');
  }

  /** Whether it is idle nobody can say: it goes on. */
  drain(): void {}

  /** Ends it at once, with all that was not sent. */
  destroy(): void {
    if (!this.#ended) this.#finish('now', 'now');
    this.#relay?.close('now');
    this.#socket.destroy();
  }

  #finish(downstream: DownstreamClose, upstream: RelayClose): void {
    this.#ended = true;
    const { wheel, settings } = this.#runtime;
    for (const timer of [this.#lifeTimer, this.#backOffTimer, this.#logTimer]) {
      if (timer !== undefined) wheel.disarm(timer);
    }
    this.endMs = this.#runtime.clock.nowMs();
    for (const filter of settings.filters) filter.onEnd?.(this);
    this.#log('TcpConnectionEnd');
    this.#early = undefined;
    this.#relay?.close(upstream);
    if (!this.#upstreamFlushes) this.#relay = undefined;
    const socket = this.#socket;
    this.#inlet.close();
    if (downstream === 'reset') resetSocket(socket);
    else if (downstream === 'now') socket.destroy();
    else {
      // What comes is not read any more; with both directions ended the socket goes by itself.
      const goes = this.#downstreamEnded && !this.#inlet.isSwift;
      if (!goes) socket.once('finish', () => socket.destroy());
      if (!socket.writableEnded) socket.end();
      else if (socket.writableFinished) socket.destroy();
    }
    this.#checkClosed();
  }

  #checkClosed(): void {
    if (this.#closed || !this.#ended || this.#upstreamFlushes || !this.#socket.destroyed) return;
    this.#closed = true;
    this.#outlet.count();
    if (this.#idleTimer !== undefined) this.#runtime.wheel.disarm(this.#idleTimer);
    // From here on it is one line in the log of its listener.
    this.accessLogType = 'NotSet';
    this.#onClose(this);
  }

  #checkDrain(): void {
    const runtime = this.#runtime;
    if (!runtime.draining || !runtime.settings.checksDrain || this.#ended) return;
    runtime.stats.downstream_cx_drain_close.inc();
    this.#finish('flush', 'now');
  }

  #touch(): void {
    if (this.#idleTimer === undefined || this.#closed) return;
    this.#runtime.wheel.postpone(this.#idleTimer, this.#idleTimeoutMs);
  }

  onTimer(kind: number): void {
    const { stats, settings, wheel } = this.#runtime;
    switch (kind) {
      case IDLE:
        stats.idle_timeout.inc();
        this.#expire('tcp_session_idle_timeout');
        return;
      case LIFETIME:
        stats.max_downstream_connection_duration.inc();
        this.addFlag('DT');
        this.#expire('max_connection_duration_reached');
        return;
      case BACK_OFF:
        this.#attempt();
        return;
      default:
        this.#log('TcpPeriodic');
        wheel.arm(this.#logTimer!, settings.logIntervalMs);
    }
  }

  #expire(reason: string): void {
    if (!this.#ended) {
      this.downstreamLocalCloseReason = reason;
      if (this.#open) this.upstreamLocalCloseReason = reason;
    }
    this.destroy();
  }

  #log(type: string): void {
    this.accessLogType = type;
    if (!this.#ended) this.endMs = this.#runtime.clock.nowMs();
    this.#runtime.writeLog(this);
  }
}
