/** What every reply goes through on its way out. */
import type { Logger } from '#observe/log.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import { code, flag } from './message.ts';
import { emptyReply, type Query } from './query.ts';
import { finishedReply } from './reply.ts';

/** What a client is answered by. */
export interface Client {
  /** Bytes of the longest reply. */
  maxBytes(query: Query): number;
  /** Called once at most. */
  reply(bytes: Buffer): void;
  /** Called instead of `reply` where there is nothing to say. */
  ignored(): void;
}

export class Replies {
  readonly #metrics: Pick<DnsMetrics, 'replied'>;
  readonly #log: Logger;

  constructor(metrics: Pick<DnsMetrics, 'replied'>, log: Logger) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** @param reply without OPT, of any length */
  send(query: Query, reply: Buffer, client: Client): void {
    this.#metrics.replied(reply.readUInt16BE(2) & flag.code);
    client.reply(finishedReply(query, reply, client.maxBytes(query)));
  }

  fail(query: Query, client: Client): void {
    this.#metrics.replied(code.serverFailure);
    client.reply(emptyReply(query, code.serverFailure));
  }

  /** A bug: this question has no answer, the others have theirs. */
  failed(query: Query, client: Client, error: unknown): void {
    const { name, type } = query;
    this.#log.error('dns.failed', { name, type, error: String((error as Error).stack ?? error) });
    this.fail(query, client);
  }
}
