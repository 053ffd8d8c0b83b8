/** The forms of gRPC-Web: base64 in pieces, and trailers in the body (gRPC, "gRPC Web", "HTTP/2 related behavior"). */
import { GRPC_PREFIX_BYTES } from '#http/grpc-message.ts';

/** The flag of a frame that holds trailers. */
const TRAILERS = 0x80;

/** Trailers as a frame of the body: lines as of HTTP/1, names in lower case. */
export function encodeTrailers(trailers: readonly string[]): Buffer {
  let text = '';
  for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]!}:${trailers[i + 1]!}\r\n`;
  const frame = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + text.length);
  frame[0] = TRAILERS;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, GRPC_PREFIX_BYTES, 'latin1');
  return frame;
}

const GROUP = 4;
const VALID = /^(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)*$/;

/** Base64 that comes in pieces, and may be padded in its midst. */
export class Base64Reader {
  #rest = '';

  /** Undefined for what is no base64. */
  read(data: Buffer): Buffer | undefined {
    const text = this.#rest + data.toString('latin1');
    const whole = text.length - (text.length % GROUP);
    const groups = text.slice(0, whole);
    this.#rest = text.slice(whole);
    if (!VALID.test(groups)) return undefined;
    if (!groups.includes('=')) return Buffer.from(groups, 'base64');
    // Node ends at the first padding.
    const pieces = groups.match(/[^=]+={0,2}/g) ?? [];
    return Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')));
  }
}
