/**
 * The main thread's side of a thread that answers datagrams. There is one while many questions come: a thread that does
 * little is given the processor at once, and what the data path does holds up nobody's names. What it costs in memory is
 * paid by those alone (`docs/decisions/0010-thread-for-names.md`).
 */
import { inSlices, type Steps } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import type { ListenAddress } from './dns-server.ts';
import type { Host } from './name-index.ts';
import { datagramBytes } from './reply.ts';
import type { ResolverAddress } from './resolver-list.ts';
import type { Responder } from './responder.ts';
import {
  CODES,
  type FromLoop,
  figure,
  type LoopFigures,
  loopFigures,
  type ToLoop,
} from './thread-message.ts';
import { type HeldUdpListener, listenHeldUdp } from './udp-listener.ts';
import type { Zone } from './zone.ts';

/** A thread that runs a `QuestionLoop`. */
export interface RunningLoop {
  say(message: ToLoop): void;
  /** With what it died of; undefined: of its own will. */
  readonly ended: Promise<Error | undefined>;
}

/** What threads and sockets are made with. */
export interface ThreadMeans {
  /** @param sockets descriptors of bound sockets, open while it runs */
  start(sockets: readonly number[], figures: LoopFigures, heard: (message: FromLoop) => void): RunningLoop;
  /** Undefined where there is none to be had. */
  duplicate(fd: number): number | undefined;
  close(fd: number): void;
  /** Or drops it. @param peer as the thread or a listener here was told */
  send(fd: number, bytes: Uint8Array, peer: Uint8Array | ResolverAddress): void;
}

export interface ThreadSettings {
  readonly means: ThreadMeans;
  /** Questions within a second that start a thread; absent: 200. */
  readonly startRate?: number;
  /** How long there are to be fewer than a quarter of that before it ends; absent: a minute. */
  readonly quietMs?: number;
}

export interface QuestionThreadOptions extends ThreadSettings {
  readonly zone: () => Zone | undefined;
  readonly responder: Responder;
  readonly metrics: DnsMetrics;
  readonly log: Logger;
  /** Of a clock that only goes forward. */
  readonly nowMs: () => number;
}

const START_RATE = 200;
const QUIET_MS = 60_000;
/** After one that died. */
const RESTART_MS = 10_000;
/** Hosts of one message. */
const HOSTS_A_MESSAGE = 16;

interface Running {
  readonly loop: RunningLoop;
  readonly figures: LoopFigures;
  /** Of the listeners, in their order; the thread reads them until they are given back. */
  readonly sockets: readonly number[];
  /** What of the figures was counted. */
  readonly counted: Float64Array;
  /** Serial of the table that it was told last. */
  told: number;
  isTelling: boolean;
  /** The listeners here have left the sockets to it. */
  serves: boolean;
}

export class QuestionThread {
  readonly #options: QuestionThreadOptions;
  readonly #listeners: HeldUdpListener[] = [];
  #running: Running | undefined;
  #closed = false;
  #notBeforeMs = 0;
  #secondMs = 0;
  #seen = 0;
  #quiet: NodeJS.Timeout | undefined;

  constructor(options: QuestionThreadOptions) {
    this.#options = options;
  }

