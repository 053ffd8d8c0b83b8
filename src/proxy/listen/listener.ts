/** A listener in force: takes connections, has its filters look at them, and chooses their chain. */
import type { Duplex } from 'node:stream';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { ClusterDeps, ClusterRuntime } from '../cluster/cluster.ts';
import { type AdjustableCount, limitedCount, type SharedCounts } from '../cluster/limited-count.ts';
import type { Extensions } from '../discovered.ts';
import type { ServerHealth } from '../filter/contract.ts';
import { openLogs, type WriteLog } from '../hcm/access-log-settings.ts';
import type { HostDemand } from '../hcm/host-demand.ts';
import { isDrawn, isShed } from '../overload/draw.ts';
import { calm, type OverloadState } from '../overload/state.ts';
import type { RouteTable } from '../route/table.ts';
import type { ScopeHolders } from '../scope-holders.ts';
import { AcceptedConnection, type ConnectionOwner } from './accepted.ts';
import { Chain } from './chain.ts';
import { ChainMatcher } from './chain-match.ts';
import type { ChainSettings } from './chain-settings.ts';
import { ConnectionRecord } from './connection-record.ts';
import { Inspection, type InspectionHandler } from './inspection.ts';
import { ListenerFilters } from './listener-filters.ts';
import { createListenerStats, type ListenerStats } from './listener-stats.ts';
import { chainsOf, type ListenerSettings } from './settings.ts';

export interface ListenerDeps extends ClusterDeps {
  readonly health: ServerHealth;
  routes(name: string): RouteTable | undefined;
  readonly scopes: ScopeHolders;
  readonly hostDemand: HostDemand;
  /** Configurations of filters that come by name. */
  readonly extensions: Extensions;
  cluster(name: string): ClusterRuntime | undefined;
  nextConnectionId(): number;
  /** The listener that has the address, where a connection to it may be handed over. */
  listenerAt(ip: string, port: number): ListenerRuntime | undefined;
}

/** The chains of a listener, and how they are chosen. */
interface ChainSet {
  readonly chains: readonly Chain[];
  readonly byDefault: Chain | undefined;
  readonly matcher: ChainMatcher<Chain>;
}

/** Other chains for a listener that goes on, not yet in force. */
export interface ChainUpdate {
  /** @returns the chains that are no more: they drain, and are forgotten then. */
  commit(): readonly Chain[];
  abandon(): void;
}

export class ListenerRuntime implements ConnectionOwner, InspectionHandler {
  settings: ListenerSettings;
  readonly #deps: ListenerDeps;
  readonly #stats: ListenerStats;
  readonly #filters: ListenerFilters;
  readonly #writeLog: WriteLog | undefined;
  /** Of this listener, against the limit that the runtime may set. */
  readonly #count: AdjustableCount | undefined;
  #set: ChainSet;
  /** Connections that filters look at. */
  readonly #pending = new Map<AcceptedConnection, Inspection>();
  #onIdle: (() => void) | undefined;

