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
  prematureResets: 10,
  receivedMessagingError: 11,
  receivedReset: 12,
  sentReset: 13,
  streamRefusedErrors: 14,
  trailers: 15,
  flushTimeout: 16,
  continuationFlood: 17,
  handlerError: 18,
  headerListTooLarge: 19,
} as const;

export type H2Counter = (typeof h2Counter)[keyof typeof h2Counter];

/**
 * Names below `http2.`, by index. Envoy's, but for `inbound_control_flood`, `continuation_flood` and
 * `handler_error`, and `premature_resets`, which Envoy counts for the listener as
 * `downstream_rq_too_many_premature_resets`.
 */
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
  'premature_resets',
  'rx_messaging_error',
  'rx_reset',
  'tx_reset',
  'stream_refused_errors',
  'trailers',
  'tx_flush_timeout',
  'continuation_flood',
  'handler_error',
  'header_list_size_too_large',
];
