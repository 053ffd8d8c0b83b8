/** Replies as bytes: from records, or from what an upstream answered; cut to what the client takes. */
import { type Answer, encode } from 'dns-packet';
import { flag, HEADER_BYTES, readMessage, type, type WireMessage } from './message.ts';
import { OPT_BYTES, optRecord, type Query, replyFlags } from './query.ts';
import type { NameRecord } from './record.ts';

export interface ReplyContent {
  readonly code: number;
  readonly answers: readonly NameRecord[];
  readonly authorities: readonly NameRecord[];
  readonly additionals: readonly NameRecord[];
}

/** A pointer to the name of the question, right behind the header. */
const POINTER_TO_QUESTION = Buffer.from([0xc0, HEADER_BYTES]);
const QUESTION_TAIL_BYTES = 4;

/** A record owned by the question's name, with the shortest data there is: an IPv4 address. */
const LEAST_RECORD_BYTES = 16;

/**
 * A reply of our own, without OPT: all of it, or more than fits in `maxBytes`. The question is repeated byte for byte, and records that are
 * owned by it point at it, so that both are in the client's case.
 */
export function ownReply(query: Query, content: ReplyContent, maxBytes: number): Buffer {
  const { code, answers, authorities, additionals } = content;
  const most = Math.ceil(maxBytes / LEAST_RECORD_BYTES);
  const encoded = encode({
    type: 'response',
    id: query.id,
    flags: flag.authoritative,
    answers: answers.slice(0, most).map(toAnswer),
    authorities: authorities.map(toAnswer),
    additionals: additionals.slice(0, most).map(toAnswer),
  });
  const header = Buffer.from(encoded.subarray(0, HEADER_BYTES));
  header.writeUInt16BE(replyFlags(query.flags) | flag.authoritative | code, 2);
  header.writeUInt16BE(1, 4);
  const parts = [header, query.question];
  const asked = query.question.subarray(0, -QUESTION_TAIL_BYTES);
  const lower = Buffer.from(asked.toString('latin1').toLowerCase(), 'latin1');
  for (const { start, typeAt, end } of readMessage(encoded)!.records) {
    if (lower.length > 1 && lower.equals(encoded.subarray(start, typeAt)))
      parts.push(POINTER_TO_QUESTION, encoded.subarray(typeAt, end));
    else parts.push(encoded.subarray(start, end));
  }
  return Buffer.concat(parts);
}

function toAnswer({ owner, ttl, ...record }: NameRecord): Answer {
  return { ...record, name: owner, ttl } as Answer;
}

/** What of an upstream's message can be told to clients, whoever asked: no id, no OPT, an empty question. */
export interface Relayable {
  readonly bytes: Buffer;
  readonly message: WireMessage;
}

/**
 * `answer` as a reply to `query`, which asks the same but for the case of letters, without OPT.
 * @param ageS seconds since it came: what its records have to live is less by that.
 */
export function relayedReply(query: Query, { bytes, message }: Relayable, ageS: number): Buffer {
  const optAt = message.records.find((record) => record.type === type.OPT)?.start;
  // What follows OPT are signatures of the message, which are for us alone.
  const reply = Buffer.from(bytes.subarray(0, optAt ?? message.records.at(-1)?.end ?? message.question?.end));
  reply.writeUInt16BE(query.id, 0);
  const kept = message.flags & (flag.truncated | flag.code);
  reply.writeUInt16BE(replyFlags(query.flags) | kept, 2);
  query.question.copy(reply, HEADER_BYTES);
  const counts = [0, 0, 0];
  for (const record of message.records) {
    if (record.end > reply.length) break;
    counts[record.section - 1]!++;
    reply.writeUInt32BE(Math.max(0, record.ttl - ageS), record.typeAt + 4);
  }
  writeCounts(reply, counts);
  return reply;
}

/** As many bytes as a client without EDNS takes (RFC 1035 §4.2.1). */
const PLAIN_PAYLOAD_BYTES = 512;
/** Datagrams longer than that are cut in pieces on the way, or not sent at all. */
const MAX_PAYLOAD_BYTES = 4096;
export const MAX_STREAM_BYTES = 65_535;

/** Bytes of the longest datagram for the client of `query`. */
export function datagramBytes({ edns }: Query): number {
  return Math.min(Math.max(edns?.payloadBytes ?? 0, PLAIN_PAYLOAD_BYTES), MAX_PAYLOAD_BYTES);
}

/**
 * `reply`, which has no OPT, as it is sent: with OPT where the client spoke of it, and where it is longer than
 * `maxBytes` with the records that fit and the flag that tells so.
 */
export function finishedReply({ edns }: Query, reply: Buffer, maxBytes: number): Buffer {
  const room = maxBytes - (edns === undefined ? 0 : OPT_BYTES);
  const fitting = reply.length <= room ? reply : cut(reply, room);
  if (edns === undefined) return fitting;
  const finished = Buffer.concat([fitting, optRecord(edns, 0)]);
  finished.writeUInt16BE(finished.readUInt16BE(10) + 1, 10);
  return finished;
}

function cut(reply: Buffer, room: number): Buffer {
  const { question, records } = readMessage(reply)!;
  let end = question!.end;
  const counts = [0, 0, 0];
  for (const record of records) {
    if (record.end > room) break;
    counts[record.section - 1]!++;
    end = record.end;
  }
  const shorter = Buffer.from(reply.subarray(0, end));
  // Only additional records may go missing without a word (RFC 2181 §9).
  const lost = records.some((record) => record.end > end && record.section < 3);
  if (lost) shorter.writeUInt16BE(shorter.readUInt16BE(2) | flag.truncated, 2);
  writeCounts(shorter, counts);
  return shorter;
}

/** Of answers, authorities and additional records. */
function writeCounts(reply: Buffer, counts: readonly number[]): void {
  for (const [i, count] of counts.entries()) reply.writeUInt16BE(count, 6 + i * 2);
}
