/** What all connections of one connection manager share while it is in force. */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { H2Surroundings } from '#http/codec/h2/connection-events.ts';
import type { AccessRecord, FilterMetadata } from '#observe/access-record.ts';
import type { Logger } from '#observe/log.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { ClusterMembers, ServerHealth } from '../filter/contract.ts';
import type { OverloadState } from '../overload/state.ts';
import type { ConnectDeps } from '../pool/connect.ts';
import type { PooledDownstream } from '../pool/endpoint-pools.ts';
import type { RouteTable } from '../route/table.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { WriteLog } from './access-log-settings.ts';
import type { ClientCertificate } from './client-cert.ts';
import type { FilterChains } from './filter-hooks.ts';
import type { HostDemand } from './host-demand.ts';
import type { HcmSettings } from './settings.ts';
import type { HttpStats } from './stats.ts';

export interface HcmRuntime {
  readonly settings: HcmSettings;
  readonly chains: FilterChains;
  readonly stats: HttpStats;
  readonly writeLog: WriteLog;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly connecting: ConnectDeps;
  /** Put into x-forwarded-for for peers on the loopback. */
  readonly localAddress: string;
  /** What HTTP/2 connections share. */
  readonly h2: H2Surroundings;
  readonly log: Logger;
  readonly overload: Readonly<OverloadState>;
  readonly health: Readonly<ServerHealth>;
  readonly membersOf: (cluster: string) => ClusterMembers | undefined;
  /** Undefined before RDS has brought them. */
  routes(): RouteTable | undefined;
  /** Requests that wait for what their table does not have yet. */
  readonly hostDemand: HostDemand;
  cluster(name: string): ClusterRuntime | undefined;
  /** A mistake of ours while something of one request was done: it is logged and counted. */
  onException(error: unknown): void;
  /** Value of `date`, made once a second. */
  date(): string;
  /** Whether responses ask for the connection to be closed. */
  draining: boolean;
}

/** What judges a connection by network filters that wait for its bytes. */
export interface DataGuard {
  /**
   * Bytes have come, or their end. One that does not pass ends, at once or after a while.
   *
   * @param record of the connection, where nothing but the connection is kept a record of
   * @returns whether they may go on
   */
  passes(record?: AccessRecord): boolean;
  /** The connection is closed. */
  stop(): void;
}

/** Facts about a downstream connection that hold for all its requests. */
export interface DownstreamFacts extends PooledDownstream {
  readonly connectionId: number;
  /** `127.0.0.1:50000`; '' for an internal connection. */
  readonly remoteAddress: string;
  readonly remoteIp: string;
  readonly localAddress: string;
  readonly localPort: number;
  /** Whether that is where the connection was made to before it was redirected, and not the listener's own. */
  readonly localRestored: boolean;
  /** Of the socket itself, where a PROXY header or a redirection says otherwise above. */
  readonly directRemoteAddress: string;
  readonly directRemoteIp: string;
  readonly directLocalAddress: string;
  /** Name of the filter chain; '' for none. */
  readonly chainName: string;
  readonly metadata: FilterMetadata | undefined;
  readonly secure: boolean;
  readonly serverName: string;
  readonly tlsVersion: string;
  readonly peer: TlsPeer;
  readonly ownUri: string;
  readonly certificate: ClientCertificate | undefined;
  /** Asked before anything is done with what has come; undefined: everything passes. */
  readonly guard: DataGuard | undefined;
}

/** An HTTP date, renewed when the second changes. */
export function createDate(clock: Clock): () => string {
  let second = -1;
  let text = '';
  return () => {
    const now = Math.floor(clock.wallMs() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toUTCString();
    }
    return text;
  };
}
