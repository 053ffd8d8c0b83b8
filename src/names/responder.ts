/** A request of a client -> its reply, at once where the name is ours, else when somebody who knows it has it. */
import type { DnsMetrics } from './dns-metrics.ts';
import { type Query, readQuery } from './query.ts';
import type { Client, Replies } from './replies.ts';
import { ownReply } from './reply.ts';
import { answerFrom, type Zone, type ZoneAnswer } from './zone.ts';

export interface ResponderSettings {
  /** Undefined until the first table has come: until then nobody can say whose a name is. */
  readonly zone: () => Zone | undefined;
  readonly metrics: Pick<DnsMetrics, 'requests' | 'replied'>;
  readonly replies: Replies;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Counts and answers what is not ours. @param own what is ours of the answer, up to where it continues elsewhere */
  others(query: Query, own: ContinuedAnswer | undefined, client: Client): void;
}

/** The first part of an answer. */
export type ContinuedAnswer = ZoneAnswer & { readonly continuesAt: string };

export class Responder {
  readonly #settings: ResponderSettings;

  constructor(settings: ResponderSettings) {
    this.#settings = settings;
  }

  answer(bytes: Buffer, client: Client): void {
    const { metrics, replies } = this.#settings;
    const received = readQuery(bytes);
    if (received.kind === 'ignored') {
      client.ignored();
      return;
    }
    if (received.kind === 'refused') {
      metrics.requests.inc();
      metrics.replied(received.code);
      client.reply(received.reply);
      return;
    }
    const { query } = received;
    try {
      this.#answerQuery(query, client);
    } catch (error) {
      replies.failed(query, client, error);
    }
  }

  #answerQuery(query: Query, client: Client): void {
    const { metrics, random, replies, others, zone: zoneNow } = this.#settings;
    const zone = zoneNow();
    if (zone === undefined) {
      metrics.requests.inc();
      replies.fail(query, client);
      return;
    }
    const { name, type } = query;
    const own = answerFrom(zone, { name, type, turn: random() });
    if (own === undefined || isContinued(own)) {
      others(query, own, client);
      return;
    }
    metrics.requests.inc();
    replies.send(query, ownReply(query, own, client.maxBytes(query)), client);
  }
}

function isContinued(answer: ZoneAnswer): answer is ContinuedAnswer {
  return answer.continuesAt !== undefined;
}
