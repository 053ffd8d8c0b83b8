/** What a proxy under pressure no longer does. Read for each request and connection: plain fields. */

export interface OverloadState {
  /** New requests are answered with 503 (Envoy, `envoy.overload_actions.stop_accepting_requests`). */
  stopsRequests: boolean;
  /** Responses of HTTP/1 end their connections (`disable_http_keepalive`). */
  disablesKeepAlive: boolean;
  /** New connections are closed at once (`reject_incoming_connections`, and `stop_accepting_connections`). */
  rejectsConnections: boolean;
}

/** No pressure, and nobody to change that. */
export const calm: Readonly<OverloadState> = {
  stopsRequests: false,
  disablesKeepAlive: false,
  rejectsConnections: false,
};
