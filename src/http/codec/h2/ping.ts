/** What our PINGs carry: the answer shows which of them it is for. */
const PING_BYTES = 8;
const KINDS = 2;

/** Where a kind's eight bytes stand in {@link pingData}. */
export const pingKind = { bandwidth: 0, keepAlive: 8 } as const;

/** The payloads of all kinds. */
export const pingData: Buffer = Buffer.alloc(PING_BYTES * KINDS);
for (let kind = 0; kind < KINDS; kind++) pingData.write(`heddle/${kind}`, kind * PING_BYTES, 'latin1');

/** Whether the eight bytes at `from` are those of a kind. */
export function isPing(bytes: Buffer, from: number, kind: number): boolean {
  for (let i = 0; i < PING_BYTES; i++) if (bytes[from + i] !== pingData[kind + i]) return false;
  return true;
}
