/** WebSocket frames (RFC 6455 §5.2), for the ends of a tunnel. */

export const opcode = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** latin1. A frame of a client has a mask. */
export function webSocketFrame(code: number, payload: string, masked = false): string {
  const body = Buffer.from(payload, 'latin1');
  const length = body.length < 126 ? [body.length] : [126, body.length >> 8, body.length & 255];
  const head = Buffer.from([0x80 | code, (masked ? 0x80 : 0) | length[0]!, ...length.slice(1)]);
  if (!masked) return Buffer.concat([head, body]).toString('latin1');
  const key = [0x11, 0x22, 0x33, 0x44];
  const hidden = Buffer.from(body.map((byte, at) => byte ^ key[at % 4]!));
  return Buffer.concat([head, Buffer.from(key), hidden]).toString('latin1');
}
