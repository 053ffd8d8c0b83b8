/** A filter chain in force: lets connections in, does their TLS, and serves them. */
import type { Duplex } from 'node:stream';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { LimitedCount } from '../cluster/limited-count.ts';
import type { LineSink } from '../data-path-deps.ts';
import type { WriteLog } from '../hcm/access-log-settings.ts';
import { createDownstreamTls, type DownstreamTls } from '../tls/downstream.ts';
import type { DownstreamTlsSettings } from '../tls/downstream-settings.ts';
import type { AcceptedConnection } from './accepted.ts';
import { type ChainFilters, createFilters } from './chain-filters.ts';
import type { ChainSettings } from './chain-settings.ts';
import { ADMITTED, DataGuards } from './connection-gate.ts';
import { FollowedFilters } from './followed-filters.ts';
import type { ListenerDeps } from './listener.ts';
import type { ListenerStats } from './listener-stats.ts';
import { isDiscovered, type NetworkFilters } from './network-filters.ts';

/** What a chain has of its listener. */
export interface ChainSurroundings {
  readonly stats: ListenerStats;
  /** Of the chain alone. */
  readonly metrics: MetricRegistry;
  /** Its part of the names of statistics. */
  readonly statAddress: string;
  /** Makes a count of this chain's connections, over all threads, with that limit. */
  readonly countTo: (limit: number) => LimitedCount;
  /** Of the listener; undefined where it has no log. */
  readonly writeLog: WriteLog | undefined;
  readonly deps: ListenerDeps;
}

export class Chain {
  readonly settings: ChainSettings;
  /** From the choice of the chain to their end. */
  readonly connections: Set<AcceptedConnection> = new Set();
  readonly #deps: ListenerDeps;
  readonly #stats: ListenerStats;
  readonly #surroundings: ChainSurroundings;
  /** Undefined where no filter has its configuration by name. */
  readonly #followed: FollowedFilters | undefined;
  /** For connections to come; undefined while the configuration of one is missing. */
  #filters: ChainFilters | undefined;
  /** Those there were last: what stays the same goes on. */
  #made: ChainFilters | undefined;
  readonly #tls: DownstreamTls<AcceptedConnection> | undefined;
  #onIdle: (() => void) | undefined;
  draining = false;
  /** Whether responses close their connections. */
  #closing = false;

  /** @throws the system's error where a log cannot be opened. */
  constructor(settings: ChainSettings, surroundings: ChainSurroundings) {
    const { stats, deps } = surroundings;
    this.#surroundings = surroundings;
    this.settings = settings;
    this.#deps = deps;
    this.#stats = stats;
    const follows = settings.placed.some(isDiscovered);
    this.#followed = follows ? new FollowedFilters(settings.placed, deps.extensions) : undefined;
    const first = this.#followed === undefined ? settings : this.#followed.current;
    this.#filters = first && createFilters(first, surroundings);
    this.#made = this.#filters;
    this.#tls = settings.tls && this.#createTls(settings.tls);
  }

  /** Has the filters of now serve the connections to come. */
  #refresh(wanted: NetworkFilters | undefined): void {
    if (wanted === this.#filters?.settings) return;
    try {
      this.#filters = wanted && createFilters(wanted, this.#surroundings, this.#made);
      this.#filters?.terminal.setDraining(this.#closing);
      this.#made = this.#filters ?? this.#made;
    } catch (error) {
      this.#deps.log.warn('listen.filters-not-created', { chain: this.settings.name, error });
      this.#filters = undefined;
    }
  }

  /** Takes a connection the chain was chosen for. */
  take(connection: AcceptedConnection): void {
    connection.chain = this;
    this.connections.add(connection);
    if (this.#followed !== undefined) this.#refresh(this.#followed.current);
    const filters = this.#filters;
    if (filters === undefined) {
      this.#stats.network_extension_config_missing.inc();
      connection.socket.destroy();
      return;
    }
    connection.filters = filters;
    for (const gate of filters.gates) {
      const delayMs = gate.admit(connection);
      if (delayMs === ADMITTED) {
        connection.admitted++;
        continue;
      }
      connection.phase = 'limited';
      filters.terminal.countRefused(this.#tls !== undefined, { facts: connection, gate });
      if (delayMs === 0) connection.socket.destroy();
      else connection.armTimer(this.#deps.wheel, delayMs);
      return;
    }
    if (this.#tls === undefined) {
      this.#serve(connection, connection.socket, filters);
      return;
    }
    connection.phase = 'handshake';
    const { handshakeTimeoutMs } = this.settings;
    if (handshakeTimeoutMs > 0)
      connection.armTimer(this.#deps.wheel, handshakeTimeoutMs, this.#deps.overload?.timers.handshake);
    this.#tls.accept(connection.socket, connection);
  }

  #createTls(settings: DownstreamTlsSettings): DownstreamTls<AcceptedConnection> {
    const { secrets, clock, thread, leanTlsAfter: leanAfter } = this.#deps;
    const { scope } = this.#stats;
    const keepsChains = this.settings.http?.clientCert.chain ?? false;
    const openLog = (path: string): LineSink => this.#deps.openLog(path);
    return createDownstreamTls<AcceptedConnection>(
      settings,
      { secrets, clock, scope, openLog, ticketSecret: thread?.ticketSecret, keepsChains, leanAfter },
      {
        onSecure: (connection, socket, peer) => {
          if (connection.phase !== 'handshake') {
            socket.destroy();
            return;
          }
          connection.stopTimer(this.#deps.wheel);
          connection.secured(socket, peer);
          this.#serve(connection, socket, connection.filters!);
        },
        onRefused: (connection, reason) => {
          connection.transportFailure = reason;
          connection.filters?.terminal.countRefused(true);
          this.#deps.log.debug('listen.tls-refused', { chain: this.settings.name, reason });
        },
      },
    );
  }

  #serve(connection: AcceptedConnection, socket: Duplex, { guards, terminal }: ChainFilters): void {
    connection.phase = 'served';
    if (guards.length > 0) connection.guard = new DataGuards(guards.map((create) => create(connection)));
    try {
      connection.served = terminal.serve(socket, connection);
    } catch (error) {
      this.#deps.onException(error);
      connection.socket.destroy();
    }
  }

  /** A connection of its is closed. */
  leave(connection: AcceptedConnection): void {
    this.connections.delete(connection);
    for (let i = 0; i < connection.admitted; i++) connection.filters!.gates[i]!.release(connection);
    connection.admitted = 0;
    this.#checkIdle();
  }

  /** Responses from now on close their connections. Resolves when none is left. */
  drain(): Promise<void> {
    this.draining = true;
    this.#setClosing(true);
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  /** Responses close their connections, or do no more. */
  setDraining(draining: boolean): void {
    if (!this.draining) this.#setClosing(draining);
  }

  #setClosing(closing: boolean): void {
    this.#closing = closing;
    const terminals = new Set([this.#filters?.terminal]);
    if (this.#followed !== undefined)
      for (const { filters } of this.connections) terminals.add(filters?.terminal);
    for (const terminal of terminals) terminal?.setDraining(closing);
  }

  /** Ends HTTP connections on which no request is under way. */
  closeIdle(): void {
    for (const { served } of this.connections) served?.drain();
  }

  close(): void {
    this.#tls?.close();
    for (const { served, socket } of this.connections) {
      served?.destroy();
      socket.destroy();
    }
  }

  #checkIdle(): void {
    if (this.connections.size > 0) return;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }
}
