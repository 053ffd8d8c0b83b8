/** Bytes made out of other bytes: what a fuzzer tries next. */
import type { Random } from '#core/random.ts';

/** Pieces that matter to the formats under test. */
const tokens: readonly string[] = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  '0\r\n\r\n',
  '5\r\n',
  'ffffffffffffffff\r\n',
  ';ext="\r\n"',
  'chunked',
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: +5\r\n',
  'Connection: upgrade\r\n',
  'Upgrade: websocket\r\n',
  'HTTP/1.1',
  'HTTP/1.0',
  'GET / HTTP/1.1\r\n',
  'Host: a\r\n',
  '\0',
  '\xff',
  '\0\0\0\x04\0\0\0\0\0',
  '\0\0\0\x01\x05\0\0\0\x01',
  '\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08',
  '\0\0\x08\x06\0\0\0\0\0........',
  '\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff',
  '\0\0\0\x09\x04\0\0\0\x01',
  '\x82\x84\x87\x41',
  '\x3f\xe1\x1f',
  '\x7f\xff\xff\xff\xff\x0f',
];

const MAX_BYTES = 64 * 1024;

/** One to eight changes at random, one of which may be a piece of `other`. */
export function mutate(seed: Buffer, other: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(seed);
  const changes = 1 + random.below(8);
  for (let i = 0; i < changes; i++) bytes = change(bytes, other, random);
  return bytes.length > MAX_BYTES ? bytes.subarray(0, MAX_BYTES) : bytes;
}

function change(bytes: Buffer, other: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  switch (random.below(8)) {
    case 0: {
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
    }
    case 1: {
      if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      return bytes;
    }
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(16))]);
    case 3:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(tokens[random.below(tokens.length)]!, 'latin1'),
        bytes.subarray(at),
      ]);
    case 4: {
      const from = random.below(other.length + 1);
      const piece = other.subarray(from, from + random.below(256));
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
    }
    case 5: {
      const piece = bytes.subarray(at, at + random.below(64));
      return Buffer.concat([bytes.subarray(0, at), piece, piece, bytes.subarray(at)]);
    }
    case 6:
      return bytes.subarray(0, at);
    default: {
      const noise = Buffer.alloc(random.below(32));
      for (let i = 0; i < noise.length; i++) noise[i] = random.below(256);
      return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
    }
  }
}

/** `bytes` cut at random places; sometimes into single bytes, sometimes not at all. */
export function split(bytes: Buffer, random: Random): Buffer[] {
  const most = [1, 4, 64, 1024, MAX_BYTES][random.below(5)]!;
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(most);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}
