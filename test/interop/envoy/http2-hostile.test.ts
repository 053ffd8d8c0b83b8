/** HTTP/2 from clients that break rules or mean harm: what is refused, what ends, and what is counted. */
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { http2Group } from './harness/http2-group.ts';
import type { Topic } from './harness/topics.ts';
import {
  dataFrame,
  flag,
  frame,
  frameType,
  headersFrame,
  ping,
  preface,
  priorityFrame,
  rstStream,
  setting,
  settingsAck,
  settingsFrame,
  splitHeaders,
  windowUpdate,
} from './wire/h2-frames.ts';
import { fieldsOf, type H2Step, type Http2Options, h2Get, h2Post, http2 } from './wire/http2.ts';

const row =
  (covers: Topic) =>
  (
    name: string,
    steps: readonly H2Step[],
    expect: Expectation,
    options: Http2Options = {},
    more: Partial<Case> = {},
  ): Case => ({
    ...{ name: `h2: ${name}`, covers, expect },
    play: http2(steps, options),
    ...more,
  });

/** The connection ends, with GOAWAY where Envoy says so. */
const ends = (goAway = '', more: Expectation = {}): Expectation => ({
  status: [],
  connection: 'closed',
  ...(goAway === '' ? { never: /^goaway/ } : { client: new RegExp(`^goaway ${goAway}$`) }),
  stats: { 'http.main.downstream_cx_protocol_error': 1 },
  ...more,
});
const flooded = (counter: string): Expectation => ({
  status: [],
  connection: 'closed',
  stats: { [`http2.${counter}`]: 1 },
});

const times = (count: number, bytes: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => bytes));
const broken = row('http2');
const limit = row('limits');
const uint32 = (value: number): Buffer =>
  Buffer.from([value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255]);
const closed = { streams: [] };
/** The connection has ended: what is sent besides would be a race. */
const over: H2Step = { until: ({ closed }) => closed };
const settingsArrived: H2Step = { until: ({ settings }) => settings !== undefined };

