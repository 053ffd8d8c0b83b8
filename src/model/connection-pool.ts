/** `connectionPool` of a traffic policy: how much callers may have under way. */
import type { Decoder } from './decode/decoder.ts';
import { object, optional } from './decode/object.ts';
import { boolean, durationMs, durationMsOrZero, integer, oneOf } from './decode/scalar.ts';

/** What is absent is as the system has it. */
export interface TcpKeepalive {
  readonly probes?: number;
  /** Milliseconds, as the next. */
  readonly time?: number;
  readonly interval?: number;
}

/** Counts are limits; 0 stands for what holds where nothing is said. Times are milliseconds. */
export interface ConnectionPoolPolicy {
  readonly tcp?: {
    readonly connectTimeout?: number;
    readonly maxConnections?: number;
    readonly maxConnectionDuration?: number;
    /** 0: none. */
    readonly idleTimeout?: number;
    readonly tcpKeepalive?: TcpKeepalive;
  };
  readonly http?: {
    readonly http1MaxPendingRequests?: number;
    readonly http2MaxRequests?: number;
    readonly maxRequestsPerConnection?: number;
    readonly maxRetries?: number;
    readonly maxConcurrentStreams?: number;
    readonly idleTimeout?: number;
    readonly h2UpgradePolicy?: 'DEFAULT' | 'DO_NOT_UPGRADE' | 'UPGRADE';
    readonly useClientProtocol?: boolean;
    readonly http2KeepAlive?: { readonly interval?: number; readonly timeout?: number };
  };
}

const MAX_COUNT = 2 ** 31 - 1;
const count = integer(0, MAX_COUNT);

export const tcpKeepalive: Decoder<TcpKeepalive> = object({
  probes: optional(integer(0, 2 ** 32 - 1), 'Unanswered probes after which the connection is given up.'),
  time: optional(durationMs, 'Without traffic, until the first probe.'),
  interval: optional(durationMs, 'Between probes.'),
});

const tcp = object({
  connectTimeout: optional(durationMs, 'To make a connection; 10 s where nothing is said.'),
  maxConnections: optional(count, 'Connections to the cluster of one proxy.'),
  maxConnectionDuration: optional(durationMs, 'After which a connection takes no more requests.'),
  idleTimeout: optional(
    durationMsOrZero,
    'Without traffic, after which a TCP connection ends; `0s`: never. Of HTTP where `http.idleTimeout` says nothing.',
  ),
  tcpKeepalive: optional(tcpKeepalive, 'Whether the peer of an idle connection is still there.'),
});

const http = object(
  {
    http1MaxPendingRequests: optional(count, 'Requests that wait for a connection.'),
    http2MaxRequests: optional(count, 'Requests under way, over HTTP/1.1 too.'),
    maxRequestsPerConnection: optional(count, 'After which a connection takes no more; 1: no keep-alive.'),
    maxRetries: optional(count, 'Retries under way. `retryBudget` takes its place.'),
    maxConcurrentStreams: optional(count, 'Requests of one HTTP/2 connection at once.'),
    idleTimeout: optional(durationMs, 'Without requests, after which a connection ends; 1 h by default.'),
    h2UpgradePolicy: optional(
      oneOf(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']),
      '`UPGRADE`: endpoints are spoken to in HTTP/2, whatever the caller speaks.',
    ),
    useClientProtocol: optional(boolean, 'Endpoints are spoken to in the version that the caller speaks.'),
    http2KeepAlive: optional(
      object({
        interval: optional(durationMs, 'Between PINGs; 30 s where only `timeout` is given.'),
        timeout: optional(durationMs, 'For the answer; 10 s where only `interval` is given.'),
      }),
      'PINGs of HTTP/2 on connections to endpoints.',
    ),
  },
  (of, path, report) => {
    if (of.useClientProtocol === true && of.h2UpgradePolicy === 'UPGRADE')
      report.error([...path, 'useClientProtocol'], 'stands against h2UpgradePolicy UPGRADE: choose one');
  },
);

export const connectionPool: Decoder<ConnectionPoolPolicy> = object(
  {
    tcp: optional(tcp, 'Connections, of HTTP too.'),
    http: optional(http, 'Requests, and connections of HTTP.'),
  },
  (pool, path, report) => {
    if (pool.tcp === undefined && pool.http === undefined)
      report.error(path, 'is empty: say tcp or http, or leave it out');
  },
);
