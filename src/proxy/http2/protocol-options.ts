/** `Http2ProtocolOptions` of a connection manager or a cluster, as the codec takes them. */
import { defaultH2Options, type H2Options } from '#http/codec/h2/options.ts';
import type { Http2ProtocolOptions } from '#xds/gen/envoy/config/core/v3/protocol_pb.js';
import type { Findings } from '../findings.ts';

const MIN_WINDOW_BYTES = 65_535;
/** Envoy's default: so much that streams do not hold each other up. It bounds nothing, since what comes is given back at once. */
const CONNECTION_WINDOW_BYTES = 24 * 1024 * 1024;
const MAX_31_BITS = 0x7fffffff;

/** What stands elsewhere in the configuration. */
export interface ConnectionLimits {
  readonly maxHeaderListBytes: number;
  readonly maxHeaderFields: number;
  readonly streamBufferBytes: number;
  readonly streamFlushTimeoutMs: number;
  /** `stream_error_on_invalid_http_message` of the connection manager, where the options do not say. */
  readonly streamErrors: boolean;
}

export function readHttp2Options(
  options: Http2ProtocolOptions | undefined,
  limits: ConnectionLimits,
  path: string,
  findings: Findings,
): H2Options {
  const number = (name: string, value: number | undefined, otherwise: number, min: number): number => {
    if (value !== undefined && (value < min || value > MAX_31_BITS)) {
      findings.error(`${path}.${name}`, `must be from ${min} to ${MAX_31_BITS}`);
    }
    return value ?? otherwise;
  };
  const keepAlive = options?.connectionKeepalive;
  const at = `${path}.connection_keepalive`;
  if (keepAlive !== undefined && keepAlive.timeout === undefined)
    findings.error(`${at}.timeout`, 'is missing');
  if (options !== undefined) refuseUnsupported(options, path, findings);
  const of = defaultH2Options;
  return {
    ...of,
    hpackTableSize: number('hpack_table_size', options?.hpackTableSize, of.hpackTableSize, 0),
    maxConcurrentStreams: number(
      'max_concurrent_streams',
      options?.maxConcurrentStreams,
      of.maxConcurrentStreams,
      1,
    ),
    initialStreamWindowSize: number(
      'initial_stream_window_size',
      options?.initialStreamWindowSize,
      0,
      MIN_WINDOW_BYTES,
    ),
    initialConnectionWindowSize: number(
      'initial_connection_window_size',
      options?.initialConnectionWindowSize,
      CONNECTION_WINDOW_BYTES,
      MIN_WINDOW_BYTES,
    ),
    allowConnect: options?.allowConnect ?? false,
    maxOutboundFrames: number('max_outbound_frames', options?.maxOutboundFrames, of.maxOutboundFrames, 1),
    maxOutboundControlFrames: number(
      'max_outbound_control_frames',
      options?.maxOutboundControlFrames,
      of.maxOutboundControlFrames,
      1,
    ),
    maxConsecutiveInboundFramesWithEmptyPayload:
      options?.maxConsecutiveInboundFramesWithEmptyPayload ?? of.maxConsecutiveInboundFramesWithEmptyPayload,
    maxInboundPriorityFramesPerStream:
      options?.maxInboundPriorityFramesPerStream ?? of.maxInboundPriorityFramesPerStream,
    maxInboundWindowUpdateFramesPerDataFrameSent:
      options?.maxInboundWindowUpdateFramesPerDataFrameSent ??
      of.maxInboundWindowUpdateFramesPerDataFrameSent,
    streamErrorOnInvalidHttpMessage:
      options?.overrideStreamErrorOnInvalidHttpMessage ??
      (options?.streamErrorOnInvalidHttpMessaging === true || limits.streamErrors),
    keepAlive: {
      intervalMs: findings.durationMs(`${at}.interval`, keepAlive?.interval) ?? 0,
      timeoutMs: findings.durationMs(`${at}.timeout`, keepAlive?.timeout) ?? 0,
      intervalJitterPercent: keepAlive?.intervalJitter?.value ?? of.keepAlive.intervalJitterPercent,
      idleIntervalMs:
        findings.durationMs(`${at}.connection_idle_interval`, keepAlive?.connectionIdleInterval) ?? 0,
    },
    customSettings: customSettings(options, `${path}.custom_settings_parameters`, findings),
    maxHeaderListBytes: limits.maxHeaderListBytes,
    maxHeaderFields: limits.maxHeaderFields,
    streamFlushTimeoutMs: limits.streamFlushTimeoutMs,
    streamBufferBytes: limits.streamBufferBytes,
    maxFieldBytes: maxFieldBytes(options, limits, path, findings),
    streamResetBurst: Number(options?.streamResetBurst ?? of.streamResetBurst),
    streamResetRate: Number(options?.streamResetRate ?? of.streamResetRate),
  };
}

function maxFieldBytes(
  options: Http2ProtocolOptions | undefined,
  { maxHeaderListBytes }: ConnectionLimits,
  path: string,
  findings: Findings,
): number {
  const kilobytes = options?.maxHeaderFieldSizeKb;
  if (kilobytes === undefined) return defaultH2Options.maxFieldBytes;
  const bytes = kilobytes * 1024;
  if (kilobytes < 64 || kilobytes > 256)
    findings.error(`${path}.max_header_field_size_kb`, 'must be from 64 to 256');
  else if (bytes > maxHeaderListBytes)
    findings.error(`${path}.max_header_field_size_kb`, 'is more than all fields may have');
  return bytes;
}

function refuseUnsupported(options: Http2ProtocolOptions, path: string, findings: Findings): void {
  const isSet: Readonly<Record<string, boolean>> = {
    allow_metadata: options.allowMetadata,
    max_metadata_size: options.maxMetadataSize !== undefined,
    // Of Envoy's codecs the one it uses by itself, nghttp2, is the measure.
    use_oghttp2_codec: options.useOghttp2Codec === true,
    enable_huffman_encoding: options.enableHuffmanEncoding === false,
    disallow_obs_text: options.disallowObsText === true,
  };
  for (const [field, set] of Object.entries(isSet)) findings.refuse(`${path}.${field}`, set);
}

/** Settings that have a field of their own are refused here, as in Envoy. */
const OWN_FIELD: ReadonlyMap<number, string> = new Map([
  [0x1, 'hpack_table_size'],
  [0x2, 'ENABLE_PUSH cannot be changed'],
  [0x3, 'max_concurrent_streams'],
  [0x4, 'initial_stream_window_size'],
  [0x8, 'allow_connect'],
]);

function customSettings(
  options: Http2ProtocolOptions | undefined,
  path: string,
  findings: Findings,
): readonly number[] {
  const settings: number[] = [];
  (options?.customSettingsParameters ?? []).forEach(({ identifier, value }, i) => {
    const own = OWN_FIELD.get(identifier ?? 0);
    if (identifier === undefined || identifier > 0xffff) {
      findings.error(`${path}[${i}].identifier`, 'must be from 0 to 65535');
    } else if (own !== undefined) {
      findings.error(`${path}[${i}].identifier`, `${identifier} has a field of its own: ${own}`);
    } else settings.push(identifier, value ?? 0);
  });
  return settings;
}
