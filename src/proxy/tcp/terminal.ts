/** The network filters that end a chain without HTTP, in force: `tcp_proxy`, `echo`, `direct_response`. */
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import { openLogs } from '../hcm/access-log-settings.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import { TcpConnection } from './connection.ts';
import { serveDirectResponse } from './direct-response.ts';
import { serveEcho } from './echo.ts';
import { GuardedNetworkFilter } from './network-filter.ts';
import { PlainRecord } from './plain-record.ts';
import type { RelayDeps } from './relay.ts';
import type { TcpRuntime } from './runtime.ts';
import type { TcpSettings } from './settings.ts';
import { createTcpStats } from './stats.ts';

/** What ends a chain without HTTP. */
export type TcpTerminalSettings =
  | TcpSettings
  | { readonly kind: 'echo' }
  | { readonly kind: 'direct-response'; readonly response: Buffer };

export interface TcpTerminalDeps extends DataPathDeps, RelayDeps {
  readonly clock: Clock;
  readonly random: Random;
  cluster(name: string): ClusterRuntime | undefined;
  /** A mistake of ours: it is logged and counted. */
  onException(error: unknown): void;
}

/** A connection that is served. */
export interface ServedConnection {
  /** Ends when idle: which one without HTTP is, nobody can say. */
  drain(): void;
  /** Ends it now. */
  destroy(): void;
}

/** One that a network filter did not let in. Envoy writes a line of it. */
export interface LimitedConnection {
  readonly facts: DownstreamFacts;
  readonly gate: { readonly closeReason: string; readonly flag: string };
}

export interface TcpTerminal {
  /** @param socket plain, or with TLS around it. */
  serve(socket: Duplex, facts: DownstreamFacts): ServedConnection;
  /** Counts a connection that never got here: to Envoy it was there from the start. */
  countRefused(limited?: LimitedConnection): void;
  /** Whether connections that look at it are to be closed. */
  setDraining(draining: boolean): void;
}

/**
 * @param onRecord gets the record of each connection when it has ended.
 * @throws the system's error where a log cannot be opened.
 */
export function createTcpTerminal(
  settings: TcpTerminalSettings,
  metrics: MetricRegistry,
  onRecord: (record: AccessRecord) => void,
  deps: TcpTerminalDeps,
): TcpTerminal {
  switch (settings.kind) {
    case 'echo':
      return plainTerminal((socket, facts) => serveEcho(socket, facts, deps.clock, onRecord));
    case 'direct-response':
      return plainTerminal((socket, facts) =>
        serveDirectResponse(socket, facts, settings.response, deps.clock, onRecord),
      );
    default:
      return proxyTerminal(settings, metrics, onRecord, deps);
  }
}

function plainTerminal(serve: TcpTerminal['serve']): TcpTerminal {
  return { serve, countRefused() {}, setDraining() {} };
}

function proxyTerminal(
  settings: TcpSettings,
  metrics: MetricRegistry,
  onRecord: (record: AccessRecord) => void,
  deps: TcpTerminalDeps,
): TcpTerminal {
  const onException = (error: unknown): void => deps.onException(error);
  const runtime: TcpRuntime = {
    settings: {
      ...settings,
      filters: settings.filters.map((filter) => new GuardedNetworkFilter(filter, onException)),
    },
    clock: deps.clock,
    wheel: deps.wheel,
    random: deps.random,
    connecting: deps,
    writeLog: openLogs(settings.logs, deps),
    stats: createTcpStats(metrics, settings.statPrefix),
    duplicateDescriptor: deps.duplicateDescriptor,
    secondDescriptors: deps.secondDescriptors,
    draining: false,
    cluster: (name) => deps.cluster(name),
  };
  return {
    serve: (socket, facts) => new TcpConnection(socket, facts, runtime, onRecord),
    countRefused(limited) {
      runtime.stats.downstream_cx_total.inc();
      if (limited === undefined) return;
      const record = new PlainRecord(limited.facts, deps.clock);
      record.accessLogType = 'TcpConnectionEnd';
      record.responseFlags = limited.gate.flag;
      record.downstreamLocalCloseReason = limited.gate.closeReason;
      record.endMs = record.startMs;
      runtime.writeLog(record);
    },
    setDraining(draining) {
      runtime.draining = draining;
    },
  };
}
