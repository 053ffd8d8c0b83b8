/** What a connection counts: indexes into the names of Envoy's `http2.*` statistics. */

export const h2Counter = {
  goAwaySent: 0,
  headerOverflow: 1,
  headersWithoutStream: 2,
  inboundControlFlood: 3,
  inboundEmptyFramesFlood: 4,
  inboundPriorityFramesFlood: 5,
  inboundWindowUpdateFramesFlood: 6,
  keepAliveTimeout: 7,
  outboundControlFlood: 8,
  outboundFlood: 9,
  receivedMessagingError: 10,
  receivedReset: 11,
  sentReset: 12,
  streamRefusedErrors: 13,
  trailers: 14,
  flushTimeout: 15,
  continuationFlood: 16,
  handlerError: 17,
  headerListTooLarge: 18,
  bodyMemoryOverflow: 19,
} as const;

export type H2Counter = (typeof h2Counter)[keyof typeof h2Counter];

/** Names below `http2.`, by index. Envoy's, but for `inbound_control_flood`, `continuation_flood`, `handler_error` and `body_memory_overflow`. */
export const h2CounterNames: readonly string[] = [
  'goaway_sent',
  'header_overflow',
  'headers_cb_no_stream',
  'inbound_control_flood',
  'inbound_empty_frames_flood',
  'inbound_priority_frames_flood',
  'inbound_window_update_frames_flood',
  'keepalive_timeout',
  'outbound_control_flood',
  'outbound_flood',
  'rx_messaging_error',
  'rx_reset',
  'tx_reset',
  'stream_refused_errors',
  'trailers',
  'tx_flush_timeout',
  'continuation_flood',
  'handler_error',
  'header_list_size_too_large',
  'body_memory_overflow',
];
