/** `connectionPool` of a traffic policy: how much callers may have under way. */
import type { Decoder } from './decode/decoder.ts';
import { object, optional, unsupported } from './decode/object.ts';
import { durationMs, integer } from './decode/scalar.ts';

/** Counts are limits; 0 stands for what holds where nothing is said. Times are milliseconds. */
export interface ConnectionPoolPolicy {
  readonly tcp?: {
    readonly connectTimeout?: number;
    readonly maxConnections?: number;
    readonly maxConnectionDuration?: number;
  };
  readonly http?: {
    readonly http1MaxPendingRequests?: number;
    readonly http2MaxRequests?: number;
    readonly maxRequestsPerConnection?: number;
    readonly maxRetries?: number;
    readonly idleTimeout?: number;
  };
}

const MAX_COUNT = 2 ** 31 - 1;
const count = integer(0, MAX_COUNT);

const tcp = object({
  connectTimeout: optional(durationMs),
  maxConnections: optional(count),
  maxConnectionDuration: optional(durationMs),
  idleTimeout: unsupported('adds'),
  tcpKeepalive: unsupported('adds'),
});

const http = object({
  http1MaxPendingRequests: optional(count),
  http2MaxRequests: optional(count),
  maxRequestsPerConnection: optional(count),
  maxRetries: optional(count),
  idleTimeout: optional(durationMs),
  maxConcurrentStreams: unsupported('adds'),
  h2UpgradePolicy: unsupported('adds'),
  useClientProtocol: unsupported('adds'),
  http2KeepAlive: unsupported('adds'),
});

export const connectionPool: Decoder<ConnectionPoolPolicy> = object({
  tcp: optional(tcp),
  http: optional(http),
});
