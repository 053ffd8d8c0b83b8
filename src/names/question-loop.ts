/**
 * What runs in the thread that answers datagrams: it waits for them in the kernel, answers what the table of names has,
 * and hands on all else. It has no event loop: between datagrams it does one small piece of what the main thread says.
 */
import type { Steps } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import { flag } from './message.ts';
import { type GrowingHost, type Host, indexHosts, type NameIndex } from './name-index.ts';
import { type Client, Replies } from './replies.ts';
import { datagramBytes } from './reply.ts';
import { ReplyCache } from './reply-cache.ts';
import { Responder } from './responder.ts';
import { type FromLoop, figure, type LoopFigures, type ToLoop } from './thread-message.ts';
import type { Zone } from './zone.ts';

/** Sockets of which one thread takes datagrams in batches. */
export interface DatagramBatches {
  /** Until there is a datagram or a message: whether it was that. @param timeoutMs 0: only looks */
  wait(timeoutMs: number): boolean;
  /** How many were taken of what the last wait has seen at that socket. */
  take(socket: number): number;
  /** Good until the next `take`. */
  message(at: number): Buffer;
  peer(at: number): Uint8Array;
  reply(at: number, bytes: Uint8Array): void;
  /** What was replied to what was taken from that socket. */
  send(socket: number): void;
}

export interface LoopMeans {
  readonly datagrams: DatagramBatches;
  /** How many there are. */
  readonly sockets: number;
  readonly figures: LoopFigures;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** The next message of the main thread; undefined: none has come. */
  heard(): ToLoop | undefined;
  say(message: FromLoop): void;
}

/** A process that ends waits no longer for a thread that nobody has told. */
const MAX_WAIT_MS = 500;
/** Of a stretch. */
const TURNS = 1000;
/** More are dropped, as the kernel drops what nobody reads. */
const MAX_HANDED_ON = 1000;

/** Does a stretch of it each time `run` is called. */
export class QuestionLoop {
  readonly #means: LoopMeans;
  readonly #metrics: Pick<DnsMetrics, 'requests' | 'replied'>;
  readonly #responder: Responder;
  readonly #known = new ReplyCache();
  readonly #client: Client;
  #zone: Zone | undefined;
  #hosts = new Map<string, GrowingHost>();
  #wildcards = new Map<string, Host>();
  #indexing: Steps<Zone> | undefined;
  #isBusy = true;
  #ended = false;
  /** What is being answered. */
  #socket = 0;
  #at = 0;

  constructor(means: LoopMeans) {
    const { counts } = means.figures;
    this.#means = means;
    this.#metrics = {
      requests: { value: 0, inc: () => void counts[figure.answered]!++ },
      replied: (code: number) => void counts[figure.replies + code]!++,
    };
    this.#responder = new Responder({
      zone: () => this.#zone,
      metrics: this.#metrics,
      replies: new Replies(this.#metrics, means.log),
      random: means.random,
      others: () => this.#handOn(),
    });
    this.#client = {
      maxBytes: datagramBytes,
      reply: (bytes) => {
        means.datagrams.reply(this.#at, bytes);
        this.#known.put(means.datagrams.message(this.#at), bytes);
      },
      ignored(): void {},
    };
  }

  /** Whether it is to be run again; the main thread says when it is not. What the runtime has to do is done between. */
  run(): boolean {
    const { datagrams, sockets } = this.#means;
    for (let turn = 0; turn < TURNS && !this.#ended; turn++) {
      const isTold = datagrams.wait(this.#isBusy ? 0 : MAX_WAIT_MS);
      for (this.#socket = 0; this.#socket < sockets; this.#socket++) this.#serve();
      if (isTold || this.#isBusy) this.#isBusy = this.#work();
    }
    return !this.#ended;
  }

  #serve(): void {
    const { datagrams } = this.#means;
    const count = datagrams.take(this.#socket);
    for (this.#at = 0; this.#at < count; this.#at++) {
      const message = datagrams.message(this.#at);
      const known = this.#known.get(message);
      if (known !== undefined) this.#repeat(known);
      // The main thread may know the names already.
      else if (this.#zone === undefined) this.#handOn();
      else this.#responder.answer(message, this.#client);
    }
    datagrams.send(this.#socket);
  }

  #repeat(reply: Buffer): void {
    this.#metrics.requests.inc();
    this.#metrics.replied(reply[3]! & flag.code);
    this.#means.datagrams.reply(this.#at, reply);
  }

  #handOn(): void {
    const { datagrams, figures, say } = this.#means;
    if (Atomics.load(figures.waiting, 0) >= MAX_HANDED_ON) return;
    Atomics.add(figures.waiting, 0, 1);
    figures.counts[figure.handedOn]!++;
    const bytes = Uint8Array.from(datagrams.message(this.#at));
    say({ kind: 'question', socket: this.#socket, bytes, peer: datagrams.peer(this.#at) });
  }

  /** Whether there may be more to do. */
  #work(): boolean {
    if (this.#indexing !== undefined) {
      this.#index(this.#indexing);
      return true;
    }
    const message = this.#means.heard();
    if (message === undefined) return false;
    if (message.kind === 'end') {
      this.#ended = true;
    } else if (message.kind === 'hosts') {
      for (const host of message.hosts) this.#hosts.set(host.name, { ...host, instances: [] });
      for (const host of message.wildcards) this.#wildcards.set(host.name, host);
    } else {
      const { kind: _, namespaces, ...zone } = message;
      this.#indexing = zoneOf(
        indexHosts({ hosts: this.#hosts, wildcards: this.#wildcards, namespaces }, zone.domain),
        zone,
      );
      this.#hosts = new Map();
      this.#wildcards = new Map();
    }
    return true;
  }

  #index(steps: Steps<Zone>): void {
    const next = steps.next();
    if (next.done !== true) return;
    this.#indexing = undefined;
    const isFirst = this.#zone === undefined;
    this.#zone = next.value;
    this.#known.clear();
    if (isFirst) this.#means.say({ kind: 'serving' });
  }
}

function* zoneOf(steps: Steps<NameIndex>, zone: Omit<Zone, 'index'>): Steps<Zone> {
  return { ...zone, index: yield* steps };
}
