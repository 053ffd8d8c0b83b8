/** A filter chain in force: lets connections in, does their TLS, and serves them. */
import type { Duplex } from 'node:stream';
import type { LimitedCount } from '../cluster/limited-count.ts';
import type { LineSink } from '../data-path-deps.ts';
import type { WriteLog } from '../hcm/access-log-settings.ts';
import type { DataGuard } from '../hcm/runtime.ts';
import { createDownstreamTls, type DownstreamTls } from '../tls/downstream.ts';
import type { DownstreamTlsSettings } from '../tls/downstream-settings.ts';
import type { AcceptedConnection } from './accepted.ts';
import type { ChainSettings } from './chain-settings.ts';
import { ADMITTED, type ConnectionGate, DataGuards } from './connection-gate.ts';
import type { ListenerDeps } from './listener.ts';
import type { ListenerStats } from './listener-stats.ts';
import { createTerminal, type Terminal } from './terminal.ts';

/** What a chain has of its listener. */
export interface ChainSurroundings {
  readonly stats: ListenerStats;
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
  readonly #gates: readonly ConnectionGate[];
  readonly #guards: readonly ((connection: AcceptedConnection) => DataGuard)[];
  readonly #tls: DownstreamTls<AcceptedConnection> | undefined;
  readonly #terminal: Terminal;
  #onIdle: (() => void) | undefined;
  draining = false;

  /** @throws the system's error where a log cannot be opened. */
  constructor(settings: ChainSettings, surroundings: ChainSurroundings) {
    const { stats, countTo, deps } = surroundings;
    this.settings = settings;
    this.#deps = deps;
    this.#stats = stats;
    this.#gates = settings.gates.map((gate) => gate.create(deps.metrics, countTo));
    this.#guards = settings.guards.map((guard) => guard.create(deps.metrics, deps.wheel));
    this.#terminal = createTerminal(settings, surroundings);
    this.#tls = settings.tls && this.#createTls(settings.tls);
  }

  /** Takes a connection the chain was chosen for. */
  take(connection: AcceptedConnection): void {
    connection.chain = this;
    this.connections.add(connection);
    for (const gate of this.#gates) {
      const delayMs = gate.admit();
      if (delayMs === ADMITTED) {
        connection.admitted++;
        continue;
      }
      connection.phase = 'limited';
      this.#terminal.countRefused(this.#tls !== undefined, { facts: connection, gate });
      if (delayMs === 0) connection.socket.destroy();
      else connection.armTimer(this.#deps.wheel, delayMs);
      return;
    }
    if (this.#tls === undefined) {
      this.#serve(connection, connection.socket);
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
          this.#serve(connection, socket);
        },
        onRefused: (connection, reason) => {
          connection.transportFailure = reason;
          this.#terminal.countRefused(true);
          this.#deps.log.debug('listen.tls-refused', { chain: this.settings.name, reason });
        },
      },
    );
  }

  #serve(connection: AcceptedConnection, socket: Duplex): void {
    connection.phase = 'served';
    if (this.#guards.length > 0)
      connection.guard = new DataGuards(this.#guards.map((create) => create(connection)));
    try {
      connection.served = this.#terminal.serve(socket, connection);
    } catch (error) {
      this.#deps.onException(error);
      connection.socket.destroy();
    }
  }

  /** A connection of its is closed. */
  leave(connection: AcceptedConnection): void {
    this.connections.delete(connection);
    for (let i = 0; i < connection.admitted; i++) this.#gates[i]!.release();
    connection.admitted = 0;
    this.#checkIdle();
  }

  /** Responses from now on close their connections. Resolves when none is left. */
  drain(): Promise<void> {
    this.draining = true;
    this.#terminal.setDraining(true);
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  /** Responses close their connections, or do no more. */
  setDraining(draining: boolean): void {
    if (!this.draining) this.#terminal.setDraining(draining);
  }

  /** Ends HTTP connections on which no request is under way. */
  closeIdle(): void {
    for (const { served } of this.connections) served?.drain();
  }

  close(): void {
    this.#tls?.close();
    this.#terminal.close();
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
