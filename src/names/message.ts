/**
 * DNS messages as bytes (RFC 1035 §4.1): where everything stands, checked before anything else reads it.
 * Nothing here follows a compression pointer, so that no message can make it go round in circles.
 */

export const HEADER_BYTES = 12;

/** Bits of the second word of a header. */
export const flag = {
  reply: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  checkingDisabled: 0x0010,
  code: 0x000f,
} as const;

/** Response codes (RFC 1035 §4.1.1); `badVersion` has its upper bits in OPT (RFC 6891 §6.1.3). */
export const code = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  noName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

/** Types of records and questions, by their numbers. */
export const type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
} as const;

export const CLASS_IN = 1;

export interface WireQuestion {
  /** Lower case, without a dot at the end, '' is the root; bytes that are no letters, digits, `-`, `_` or `*` as `\065`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Behind its last byte; it begins behind the header. */
  readonly end: number;
}

export interface WireRecord {
  /** 1 answers, 2 authorities, 3 additional records. */
  readonly section: 1 | 2 | 3;
  /** Its first byte. */
  readonly start: number;
  /** Where its type stands, right behind its owner's name. */
  readonly typeAt: number;
  readonly type: number;
  /** Of OPT: the size of datagrams. */
  readonly class: number;
  readonly ttl: number;
  readonly dataAt: number;
  /** Behind its last byte. */
  readonly end: number;
}

export interface WireMessage {
  readonly id: number;
  readonly flags: number;
  /** How many questions it says it has. */
  readonly questions: number;
  /** The only one; absent where there is another number of them. */
  readonly question?: WireQuestion;
  readonly records: readonly WireRecord[];
}

const MAX_NAME_BYTES = 255;
const QUESTION_TAIL_BYTES = 4;
const RECORD_TAIL_BYTES = 10;

/** Undefined where the bytes are no whole message. Bytes behind it are passed over. */
export function readMessage(bytes: Buffer): WireMessage | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const questions = bytes.readUInt16BE(4);
  let at = HEADER_BYTES;
  let question: WireQuestion | undefined;
  for (let i = 0; i < questions; i++) {
    const tail = skipName(bytes, at);
    if (tail === undefined || tail + QUESTION_TAIL_BYTES > bytes.length) return undefined;
    const end = tail + QUESTION_TAIL_BYTES;
    if (questions === 1) {
      const name = nameText(bytes, at, tail);
      if (name === undefined) return undefined;
      question = { name, type: bytes.readUInt16BE(tail), class: bytes.readUInt16BE(tail + 2), end };
    }
    at = end;
  }
  const records: WireRecord[] = [];
  for (const section of [1, 2, 3] as const) {
    const count = bytes.readUInt16BE(4 + section * 2);
    for (let i = 0; i < count; i++) {
      const record = readRecord(bytes, at, section);
      if (record === undefined) return undefined;
      records.push(record);
      at = record.end;
    }
  }
  const header = { id: bytes.readUInt16BE(0), flags: bytes.readUInt16BE(2), questions };
  return question === undefined ? { ...header, records } : { ...header, question, records };
}

function readRecord(bytes: Buffer, start: number, section: WireRecord['section']): WireRecord | undefined {
  const typeAt = skipName(bytes, start);
  if (typeAt === undefined || typeAt + RECORD_TAIL_BYTES > bytes.length) return undefined;
  const dataAt = typeAt + RECORD_TAIL_BYTES;
  const end = dataAt + bytes.readUInt16BE(typeAt + 8);
  if (end > bytes.length) return undefined;
  return {
    section,
    start,
    typeAt,
    type: bytes.readUInt16BE(typeAt),
    class: bytes.readUInt16BE(typeAt + 2),
    ttl: bytes.readUInt32BE(typeAt + 4),
    dataAt,
    end,
  };
}

/** Behind the name that begins at `at`; a pointer ends it. */
function skipName(bytes: Buffer, at: number): number | undefined {
  const start = at;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || at - start >= MAX_NAME_BYTES) return undefined;
    if (length === 0) return at + 1;
    if ((length & 0xc0) === 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined;
    if ((length & 0xc0) !== 0) return undefined;
    at += length + 1;
  }
}

/** Of a question, whose name cannot point at an earlier one: there is none. */
function nameText(bytes: Buffer, start: number, end: number): string | undefined {
  let text = '';
  for (let at = start; at < end - 1; ) {
    const length = bytes[at]!;
    if ((length & 0xc0) !== 0) return undefined;
    if (text !== '') text += '.';
    for (let i = at + 1; i <= at + length; i++) text += characters[bytes[i]!];
    at += length + 1;
  }
  return text;
}

/** What each byte of a label is in text. */
const characters: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte).toLowerCase();
  return byte < 128 && /[-a-z0-9_*]/.test(character) ? character : `\\${String(byte).padStart(3, '0')}`;
});

/** Whether `text` is a name that can be written: labels of 1 to 63 such characters, 253 in all. */
export function isPlainName(text: string): boolean {
  return text.length <= 253 && /^(?:[-a-z0-9_*]{1,63}\.)*[-a-z0-9_*]{1,63}$/i.test(text);
}
