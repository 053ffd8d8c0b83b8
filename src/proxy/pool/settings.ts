/** What the connections to the endpoints of a cluster have in common. */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { DecoderLimits } from '#http/codec/h1/decoder.ts';
import type { H2Surroundings } from '#http/codec/h2/connection-events.ts';
import type { H2Options } from '#http/codec/h2/options.ts';
import type { ConnectDeps, ConnectSettings } from './connect.ts';
import type { Preconnect } from './preconnect.ts';

/** `auto`: what ALPN agrees on; `downstream`: what the request came by. */
export type UpstreamProtocol = 'http1' | 'http2' | 'auto' | 'downstream';

/** Connections are for the name of the server that their requests are for. */
export interface AutoName {
  /** Says the name, lower case; '': the host does. */
  readonly header: string;
  /** Whether the name is sent, and whether the certificate must be for it. */
  readonly sends: boolean;
  readonly verifies: boolean;
}

export interface PoolSettings extends ConnectSettings {
  readonly protocol: UpstreamProtocol;
  /** How long an idle connection is kept; 0 for ever. */
  readonly idleTimeoutMs: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  /** 0: no limit. */
  readonly maxConnectionDurationMs: number;
  /** Of one request and its response; 0: no limit. */
  readonly maxStreamDurationMs: number;
  /** By which part of it a connection may last longer, 0 to 1. */
  readonly durationJitter: number;
  /** Whether each downstream connection has connections of its own. */
  readonly perDownstream: boolean;
  readonly preconnect: Preconnect;
  readonly limits: DecoderLimits;
  /** Whether trailers are sent to HTTP/1 endpoints (Envoy, `enable_trailers`). */
  readonly sendsTrailers: boolean;
  /** Whether names are written `Like-This` to HTTP/1 endpoints. */
  readonly properCase: boolean;
  readonly http2: H2Options;
  /** Of TLS; undefined where all requests share connections. */
  readonly autoName: AutoName | undefined;
}

export interface PoolDeps extends ConnectDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly h2: H2Surroundings;
  /** A mistake of ours while something of one request was done. */
  onException(error: unknown): void;
}