/** Rules of RFC 9113 §4 to §6. */
const protocol: readonly Case[] = [
  broken('a stream with an even number', [h2Get('/echo', [], 2)], ends(), closed),
  broken(
    'a stream number that goes back',
    [h2Get('/echo', [], 5), { until: (peer) => peer.stream(5).over }, h2Get('/echo', [], 3)],
    { status: 200, connection: 'open' },
    { streams: [5] },
  ),
  broken(
    'HEADERS on stream 0',
    [(play) => headersFrame(0, fieldsOf('GET', '/echo')(play), true)],
    ends(),
    closed,
  ),
  broken('DATA on stream 0', [dataFrame(0, 'x')], ends('0 PROTOCOL_ERROR'), closed),
  broken('DATA on a stream that never was', [dataFrame(1, 'x')], ends('0 PROTOCOL_ERROR'), closed),
  broken(
    'DATA after the end of the request',
    [h2Get('/slow'), { saw: /slow/ }, dataFrame(1, 'x')],
    ends('1 STREAM_CLOSED'),
    closed,
  ),
  broken(
    'HEADERS after the end of the request',
    [h2Get('/slow'), { saw: /slow/ }, h2Get('/echo')],
    ends('', { log: / 0 DPE http2\.unknown\.nghttp2\.error / }),
    closed,
  ),
  broken('RST_STREAM on a stream that never was', [rstStream(1, 8)], ends(), closed),
  broken(
    'RST_STREAM of three bytes',
    [h2Get('/slow'), { saw: /slow/ }, frame(frameType.rstStream, 0, 1, Buffer.alloc(3))],
    ends('1 FRAME_SIZE_ERROR', { log: / 0 DPE codec_error/ }),
    closed,
  ),
  broken('RST_STREAM on stream 0', [rstStream(0, 8)], ends(), closed),
  broken('WINDOW_UPDATE of nothing on the connection', [windowUpdate(0, 0)], ends(), closed),
  broken(
    'WINDOW_UPDATE of nothing on a stream',
    [h2Get('/slow'), { saw: /slow/ }, windowUpdate(1, 0)],
    ends('', { log: / 0 DPE http2\.unknown\.nghttp2\.error / }),
    closed,
  ),
  broken('WINDOW_UPDATE beyond 2^31-1 on the connection', [windowUpdate(0, 0x7fffffff)], ends(), closed),
  broken(
    'WINDOW_UPDATE beyond 2^31-1 on a stream',
    [h2Get('/slow'), { saw: /slow/ }, windowUpdate(1, 0x7fffffff)],
    ends('', { log: / 0 DPE http2\.unknown\.nghttp2\.error / }),
    closed,
  ),
  broken(
    'WINDOW_UPDATE of three bytes',
    [frame(frameType.windowUpdate, 0, 0, Buffer.alloc(3))],
    ends('0 FRAME_SIZE_ERROR'),
    closed,
  ),
  broken(
    'SETTINGS of five bytes',
    [frame(frameType.settings, 0, 0, Buffer.alloc(5))],
    ends('0 FRAME_SIZE_ERROR'),
    closed,
  ),
  broken('SETTINGS on a stream', [frame(frameType.settings, 0, 1, Buffer.alloc(6))], ends(), closed),
  broken(
    'an acknowledgement of SETTINGS with a payload',
    [frame(frameType.settings, flag.ack, 0, Buffer.alloc(6))],
    ends('0 FRAME_SIZE_ERROR'),
    closed,
  ),
  broken(
    'an acknowledgement of SETTINGS that nobody sent',
    [settingsAck, settingsAck, h2Get('/echo')],
    ends(),
    closed,
  ),
  broken('ENABLE_PUSH of 2', [settingsFrame([[setting.enablePush, 2]])], ends(), closed),
  broken(
    'INITIAL_WINDOW_SIZE of 2^31',
    [settingsFrame([[setting.initialWindowSize, 0x80000000]])],
    ends(),
    closed,
  ),
  broken('MAX_FRAME_SIZE of 100', [settingsFrame([[setting.maxFrameSize, 100]])], ends(), closed),
  broken(
    'PING of seven bytes',
    [frame(frameType.ping, 0, 0, Buffer.alloc(7))],
    ends('0 FRAME_SIZE_ERROR'),
    closed,
  ),
  broken('PING on a stream', [frame(frameType.ping, 0, 1, Buffer.alloc(8))], ends(), closed),
  broken(
    'PUSH_PROMISE of a client',
    [frame(frameType.pushPromise, flag.endHeaders, 1, uint32(2))],
    ends(),
    closed,
  ),
  broken(
    'CONTINUATION without HEADERS',
    [frame(frameType.continuation, flag.endHeaders, 1)],
    ends('0 PROTOCOL_ERROR'),
    closed,
  ),
  broken(
    'PING between HEADERS and CONTINUATION',
    [
      (play) =>
        Buffer.concat([
          frame(frameType.headers, flag.endStream, 1, Buffer.from([0x82])),
          ping(),
          headersFrame(1, fieldsOf('GET', '/')(play)),
        ]),
    ],
    ends('1 PROTOCOL_ERROR', { log: / 0 DPE codec_error/ }),
    closed,
  ),
  broken(
    'a frame larger than 16 KiB',
    [h2Post('/echo'), { saw: /POST/ }, dataFrame(1, 'x'.repeat(16_385))],
    ends('1 FRAME_SIZE_ERROR', { log: / 0 DPE codec_error/ }),
    closed,
  ),
  broken(
    'padding longer than the frame',
    [h2Post('/echo'), { saw: /POST/ }, frame(frameType.data, flag.padded, 1, Buffer.from([9, 1, 2]))],
    ends('1 PROTOCOL_ERROR', { log: / 0 DPE codec_error/ }),
    closed,
  ),
  broken(
    'a block that is no HPACK',
    [
      frame(
        frameType.headers,
        flag.endHeaders | flag.endStream,
        1,
        Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      ),
    ],
    ends('1 COMPRESSION_ERROR'),
    closed,
  ),
  broken(
    'an index beyond the table',
    [frame(frameType.headers, flag.endHeaders | flag.endStream, 1, Buffer.from([0xff, 0x10]))],
    ends('1 COMPRESSION_ERROR'),
    closed,
  ),
  broken(
    'a table size update beyond the limit',
    [frame(frameType.headers, flag.endHeaders | flag.endStream, 1, Buffer.from([0x3f, 0xff, 0xff, 0x3]))],
    ends('1 COMPRESSION_ERROR'),
    closed,
  ),
  broken(
    'a stream that depends on itself',
    [priorityFrame(1, 1), h2Get('/echo')],
    { status: 200, connection: 'open' },
    closed,
  ),
  broken('another preface', [Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'), settingsFrame()], ends(), {
    ...closed,
    bare: true,
  }),
  broken('HTTP/1 where HTTP/2 is expected', [Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')], ends(), {
    ...closed,
    bare: true,
  }),
  broken('no SETTINGS after the preface', [preface, h2Get('/echo')], ends('0 PROTOCOL_ERROR'), {
    ...closed,
    bare: true,
  }),
  broken(
    'more than the window of the connection',
    [h2Post('/slow'), { saw: /slow/ }, ...Array.from({ length: 20 }, () => dataFrame(1, 'x'.repeat(16_000)))],
    { connection: 'open', upstream: /320000 bytes/ },
    closed,
  ),
];

