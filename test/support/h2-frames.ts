/** Frames of HTTP/2 made and read by hand, apart from the codec under test. */
import { CLIENT_PREFACE, errorCode, flag, frameType } from '#http/codec/h2/frame.ts';

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export const preface: Buffer = Buffer.concat([
  Buffer.from(CLIENT_PREFACE, 'latin1'),
  frame(frameType.settings, 0, 0),
]);

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let left = bytes.length - 127;
    for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) + 128);
    length.push(left);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A header block of literals that touch no table (RFC 7541 §6.2.2). */
export function literals(...fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])));
}

export function requestBlock(
  method = 'GET',
  path = '/',
  ...more: readonly (readonly [string, string])[]
): Buffer {
  return literals([':method', method], [':scheme', 'http'], [':authority', 'mesh'], [':path', path], ...more);
}

const { endStream, endHeaders } = flag;

export const get = (streamId: number, path = '/', ...more: readonly (readonly [string, string])[]): Buffer =>
  frame(frameType.headers, endStream | endHeaders, streamId, requestBlock('GET', path, ...more));

export const post = (streamId: number, path = '/', ...more: readonly (readonly [string, string])[]): Buffer =>
  frame(frameType.headers, endHeaders, streamId, requestBlock('POST', path, ...more));

export const data = (streamId: number, payload: string | Buffer, flags = 0): Buffer =>
  frame(frameType.data, flags, streamId, Buffer.from(payload as string));

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const rstStream = (streamId: number, code = 8): Buffer =>
  frame(frameType.rstStream, 0, streamId, uint32(code));

export const windowUpdate = (streamId: number, increment: number): Buffer =>
  frame(frameType.windowUpdate, 0, streamId, uint32(increment));

export const ping = (flags = 0, payload = 'abcdefgh'): Buffer =>
  frame(frameType.ping, flags, 0, Buffer.from(payload));

/** @param pairs id, value, id, value */
export function settings(...pairs: readonly number[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 3);
  for (let i = 0; i < pairs.length; i += 2) {
    payload.writeUInt16BE(pairs[i]!, i * 3);
    payload.writeUInt32BE(pairs[i + 1]!, i * 3 + 2);
  }
  return frame(frameType.settings, 0, 0, payload);
}

const typeNames = Object.fromEntries(Object.entries(frameType).map(([name, type]) => [type, name]));
const codeNames = Object.fromEntries(Object.entries(errorCode).map(([name, code]) => [code, name]));

export interface ReadFrame {
  readonly type: string;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Cuts bytes into frames; a client's preface is dropped. */
export function readFrames(bytes: Buffer): ReadFrame[] {
  const frames: ReadFrame[] = [];
  const start =
    bytes.toString('latin1', 0, CLIENT_PREFACE.length) === CLIENT_PREFACE ? CLIENT_PREFACE.length : 0;
  for (let at = start; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const payload = bytes.subarray(at + 9, at + 9 + length);
    const type = typeNames[bytes[at + 3]!] ?? String(bytes[at + 3]);
    frames.push({ type, flags: bytes[at + 4]!, streamId: bytes.readUInt32BE(at + 5), payload });
    at += 9 + length;
  }
  return frames;
}

/** One line a frame: `rstStream 1 cancel`, `data 1 5 end`, `goAway 1 protocolError`. */
export function describeFrames(bytes: Buffer): string[] {
  return readFrames(bytes).map(({ type, flags, streamId, payload }) => {
    const parts: (string | number | undefined)[] = [type, streamId];
    if (type === 'rstStream') parts.push(codeNames[payload.readUInt32BE(0)]);
    else if (type === 'goAway') parts.push(payload.readUInt32BE(0), codeNames[payload.readUInt32BE(4)]);
    else if (type === 'windowUpdate') parts.push(payload.readUInt32BE(0));
    else if (type === 'data') parts.push(payload.length);
    if (type === 'ping' || type === 'settings') parts.push((flags & flag.ack) !== 0 ? 'ack' : payload.length);
    else if ((type === 'data' || type === 'headers') && (flags & endStream) !== 0) parts.push('end');
    return parts.join(' ');
  });
}