  /**
   * @param metrics its own; those of a chain come with its settings
   * @throws the system's error where a log cannot be opened.
   */
  constructor(settings: ListenerSettings, deps: ListenerDeps, metrics: MetricRegistry) {
    this.settings = settings;
    // Time-outs and memory are those of the thread, whoever they are of.
    const { timers, accounts } = deps.overload ?? calm;
    this.#deps = settings.bypassesOverload ? { ...deps, overload: { ...calm, timers, accounts } } : deps;
    this.#stats = createListenerStats(metrics, settings.statAddress, deps.thread?.index ?? 0);
    this.#filters = new ListenerFilters(settings.filters, {
      metrics,
      log: deps.log,
      extensions: deps.extensions,
    });
    this.#writeLog = settings.logs.length === 0 ? undefined : openLogs(settings.logs, deps);
    const shared = deps.sharedCounts?.('listener', settings.name);
    this.#count = deps.runtime && limitedCount(shared, 0, Number.POSITIVE_INFINITY);
    this.onRuntime();
    this.#set = this.#createChains(settings, [], shared);
  }

  /** Values of the runtime have changed. */
  onRuntime(): void {
    const key = `envoy.resource_limits.listener.${this.settings.name}.connection_limit`;
    this.#count?.setLimit(this.#deps.runtime!.integer(key, Number.POSITIVE_INFINITY));
  }

  get activeConnections(): number {
    return this.#chains.reduce((sum, { connections }) => sum + connections.size, this.#pending.size);
  }

  get #chains(): readonly Chain[] {
    const { chains, byDefault } = this.#set;
    return byDefault === undefined ? chains : [...chains, byDefault];
  }

  // --- the way of a connection

  /** @param path of the Unix socket it came by. */
  accept(socket: Duplex, path = ''): void {
    const { settings } = this;
    const stats = this.#stats;
    stats.connections_accepted_per_socket_event.record(1);
    const { connectionLimits, nextConnectionId, clock, overload } = this.#deps;
    if (overload !== undefined && this.#isOverloaded(overload)) {
      stats.downstream_cx_overload_reject.inc();
      refuse(socket);
      return;
    }
    const global = settings.ignoresGlobalLimit ? undefined : connectionLimits?.process;
    if (global !== undefined && !global.take()) {
      stats.downstream_global_cx_overflow.inc();
      refuse(socket);
      return;
    }
    if (this.#count !== undefined && !this.#count.take()) {
      global?.release();
      stats.downstream_cx_overflow.inc();
      refuse(socket);
      return;
    }
    const connection = new AcceptedConnection(socket, this, nextConnectionId(), clock.nowMs(), path);
    connection.globalCount = global;
    connection.listenerCount = this.#count;
    this.#look(connection);
  }

  #isOverloaded(overload: Readonly<OverloadState>): boolean {
    const { rejectsConnections, shedsConnections } = overload;
    if (rejectsConnections === 0 && shedsConnections === 0) return false;
    const { random } = this.#deps;
    return isShed(overload, 'shedsConnections', random) || isDrawn(rejectsConnections, random);
  }

  /** Takes a connection over from the listener that accepted it. */
  #takeOver(connection: AcceptedConnection): void {
    connection.owner = this;
    connection.handedOver = true;
    connection.listenerCount?.release();
    connection.listenerCount = undefined;
    if (this.#count !== undefined && !this.#count.take()) {
      this.#stats.downstream_cx_overflow.inc();
      connection.socket.destroy();
      return;
    }
    connection.listenerCount = this.#count;
    this.#look(connection);
  }

  #look(connection: AcceptedConnection): void {
    const filters = this.#filters.current;
    if (filters === undefined) {
      this.#stats.extension_config_missing.inc();
      connection.socket.destroy();
      return;
    }
    if (filters.length === 0) {
      this.#choose(connection);
      return;
    }
    const inspection = new Inspection(connection, filters, this);
    this.#pending.set(connection, inspection);
    this.#stats.downstream_pre_cx_active.add(1);
    const { filterTimeoutMs } = this.settings;
    if (inspection.run() && filterTimeoutMs > 0) connection.armTimer(this.#deps.wheel, filterTimeoutMs);
  }

  onInspected(connection: AcceptedConnection): void {
    this.#looked(connection);
    const { localIp, localPort, localRestored, handedOver } = connection;
    if (this.settings.handsOver && localRestored && !handedOver) {
      const other = this.#deps.listenerAt(localIp, localPort);
      if (other !== undefined && other !== this) {
        other.#takeOver(connection);
        return;
      }
    }
    this.#choose(connection);
  }

  onRefused(connection: AcceptedConnection): void {
    this.#looked(connection);
    connection.socket.destroy();
  }

  onException(connection: AcceptedConnection, error: unknown): void {
    this.#looked(connection);
    this.#stats.downstream_listener_filter_error.inc();
    this.#deps.onException(error);
    connection.socket.destroy();
  }

  onCutShort(connection: AcceptedConnection): void {
    this.#looked(connection);
    this.#stats.downstream_listener_filter_remote_close.inc();
    connection.socket.destroy();
  }

  #looked(connection: AcceptedConnection): void {
    connection.stopTimer(this.#deps.wheel);
    this.#pending.delete(connection);
    this.#stats.downstream_pre_cx_active.add(-1);
  }

  #choose(connection: AcceptedConnection): void {
    const { matcher, byDefault } = this.#set;
    const chain = matcher.find(connection) ?? byDefault;
    const stats = this.#stats;
    if (chain === undefined) {
      stats.no_filter_chain_match.inc();
      connection.flags = 'NR';
      connection.socket.destroy();
      return;
    }
    stats.downstream_cx_total.inc();
    stats.downstream_cx_active.add(1);
    stats.worker_cx_total.inc();
    stats.worker_cx_active.add(1);
    chain.take(connection);
  }

  onLate(connection: AcceptedConnection): void {
    const inspection = this.#pending.get(connection);
    if (inspection === undefined) {
      if (connection.phase === 'handshake') this.#stats.downstream_cx_transport_socket_connect_timeout.inc();
      connection.socket.destroy();
      return;
    }
    this.#stats.downstream_pre_cx_timeout.inc();
    this.#looked(connection);
    inspection.giveBack();
    if (this.settings.continuesOnTimeout) this.#choose(connection);
    else connection.socket.destroy();
  }

  onClosed(connection: AcceptedConnection): void {
    const stats = this.#stats;
    const { clock } = this.#deps;
    const { chain, phase } = connection;
    if (this.#pending.has(connection)) {
      this.#looked(connection);
      stats.downstream_listener_filter_remote_close.inc();
    }
    if (chain !== undefined) {
      connection.stopTimer(this.#deps.wheel);
      chain.leave(connection);
      stats.downstream_cx_active.add(-1);
      stats.worker_cx_active.add(-1);
      stats.downstream_cx_destroy.inc();
      stats.downstream_cx_length_ms.record(clock.nowMs() - connection.startMs);
    }
    connection.globalCount?.release();
    connection.listenerCount?.release();
    // What `tcp_proxy` served keeps a record of its own, which knows more.
    const kept = phase === 'served' && connection.filters?.settings.tcp !== undefined;
    if (this.#writeLog !== undefined && !kept) this.#writeLog(new ConnectionRecord(connection, clock));
    connection.phase = 'closed';
    connection.closed();
    this.#checkIdle();
  }

  // --- the chains

  /** Chains that are the same are kept, with their connections. @throws as the constructor does. */
  prepareUpdate(settings: ListenerSettings): ChainUpdate {
    const before = this.#chains;
    const set = this.#createChains(settings, before, this.#deps.sharedCounts?.('listener', settings.name));
    const after = set.byDefault === undefined ? set.chains : [...set.chains, set.byDefault];
    return {
      commit: () => {
        this.settings = settings;
        this.#set = set;
        forgetUnused(settings, after);
        return before.filter((chain) => !after.includes(chain));
      },
      abandon: () => {
        for (const chain of after) if (!before.includes(chain)) chain.close();
      },
    };
  }

  #createChains(
    { chains, defaultChain }: ListenerSettings,
    known: readonly Chain[],
    shared: SharedCounts | undefined,
  ): ChainSet {
    const fresh: Chain[] = [];
    const create = (settings: ChainSettings, index: number): Chain => {
      const same = known.find((chain) => chain.settings.key() === settings.key());
      if (same !== undefined) return same;
      const chain = new Chain(settings, {
        stats: this.#stats,
        metrics: settings.metrics,
        statAddress: this.settings.statAddress,
        countTo: (limit) => limitedCount(shared, 1 + index, limit),
        writeLog: this.#writeLog,
        deps: this.#deps,
      });
      fresh.push(chain);
      return chain;
    };
    const matcher = new ChainMatcher<Chain>();
    try {
      const made = chains.map((settings, i) => {
        const chain = create(settings, i);
        matcher.add(settings.match, chain);
        return chain;
      });
      return { chains: made, byDefault: defaultChain && create(defaultChain, chains.length), matcher };
    } catch (error) {
      for (const chain of fresh) chain.close();
      throw error;
    }
  }

  // --- the end

  /** Its chains' figures are shown no more. */
  forget(): void {
    for (const chain of this.#chains) chain.settings.metrics.release();
  }

  /** Whether responses close their connections for now. */
  setDraining(draining: boolean): void {
    for (const chain of this.#chains) chain.setDraining(draining);
  }

  /** Responses from now on close their connections. Resolves when none is left. */
  drain(): Promise<void> {
    for (const chain of this.#chains) void chain.drain();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  /** Ends HTTP connections on which no request is under way. */
  closeIdle(): void {
    for (const chain of this.#chains) chain.closeIdle();
  }

  close(): void {
    for (const chain of this.#chains) chain.close();
    for (const { socket } of this.#pending.keys()) socket.destroy();
  }

  #checkIdle(): void {
    if (this.#onIdle === undefined || this.activeConnections > 0) return;
    this.#onIdle();
    this.#onIdle = undefined;
  }
}

/** Of a chain that was there already there are settings anew, which have figures too. */
function forgetUnused(settings: ListenerSettings, used: readonly Chain[]): void {
  for (const { metrics } of chainsOf(settings)) {
    if (!used.some((chain) => chain.settings.metrics === metrics)) metrics.release();
  }
}

/** Closes a connection nothing is known of yet. */
function refuse(socket: Duplex): void {
  socket.on('error', ignore);
  socket.destroy();
}

function ignore(): void {}
