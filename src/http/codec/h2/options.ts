/** Settings of one connection: Envoy's Http2ProtocolOptions in exact types, and what stands elsewhere in its configuration. */

/** `connection_keepalive`: PINGs that see whether the peer is still there. */
export interface KeepAliveOptions {
  /** Between PINGs; 0: none. */
  readonly intervalMs: number;
  /** How long the answer may take. */
  readonly timeoutMs: number;
  /** Part of the interval added at random, in percent. */
  readonly intervalJitterPercent: number;
  /** A connection idle for so long is asked before it gets a new request; 0: never. */
  readonly idleIntervalMs: number;
}

export interface H2Options {
  /** SETTINGS_HEADER_TABLE_SIZE, and what our own encoder spends at most. */
  readonly hpackTableSize: number;
  /** Streams the peer may have open; on the client side also those we open at most. */
  readonly maxConcurrentStreams: number;
  /** Bytes, at least 65,535; 0: tuned to bandwidth and delay. */
  readonly initialStreamWindowSize: number;
  /** Bytes, at least 65,535; 0: tuned to bandwidth and delay. */
  readonly initialConnectionWindowSize: number;
  /** Extended CONNECT (RFC 8441). */
  readonly allowConnect: boolean;
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  readonly maxInboundPriorityFramesPerStream: number;
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** Whether an invalid message ends its stream alone, not the connection. */
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly keepAlive: KeepAliveOptions;
  /** Further SETTINGS: id, value, id, value. */
  readonly customSettings: readonly number[];
  /** `max_request_headers_kb` or `max_response_headers_kb`, in bytes (RFC 9113 §6.5.2). */
  readonly maxHeaderListBytes: number;
  /** `max_headers_count`. */
  readonly maxHeaderFields: number;
  /** How long a finished message may wait for the peer's window (`stream_flush_timeout`); 0: for ever. */
  readonly streamFlushTimeoutMs: number;
  /** Unsent bytes of a stream from which on it is full (`per_connection_buffer_limit_bytes`). */
  readonly streamBufferBytes: number;
  /** Streams closed before it counts how many of them were reset too early (Envoy's `overload.premature_reset_total_stream_count`). */
  readonly prematureResetStreams: number;
  /** A stream reset later is not reset too early (Envoy's `overload.premature_reset_min_stream_lifetime_seconds`). */
  readonly prematureResetLifetimeMs: number;
  /** Bytes of one name or value at most, as it is encoded (`max_header_field_size_kb`). */
  readonly maxFieldBytes: number;
  /** Server: RST_STREAM that may come at once, and what each second allows of them. */
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
}

/** Envoy's defaults, but for the windows, which tune themselves. */
export const defaultH2Options: H2Options = {
  hpackTableSize: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 0,
  initialConnectionWindowSize: 0,
  allowConnect: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  streamErrorOnInvalidHttpMessage: false,
  keepAlive: { intervalMs: 0, timeoutMs: 0, intervalJitterPercent: 15, idleIntervalMs: 0 },
  customSettings: [],
  maxHeaderListBytes: 60 * 1024,
  maxHeaderFields: 100,
  streamFlushTimeoutMs: 300_000,
  streamBufferBytes: 1024 * 1024,
  prematureResetStreams: 500,
  prematureResetLifetimeMs: 1000,
  maxFieldBytes: 65_536,
  streamResetBurst: 1000,
  streamResetRate: 33,
};
