/** Questions about names that are not ours: asked of the host's resolvers, each once for all who ask it meanwhile. */
import type { Logger } from '#observe/log.ts';
import { AnswerCache, type CachedAnswer } from './answer-cache.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import { exchange, plainSockets, type UpstreamQuestion, type UpstreamSockets } from './exchange.ts';
import { code, flag } from './message.ts';
import type { Query } from './query.ts';
import type { Relayable } from './reply.ts';
import type { ResolverList } from './resolver-list.ts';

export interface ForwarderSettings {
  /** Asked for before every question: the host's may change. */
  readonly resolvers: () => ResolverList;
  readonly metrics: DnsMetrics;
  readonly log: Logger;
  /** Of a clock that only goes forward. */
  readonly nowMs: () => number;
  /** Absent: plain ones. */
  readonly sockets?: UpstreamSockets;
}

/** Different questions that wait for upstreams at a time; more are told that it failed. */
const MAX_WAITING = 1000;

export class Forwarder {
  readonly #settings: ForwarderSettings;
  readonly #cache: AnswerCache;
  readonly #waiting = new Map<string, Promise<Relayable | undefined>>();
  readonly #stop = new AbortController();

  constructor(settings: ForwarderSettings) {
    this.#settings = settings;
    this.#cache = new AnswerCache(settings);
  }

  /** What is known without asking. */
  cached(query: Query): CachedAnswer | undefined {
    const found = this.#cache.get(keyOf(query));
    if (found !== undefined) this.#settings.metrics.cached.inc();
    return found;
  }

  /** Undefined where no resolver answers. */
  ask(query: Query): Promise<Relayable | undefined> {
    const key = keyOf(query);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting;
    if (this.#waiting.size >= MAX_WAITING) return Promise.resolve(undefined);
    const asking = this.#askAll(upstreamQuestion(query)).then((answer) => {
      this.#waiting.delete(key);
      if (answer !== undefined) this.#cache.put(key, answer);
      return answer;
    });
    this.#waiting.set(key, asking);
    return asking;
  }

  /** Ends what is being asked. */
  close(): void {
    this.#stop.abort();
    this.#cache.clear();
  }

  /** Each in turn, until one has an answer that is no failure of its own. */
  async #askAll(asked: UpstreamQuestion): Promise<Relayable | undefined> {
    const { log, metrics, nowMs, resolvers, sockets = plainSockets } = this.#settings;
    const { servers, attempts, timeoutMs } = resolvers();
    const means = { timeoutMs, sockets, stop: this.#stop.signal };
    let failure: Relayable | undefined;
    for (let attempt = 0; attempt < attempts; attempt++) {
      for (const server of servers) {
        if (this.#stop.signal.aborted) return undefined;
        metrics.upstreamRequests.inc();
        const startedMs = nowMs();
        try {
          const answer = await exchange(asked, server, means);
          metrics.upstreamDuration.record((nowMs() - startedMs) / 1000);
          const rcode = answer.message.flags & flag.code;
          if (rcode === code.noError || rcode === code.noName) return answer;
          failure = answer;
        } catch (error) {
          metrics.upstreamFailures.inc();
          log.debug('dns.upstream-failed', { ...server, name: asked.name, error: (error as Error).message });
        }
      }
      // All of them spoke, and said that they cannot.
      if (failure !== undefined) return failure;
    }
    return failure;
  }
}

function keyOf({ name, type, flags, edns }: Query): string {
  const asked = flags & (flag.recursionDesired | flag.checkingDisabled);
  return `${type} ${asked | (edns?.dnssecOk === true ? 1 : 0)} ${name}`;
}

function upstreamQuestion({ name, type, flags, question, edns }: Query): UpstreamQuestion {
  return {
    question: Buffer.from(
      question.toString('latin1').replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()),
      'latin1',
    ),
    name,
    type,
    recursionDesired: (flags & flag.recursionDesired) !== 0,
    checkingDisabled: (flags & flag.checkingDisabled) !== 0,
    dnssecOk: edns?.dnssecOk === true,
  };
}
