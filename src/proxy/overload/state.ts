/** What a proxy under pressure no longer does. Read for each request and connection: plain fields. */

import type { StreamAccounts } from './stream-accounts.ts';
import { noScales, type TimerScales } from './timer-scales.ts';

/** Parts, from 0 (nothing is refused) to 1 (everything is). */
export interface OverloadParts {
  /** Of new requests: answered with 503 (Envoy, `envoy.overload_actions.stop_accepting_requests`). */
  stopsRequests: number;
  /** Of responses of HTTP/1: they end their connections (`disable_http_keepalive`). */
  disablesKeepAlive: number;
  /** Of new connections: closed at once (`reject_incoming_connections`, and `stop_accepting_connections`). */
  rejectsConnections: number;
  /** Of requests, at `envoy.load_shed_points.http_connection_manager_decode_headers`: answered with 503. */
  shedsRequests: number;
  /** Of connections, at `tcp_listener_accept`: closed as they come. */
  shedsConnections: number;
  /** Of connections, at `hcm_ondata_creating_codec`: closed when their first bytes come. */
  shedsCodecs: number;
  /** Of requests of HTTP/1, at `http1_server_abort_dispatch`: answered with 500 as they begin, and the connection ends. */
  abortsHttp1: number;
  /** Of connections with each of their reads, at `http2_server_go_away_on_dispatch`: they are drained, HTTP/1 too as in Envoy. */
  startsDrain: number;
}

/** Those that are points of load shedding. */
export type ShedPoint = 'shedsRequests' | 'shedsConnections' | 'shedsCodecs' | 'abortsHttp1' | 'startsDrain';

export interface OverloadState extends OverloadParts {
  readonly timers: TimerScales;
  /** Undefined where no stream is reset for what it holds. */
  readonly accounts: StreamAccounts | undefined;
  /** Something was refused at that point. */
  onShed(point: ShedPoint): void;
}

export const noParts: Readonly<OverloadParts> = {
  stopsRequests: 0,
  disablesKeepAlive: 0,
  rejectsConnections: 0,
  shedsRequests: 0,
  shedsConnections: 0,
  shedsCodecs: 0,
  abortsHttp1: 0,
  startsDrain: 0,
};

/** No pressure, and nobody to change that. */
export const calm: Readonly<OverloadState> = {
  ...noParts,
  timers: noScales,
  accounts: undefined,
  onShed() {},
};
