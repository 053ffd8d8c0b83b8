/** A request of a client -> its reply, at once where the name is ours or known, else when an upstream has answered. */
import { decode } from 'dns-packet';
import type { Logger } from '#observe/log.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import type { Forwarder } from './forwarder.ts';
import { code, flag, isPlainName } from './message.ts';
import { emptyReply, type Query, readQuery } from './query.ts';
import type { NameRecord } from './record.ts';
import { finishedReply, ownReply, type Relayable, relayedReply } from './reply.ts';
import { answerFrom, TTL_S, type Zone, type ZoneAnswer } from './zone.ts';

export interface ResponderSettings {
  /** Undefined until the first table has come: until then nobody can say whose a name is. */
  readonly zone: () => Zone | undefined;
  readonly forwarder: Forwarder;
  readonly metrics: DnsMetrics;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What a client is answered by. */
export interface Client {
  /** Bytes of the longest reply. */
  maxBytes(query: Query): number;
  /** Called once at most. */
  reply(bytes: Buffer): void;
  /** Called instead of `reply` where there is nothing to say. */
  ignored(): void;
}

export class Responder {
  readonly #settings: ResponderSettings;

  constructor(settings: ResponderSettings) {
    this.#settings = settings;
  }

  answer(bytes: Buffer, client: Client): void {
    const { metrics } = this.#settings;
    const received = readQuery(bytes);
    if (received.kind === 'ignored') {
      client.ignored();
      return;
    }
    metrics.requests.inc();
    if (received.kind === 'refused') {
      metrics.replied(received.code);
      client.reply(received.reply);
      return;
    }
    const { query } = received;
    try {
      this.#answerQuery(query, client);
    } catch (error) {
      this.#failed(query, client, error);
    }
  }

  #answerQuery(query: Query, client: Client): void {
    const { forwarder, random, zone: zoneNow } = this.#settings;
    const zone = zoneNow();
    if (zone === undefined) {
      this.#fail(query, client);
      return;
    }
    const { name, type } = query;
    const own = answerFrom(zone, { name, type, turn: random() });
    if (own?.continuesAt !== undefined) {
      void this.#continue(query, own, own.continuesAt, client);
      return;
    }
    if (own !== undefined) {
      this.#send(query, ownReply(query, own, client.maxBytes(query)), client);
      return;
    }
    const known = forwarder.cached(query);
    if (known !== undefined) this.#send(query, relayedReply(query, known.answer, known.ageS), client);
    else void this.#forward(query, client);
  }

  async #forward(query: Query, client: Client): Promise<void> {
    try {
      const answer = await this.#settings.forwarder.ask(query);
      if (answer === undefined) this.#fail(query, client);
      else this.#send(query, relayedReply(query, answer, 0), client);
    } catch (error) {
      this.#failed(query, client, error);
    }
  }

  /** Adds what upstreams know of the name that ours is another name for. */
  async #continue(query: Query, own: ZoneAnswer, name: string, client: Client): Promise<void> {
    const { forwarder } = this.#settings;
    try {
      const next = { ...query, name, question: questionBytes(name, query.type) };
      const known = forwarder.cached(next);
      const answer = known?.answer ?? (await forwarder.ask(next));
      if (answer === undefined) {
        this.#fail(query, client);
        return;
      }
      const answers = [...own.answers, ...recordsOf(answer, known?.ageS ?? 0)];
      const rcode = answer.message.flags & flag.code;
      const reply = ownReply(query, { ...own, code: rcode, answers }, client.maxBytes(query));
      this.#send(query, reply, client);
    } catch (error) {
      this.#failed(query, client, error);
    }
  }

  #send(query: Query, reply: Buffer, client: Client): void {
    this.#settings.metrics.replied(reply.readUInt16BE(2) & flag.code);
    client.reply(finishedReply(query, reply, client.maxBytes(query)));
  }

  #fail(query: Query, client: Client): void {
    this.#settings.metrics.replied(code.serverFailure);
    client.reply(emptyReply(query, code.serverFailure));
  }

  /** A bug: this question has no answer, the others have theirs. */
  #failed(query: Query, client: Client, error: unknown): void {
    const { name, type } = query;
    this.#settings.log.error('dns.failed', { name, type, error: String((error as Error).stack ?? error) });
    this.#fail(query, client);
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