/** Each more than any client needs. */
const floods: readonly Case[] = [
  limit(
    'a flood of empty DATA',
    [h2Post('/slow'), { saw: /slow/ }, times(50, dataFrame(1, ''))],
    flooded('inbound_empty_frames_flood'),
    closed,
  ),
  limit('a flood of PING', [times(2000, ping()), over], flooded('outbound_control_flood'), {
    ...closed,
    mute: true,
    whole: true,
  }),
  limit('a flood of SETTINGS', [times(2000, settingsFrame()), over], flooded('outbound_control_flood'), {
    ...closed,
    mute: true,
    whole: true,
  }),
  limit(
    'a flood of PRIORITY',
    [h2Get('/slow'), { saw: /slow/ }, times(500, priorityFrame(1))],
    flooded('inbound_priority_frames_flood'),
    { ...closed, whole: true },
  ),
  limit(
    'a flood of WINDOW_UPDATE',
    [h2Get('/slow'), { saw: /slow/ }, times(2000, windowUpdate(1, 1))],
    flooded('inbound_window_update_frames_flood'),
    { ...closed, whole: true },
  ),
  limit(
    'a flood of CONTINUATION',
    [
      (play) =>
        Buffer.concat([
          frame(
            frameType.headers,
            flag.endStream,
            1,
            headersFrame(1, fieldsOf('GET', '/')(play)).subarray(9),
          ),
          times(2000, frame(frameType.continuation, 0, 1)),
        ]),
    ],
    flooded('inbound_empty_frames_flood'),
    { ...closed, whole: true },
  ),
  limit(
    'a flood of resets',
    [
      (play) =>
        Buffer.concat(
          Array.from({ length: 600 }, (_, at) =>
            Buffer.concat([
              headersFrame(1 + 2 * at, fieldsOf('GET', '/slow')(play), true),
              rstStream(1 + 2 * at, 8),
            ]),
          ),
        ),
    ],
    {
      connection: 'closed',
      stats: {
        'http.main.downstream_rq_too_many_premature_resets': 1,
        'http.main.downstream_rq_rx_reset': 250,
      },
    },
    { ...closed, whole: true },
    { logLines: 1 },
  ),
  limit(
    'more resets than a second allows',
    [h2Get('/direct'), { until: (peer) => peer.stream(1).over }, times(1100, rstStream(1, 8)), over],
    ends('1 INTERNAL_ERROR', { status: 200 }),
    { whole: true },
  ),
  limit(
    'a header of 70,000 bytes',
    [
      (play) =>
        splitHeaders(1, fieldsOf('GET', '/echo', [['x-big', 'a'.repeat(70_000)]])(play), 16_000, true),
    ],
    ends('1 COMPRESSION_ERROR'),
    closed,
  ),
  limit(
    'a head of more than max_request_headers_kb',
    [
      (play) =>
        splitHeaders(
          1,
          fieldsOf(
            'GET',
            '/echo',
            Array.from({ length: 62 }, (_, at) => [`x-h${at}`, 'v'.repeat(1000)] as const),
          )(play),
          16_000,
          true,
        ),
    ],
    {
      connection: 'open',
      client: /^reset INTERNAL_ERROR/,
      log: / 0 DR http2\.header_list_size_too_large /,
      stats: { 'http2.header_list_size_too_large': 1 },
    },
    closed,
  ),
  limit(
    '120 headers',
    [
      (play) =>
        headersFrame(
          1,
          fieldsOf(
            'GET',
            '/echo',
            Array.from({ length: 120 }, (_, at) => [`x-h${at}`, 'v'] as const),
          )(play),
          true,
        ),
    ],
    {
      connection: 'open',
      client: /^reset INTERNAL_ERROR/,
      log: / 0 DR http2\.too_many_headers /,
      stats: { 'http2.header_overflow': 1 },
    },
    closed,
  ),
  limit(
    'more streams than max_concurrent_streams',
    [
      settingsArrived,
      ...Array.from({ length: 4 }, (_, at): H2Step[] => [
        h2Get('/slow', [], 1 + 2 * at),
        { saw: new RegExp(`(?:GET /slow[^]*){${at + 1}}`) },
      ]).flat(),
      h2Get('/slow', [], 9),
    ],
    ends('', { log: / 0 DPE codec_error/ }),
    { streams: [1, 3, 5, 7, 9] },
  ),
  limit(
    'more streams than SETTINGS that are not acknowledged',
    [settingsArrived, ...Array.from({ length: 6 }, (_, at) => h2Get('/later', [], 1 + 2 * at))],
    {
      status: [200, 200, 200, 200],
      connection: 'open',
      client: /stream 9\nreset REFUSED_STREAM\nstream 11\nreset REFUSED_STREAM/,
    },
    { streams: [1, 3, 5, 7, 9, 11], mute: true },
  ),
  limit('a large path', [h2Get(`/echo/${'a'.repeat(9000)}`)], { status: 200 }),
  limit(
    'a stalled reader is reset',
    [h2Get('/echo'), { until: (peer) => peer.stream(1).over }],
    { client: /^reset INTERNAL_ERROR/, stats: { 'http2.tx_flush_timeout': 1 } },
    { settings: [[setting.initialWindowSize, 0]], noCredit: true, noProbe: true },
  ),
];

export const groups: readonly Group[] = [
  http2Group('http2 against the rules', protocol),
  http2Group('http2 floods', floods, {
    http2_protocol_options: { max_concurrent_streams: 4 },
    stream_idle_timeout: '0.3s',
    stream_flush_timeout: '0.2s',
  }),
];

if (import.meta.main) compare(groups);
