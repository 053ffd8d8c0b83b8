/** What upstreams answered, for as long as they said it holds (RFC 1035 §3.2.1, RFC 2308 §5). */
import { code, flag, readMessage, type } from './message.ts';
import type { Relayable } from './reply.ts';

export interface CachedAnswer {
  readonly answer: Relayable;
  /** Whole seconds since it came. */
  readonly ageS: number;
}

interface Entry {
  /** Read again for each who asks: what reading makes of it is larger than itself. */
  readonly bytes: Buffer;
  readonly cameMs: number;
  readonly untilMs: number;
}

export interface AnswerCacheSettings {
  /** Of a clock that only goes forward. */
  readonly nowMs: () => number;
  /** What was not asked for longest goes first. Absent: 2048. */
  readonly maxEntries?: number;
}

/** An answer longer than this is asked for again each time: thousands of them would be too much to keep. */
const MAX_ANSWER_BYTES = 4096;
const MAX_ENTRIES = 2048;
/** However long upstreams say: names that moved are found again, and soon where there was nothing. */
const MAX_POSITIVE_S = 3600;
const MAX_NEGATIVE_S = 300;
/** Names, four numbers of time, the last of which is how long it may be remembered that nothing is there. */
const SOA_LEAST_BYTES = 22;

export class AnswerCache {
  readonly #nowMs: () => number;
  readonly #maxEntries: number;
  /** In the order in which they were last asked for. */
  readonly #entries = new Map<string, Entry>();

  constructor({ nowMs, maxEntries = MAX_ENTRIES }: AnswerCacheSettings) {
    this.#nowMs = nowMs;
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): CachedAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const nowMs = this.#nowMs();
    this.#entries.delete(key);
    if (nowMs >= entry.untilMs) return undefined;
    this.#entries.set(key, entry);
    const message = readMessage(entry.bytes)!;
    const answer = { bytes: entry.bytes, message };
    return { answer, ageS: Math.floor((nowMs - entry.cameMs) / 1000) };
  }

  /** Keeps `answer` where it may be kept. */
  put(key: string, answer: Relayable): void {
    const seconds = answer.bytes.length > MAX_ANSWER_BYTES ? 0 : lifetimeS(answer);
    this.#entries.delete(key);
    if (seconds <= 0) return;
    const cameMs = this.#nowMs();
    // A copy: what came may be a small part of a large buffer.
    const bytes = Buffer.allocUnsafeSlow(answer.bytes.length);
    answer.bytes.copy(bytes);
    this.#entries.set(key, { bytes, cameMs, untilMs: cameMs + seconds * 1000 });
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value!);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** Seconds for which an answer holds; 0 for failures, for parts of answers, and where nobody says. */
export function lifetimeS({ bytes, message }: Relayable): number {
  const rcode = message.flags & flag.code;
  if ((message.flags & flag.truncated) !== 0) return 0;
  if (rcode !== code.noError && rcode !== code.noName) return 0;
  const records = message.records.filter((record) => record.type !== type.OPT);
  const shortest = Math.min(...records.map(({ ttl }) => (ttl > 0x7fff_ffff ? 0 : ttl)));
  const { question } = message;
  const isPositive = records.some(
    (record) => record.section === 1 && (record.type === question?.type || question?.type === type.ANY),
  );
  if (isPositive && rcode === code.noError) return Math.min(shortest, MAX_POSITIVE_S);
  const soa = records.find((record) => record.section === 2 && record.type === type.SOA);
  if (soa === undefined || soa.end - soa.dataAt < SOA_LEAST_BYTES) return 0;
  return Math.min(shortest, bytes.readUInt32BE(soa.end - 4), MAX_NEGATIVE_S);
}
