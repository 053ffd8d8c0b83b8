/** Replies of one table, by the bytes of what was asked: clients ask for the same few names again and again. */
import { code, flag, readMessage, type } from './message.ts';

/** Then it begins anew: whoever asks for ever new names fills it. */
const MAX_REPLIES = 2048;
const MAX_QUESTION_BYTES = 512;
/** The id of a message, which differs each time. */
const ID_BYTES = 2;

export class ReplyCache {
  readonly #replies = new Map<string, Buffer>();

  /** The reply to the same question; it is this cache's own, with the id of this one until it is asked again. */
  get(question: Buffer): Buffer | undefined {
    const known = this.#replies.get(question.toString('latin1', ID_BYTES));
    if (known === undefined) return undefined;
    known[0] = question[0]!;
    known[1] = question[1]!;
    return known;
  }

  /** Keeps a copy where the next one who asks that is to be told the same. */
  put(question: Buffer, reply: Buffer): void {
    if (question.length > MAX_QUESTION_BYTES || !isSteady(reply)) return;
    if (this.#replies.size >= MAX_REPLIES) this.#replies.clear();
    this.#replies.set(question.toString('latin1', ID_BYTES), Buffer.from(reply));
  }

  clear(): void {
    this.#replies.clear();
  }
}

/** Of several addresses another one is the first each time; what is refused is seldom asked twice. */
function isSteady(reply: Buffer): boolean {
  const rcode = reply.readUInt16BE(2) & flag.code;
  if (rcode !== code.noError && rcode !== code.noName) return false;
  const answers = readMessage(reply)?.records.filter(({ section }) => section === 1) ?? [];
  return answers.filter((record) => record.type === type.A || record.type === type.AAAA).length < 2;
}
