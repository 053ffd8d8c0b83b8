/** gRPC messages (one byte, four bytes of length, the message) and those of gRPC-Web. */

export function grpcMessage(text: string, flags = 0): string {
  const body = Buffer.from(text, 'latin1');
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]).toString('latin1');
}

export const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