  /** On a socket that the thread takes over while it runs. */
  async listen(where: ListenAddress & { readonly fd: number }): Promise<HeldUdpListener> {
    const { responder, log, means } = this.#options;
    const listener = await listenHeldUdp(where, { responder, log, noticed: () => this.#noticed() }, means);
    this.#listeners.push(listener);
    return listener;
  }

  #noticed(): void {
    if (this.#running !== undefined || this.#closed) return;
    const { nowMs, startRate = START_RATE, zone } = this.#options;
    const now = nowMs();
    if (now - this.#secondMs > 1000) {
      this.#secondMs = now;
      this.#seen = 0;
    }
    if (++this.#seen >= startRate && now >= this.#notBeforeMs && zone() !== undefined) this.#start();
  }

  /** Another table is in force. */
  adopted(): void {
    if (this.#running !== undefined) void this.#tell(this.#running);
  }

  /** Counts what the thread did: figures are to be read. */
  count(): void {
    if (this.#running === undefined) return;
    const { figures, counted } = this.#running;
    const { metrics } = this.#options;
    const now = figures.counts.slice();
    metrics.requests.inc(now[figure.answered]! - counted[figure.answered]!);
    for (let code = 0; code < CODES; code++) {
      const by = now[figure.replies + code]! - counted[figure.replies + code]!;
      if (by > 0) metrics.replied(code, by);
    }
    counted.set(now);
  }

  /** Resolves when the thread is no more. The listeners stay as they are. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#running?.loop.say({ kind: 'end' });
    await this.#running?.loop.ended;
  }

  #start(): void {
    const { means, log, quietMs = QUIET_MS } = this.#options;
    const duplicates = this.#listeners.map(({ fd }) => means.duplicate(fd));
    const sockets = duplicates.filter((fd) => fd !== undefined);
    const figures = loopFigures();
    let loop: RunningLoop;
    try {
      if (sockets.length < duplicates.length) throw new Error('no descriptor is left');
      loop = means.start(sockets, figures, (message) => this.#heard(running, message));
    } catch (error) {
      for (const fd of sockets) means.close(fd);
      this.#failed('dns.thread-not-started', error as Error);
      return;
    }
    const running: Running = {
      loop,
      figures,
      sockets,
      counted: new Float64Array(figures.counts.length),
      told: 0,
      isTelling: false,
      serves: false,
    };
    this.#running = running;
    log.debug('dns.thread-started');
    void running.loop.ended.then((error) => this.#ended(running, error));
    void this.#tell(running);
    let before = 0;
    this.#quiet = setInterval(() => {
      const seen = figures.counts[figure.answered]! + figures.counts[figure.handedOn]!;
      const rate = ((seen - before) * 1000) / quietMs;
      before = seen;
      if (rate < (this.#options.startRate ?? START_RATE) / 4) running.loop.say({ kind: 'end' });
    }, quietMs).unref();
  }

  #heard(running: Running, message: FromLoop): void {
    const { log, means, responder } = this.#options;
    if (message.kind === 'log') {
      log[message.level === 'off' ? 'debug' : message.level](message.event, message.fields);
    } else if (message.kind === 'serving') {
      running.serves = true;
      for (const listener of this.#listeners) listener.leave();
    } else {
      Atomics.sub(running.figures.waiting, 0, 1);
      const listener = this.#listeners[message.socket]!;
      const { bytes, peer } = message;
      responder.answer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), {
        maxBytes: datagramBytes,
        reply: (reply) => {
          if (!listener.isClosed()) means.send(listener.fd, reply, peer);
        },
        ignored(): void {},
      });
    }
  }

  /** The sockets come back. */
  #ended(running: Running, error: Error | undefined): void {
    const { log, means } = this.#options;
    clearInterval(this.#quiet);
    this.count();
    this.#running = undefined;
    for (const [at, fd] of running.sockets.entries()) {
      if (running.serves && !this.#closed) this.#listeners[at]!.comeBack(fd);
      else means.close(fd);
    }
    if (error === undefined) log.debug('dns.thread-ended');
    else this.#failed('dns.thread-died', error);
  }

  /** It is done without one for some time. */
  #failed(event: string, error: Error): void {
    this.#notBeforeMs = this.#options.nowMs() + RESTART_MS;
    this.#options.log.error(event, { error: error.message });
  }

  /** The table in force, and again while there is a newer one. */
  async #tell(running: Running): Promise<void> {
    if (running.isTelling) return;
    running.isTelling = true;
    const isDue = (zone: Zone | undefined): zone is Zone =>
      zone !== undefined && zone.serial > running.told && this.#running === running;
    for (let zone = this.#options.zone(); isDue(zone); zone = this.#options.zone()) {
      running.told = zone.serial;
      await inSlices(tellTable(running.loop, zone));
    }
    running.isTelling = false;
  }
}

function* tellTable(loop: RunningLoop, { index, ...zone }: Zone): Steps<void> {
  yield* tellHosts(index.hosts.values(), (hosts) => loop.say({ kind: 'hosts', hosts, wildcards: [] }));
  yield* tellHosts(index.wildcards.values(), (wildcards) =>
    loop.say({ kind: 'hosts', hosts: [], wildcards }),
  );
  loop.say({ kind: 'table', namespaces: index.namespaces, ...zone });
}

function* tellHosts(hosts: Iterable<Host>, say: (some: readonly Host[]) => void): Steps<void> {
  let some: Host[] = [];
  for (const host of hosts) {
    some.push({ ...host, instances: [] });
    if (some.length < HOSTS_A_MESSAGE) continue;
    say(some);
    some = [];
    yield;
  }
  if (some.length > 0) say(some);
}
