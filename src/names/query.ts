/** A question of a client: read, or refused with the code that RFC 1035 and RFC 6891 have for what is wrong. */
import { CLASS_IN, code, flag, HEADER_BYTES, readMessage, type, type WireRecord } from './message.ts';

/** What a client says about itself in OPT (RFC 6891). */
export interface Edns {
  /** Bytes of the longest datagram it takes. */
  readonly payloadBytes: number;
  /** It wants the records of DNSSEC. */
  readonly dnssecOk: boolean;
}

export interface Query {
  readonly id: number;
  /** As they came. */
  readonly flags: number;
  /** See `WireQuestion`. */
  readonly name: string;
  readonly type: number;
  /** Bytes of the question, in the case the client wrote it. */
  readonly question: Buffer;
  readonly edns?: Edns;
}

export type ReceivedQuery =
  | { readonly kind: 'question'; readonly query: Query }
  | { readonly kind: 'refused'; readonly code: number; readonly reply: Buffer }
  /** Too short to be answered, or an answer itself. */
  | { readonly kind: 'ignored' };

const EDNS_VERSION = 0;
const DNSSEC_OK = 0x8000;
/** What we say of ourselves: what passes every path without being cut in pieces. */
const OWN_PAYLOAD_BYTES = 1232;
export const OPT_BYTES = 11;

export function readQuery(bytes: Buffer): ReceivedQuery {
  if (bytes.length < HEADER_BYTES) return { kind: 'ignored' };
  const flags = bytes.readUInt16BE(2);
  if ((flags & flag.reply) !== 0) return { kind: 'ignored' };
  const refused = (why: number, question?: Buffer, edns?: Edns): ReceivedQuery => ({
    kind: 'refused',
    code: why,
    reply: emptyReply({ id: bytes.readUInt16BE(0), flags, question, edns }, why),
  });
  if ((flags & flag.opcode) !== 0) return refused(code.notImplemented);
  const message = readMessage(bytes);
  if (message?.question === undefined) return refused(code.formatError);
  const { question } = message;
  const asked = bytes.subarray(HEADER_BYTES, question.end);
  const options = message.records.filter((record) => record.section === 3 && record.type === type.OPT);
  const [option] = options;
  if (options.length > 1 || question.type === type.OPT) return refused(code.formatError, asked);
  if (option !== undefined && bytes[option.start] !== 0) return refused(code.formatError, asked);
  const edns = option && ednsOf(option);
  if (option !== undefined && ((option.ttl >>> 16) & 0xff) !== EDNS_VERSION)
    return refused(code.badVersion, asked, edns);
  if (question.class !== CLASS_IN) return refused(code.refused, asked, edns);
  if (question.type === type.AXFR || question.type === type.IXFR) return refused(code.refused, asked, edns);
  if (question.type >= type.TKEY && question.type < type.ANY)
    return refused(code.notImplemented, asked, edns);
  const query = { id: message.id, flags, name: question.name, type: question.type, question: asked };
  return { kind: 'question', query: edns === undefined ? query : { ...query, edns } };
}

function ednsOf(option: WireRecord): Edns {
  return { payloadBytes: option.class, dnssecOk: (option.ttl & DNSSEC_OK) !== 0 };
}

/** What an empty reply needs to know of what it replies to. */
export interface Asked {
  readonly id: number;
  readonly flags: number;
  readonly question?: Buffer | undefined;
  readonly edns?: Edns | undefined;
}

/** A reply with a code and no record. */
export function emptyReply({ id, flags, question, edns }: Asked, why: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(replyFlags(flags) | (why & flag.code), 2);
  header.writeUInt16BE(question === undefined ? 0 : 1, 4);
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  const parts = [header, ...(question === undefined ? [] : [question])];
  if (edns !== undefined) parts.push(optRecord(edns, why));
  return Buffer.concat(parts);
}

/** What a reply repeats of its query's flags, and that we answer questions of all kinds. */
export function replyFlags(flags: number): number {
  const repeated = flags & (flag.opcode | flag.recursionDesired | flag.checkingDisabled);
  return flag.reply | flag.recursionAvailable | repeated;
}

/** OPT as it ends a message. @param why the code whose upper bits it carries. */
export function optRecord({ dnssecOk }: Pick<Edns, 'dnssecOk'>, why: number): Buffer {
  const bytes = Buffer.alloc(OPT_BYTES);
  bytes.writeUInt16BE(type.OPT, 1);
  bytes.writeUInt16BE(OWN_PAYLOAD_BYTES, 3);
  bytes.writeUInt8(why >>> 4, 5);
  bytes.writeUInt16BE(dnssecOk ? DNSSEC_OK : 0, 7);
  return bytes;
}
