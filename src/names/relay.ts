/** Questions about names that are not ours -> replies: out of what is known of them, else when an upstream has answered. */
import { decode } from 'dns-packet';
import type { DnsMetrics } from './dns-metrics.ts';
import type { Forwarder } from './forwarder.ts';
import { flag, isPlainName } from './message.ts';
import type { Query } from './query.ts';
import type { NameRecord } from './record.ts';
import type { Client, Replies } from './replies.ts';
import { ownReply, type Relayable, relayedReply } from './reply.ts';
import type { ContinuedAnswer } from './responder.ts';
import { TTL_S } from './zone.ts';

export class Relay {
  readonly #forwarder: Forwarder;
  readonly #replies: Replies;
  readonly #metrics: Pick<DnsMetrics, 'requests'>;

  constructor(forwarder: Forwarder, replies: Replies, metrics: Pick<DnsMetrics, 'requests'>) {
    this.#forwarder = forwarder;
    this.#replies = replies;
    this.#metrics = metrics;
  }

  /** @param own what is ours of the answer */
  answer(query: Query, own: ContinuedAnswer | undefined, client: Client): void {
    this.#metrics.requests.inc();
    if (own !== undefined) {
      void this.#continue(query, own, client);
      return;
    }
    const known = this.#forwarder.cached(query);
    if (known === undefined) void this.#forward(query, client);
    else this.#replies.send(query, relayedReply(query, known.answer, known.ageS), client);
  }

  async #forward(query: Query, client: Client): Promise<void> {
    const replies = this.#replies;
    try {
      const answer = await this.#forwarder.ask(query);
      if (answer === undefined) replies.fail(query, client);
      else replies.send(query, relayedReply(query, answer, 0), client);
    } catch (error) {
      replies.failed(query, client, error);
    }
  }

  /** Adds what upstreams know of the name that ours is another name for. */
  async #continue(query: Query, own: ContinuedAnswer, client: Client): Promise<void> {
    const [forwarder, replies] = [this.#forwarder, this.#replies];
    try {
      const name = own.continuesAt;
      const next = { ...query, name, question: questionBytes(name, query.type) };
      const known = forwarder.cached(next);
      const answer = known?.answer ?? (await forwarder.ask(next));
      if (answer === undefined) {
        replies.fail(query, client);
        return;
      }
      const answers = [...own.answers, ...recordsOf(answer, known?.ageS ?? 0)];
      const rcode = answer.message.flags & flag.code;
      replies.send(query, ownReply(query, { ...own, code: rcode, answers }, client.maxBytes(query)), client);
    } catch (error) {
      replies.failed(query, client, error);
    }
  }
}

function questionBytes(name: string, type: number): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(`\0${label}`, 'latin1'));
  for (const label of labels) label[0] = label.length - 1;
  return Buffer.concat([...labels, Buffer.from([0, type >>> 8, type & 0xff, 0, 1])]);
}

/** Addresses and other names, as far as they can be told by somebody else. */
function recordsOf({ bytes }: Relayable, ageS: number): NameRecord[] {
  return (decode(bytes).answers ?? []).flatMap((answer): NameRecord[] => {
    if (answer.type !== 'A' && answer.type !== 'AAAA' && answer.type !== 'CNAME') return [];
    const { name: owner, data, type } = answer;
    if (!isPlainName(owner) || (type === 'CNAME' && !isPlainName(data))) return [];
    return [{ type, owner, data, ttl: Math.max(0, (answer.ttl ?? TTL_S) - ageS) }];
  });
}
