/** Frames of HTTP/2 (RFC 9113 §4, §6), right ones and wrong ones alike. */
import { type Field, hpackBlock } from './hpack.ts';

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;

export const errorNames: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FRAME_HEAD_BYTES = 9;

/** @param length what the head says; absent: what it is. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
  length: number = payload.length,
): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** @param pairs identifier and value. */
export function settingsFrame(pairs: readonly (readonly [number, number])[] = []): Buffer {
  const payload = Buffer.concat(
    pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 255]), uint32(value)])),
  );
  return frame(frameType.settings, 0, 0, payload);
}

export const settingsAck: Buffer = frame(frameType.settings, flag.ack, 0);

/** A whole block in one frame. */
export const headersFrame = (stream: number, fields: readonly Field[], endStream = false): Buffer =>
  frame(frameType.headers, flag.endHeaders | (endStream ? flag.endStream : 0), stream, hpackBlock(fields));

/** The block cut into a HEADERS frame and CONTINUATION frames of so many bytes. */
export function splitHeaders(
  stream: number,
  fields: readonly Field[],
  pieceBytes: number,
  endStream = false,
): Buffer {
  const block = hpackBlock(fields);
  const pieces: Buffer[] = [];
  for (let at = 0; at < block.length || at === 0; at += pieceBytes)
    pieces.push(block.subarray(at, at + pieceBytes));
  const last = pieces.length - 1;
  return Buffer.concat(
    pieces.map((piece, at) =>
      frame(
        at === 0 ? frameType.headers : frameType.continuation,
        (at === last ? flag.endHeaders : 0) | (at === 0 && endStream ? flag.endStream : 0),
        stream,
        piece,
      ),
    ),
  );
}

export const dataFrame = (stream: number, data: Buffer | string, endStream = false): Buffer =>
  frame(
    frameType.data,
    endStream ? flag.endStream : 0,
    stream,
    typeof data === 'string' ? Buffer.from(data, 'latin1') : data,
  );

export const rstStream = (stream: number, code: number): Buffer =>
  frame(frameType.rstStream, 0, stream, uint32(code));

export const windowUpdate = (stream: number, bytes: number): Buffer =>
  frame(frameType.windowUpdate, 0, stream, uint32(bytes));

export const ping = (payload = 'heddle..', flags = 0): Buffer =>
  frame(frameType.ping, flags, 0, Buffer.from(payload, 'latin1'));

export const goAway = (lastStream: number, code: number, debug = ''): Buffer =>
  frame(
    frameType.goAway,
    0,
    0,
    Buffer.concat([uint32(lastStream), uint32(code), Buffer.from(debug, 'latin1')]),
  );

export const priorityFrame = (stream: number, dependsOn = 0, weight = 15): Buffer =>
  frame(frameType.priority, 0, stream, Buffer.concat([uint32(dependsOn), Buffer.from([weight])]));
