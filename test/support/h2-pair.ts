/** Ends of HTTP/2 connections in memory, with everything they do written down. */
import { type FakeClock, fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { BodyMemory } from '#http/codec/h2/body-memory.ts';
import { H2ClientConnection } from '#http/codec/h2/client-connection.ts';
import type { H2Connection } from '#http/codec/h2/connection.ts';
import type { H2ConnectionEvents, H2Surroundings } from '#http/codec/h2/connection-events.ts';
import { type H2Counter, h2CounterNames } from '#http/codec/h2/counter.ts';
import type { H2Fault } from '#http/codec/h2/fault.ts';
import { FlushQueue } from '#http/codec/h2/flush-queue.ts';
import type { HeaderBlock } from '#http/codec/h2/header-block.ts';
import { defaultH2Options, type H2Options } from '#http/codec/h2/options.ts';
import type { H2Output } from '#http/codec/h2/output.ts';
import { H2ServerConnection } from '#http/codec/h2/server-connection.ts';
import type { H2Stream, H2StreamHandler, ResetCause } from '#http/codec/h2/stream.ts';
import type { HeaderList } from '#http/header-list.ts';

/** Keeps what was written. */
export class MemoryOutput implements H2Output {
  full = false;
  /** Whether the peer reads nothing for now. */
  stuck = false;
  ended = false;
  writes = 0;
  #chunks: Buffer[] = [];
  #waiting = 0;

  write(bytes: Buffer): boolean {
    this.writes++;
    this.#chunks.push(Buffer.from(bytes));
    if (this.stuck) this.#waiting += bytes.length;
    return this.drained;
  }

  get drained(): boolean {
    return this.#waiting === 0;
  }

  /** The peer reads again, and has read everything. */
  release(): void {
    this.stuck = false;
    this.#waiting = 0;
  }

  end(): void {
    this.ended = true;
  }

  /** What was written since the last call. */
  take(): Buffer {
    const taken = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return taken;
  }
}

/** A stream's part of the log, and what it received. */
export class Recorder implements H2StreamHandler {
  readonly log: string[] = [];
  readonly headers: HeaderList[] = [];
  bytes = 0;
  body: Buffer[] = [];
  ended = false;
  /** Called with each event's first word. */
  readonly react: (event: string, recorder: Recorder) => void;
  stream: H2Stream | undefined;
  onEndSent: () => void = () => {};

  constructor(react: (event: string, recorder: Recorder) => void = () => {}) {
    this.react = react;
  }

  onHead(block: HeaderBlock, endStream: boolean): void {
    const { method, scheme, authority, path, protocol, status } = block;
    const start =
      status === 0
        ? [method, scheme, authority, path, protocol].filter((part) => part !== '').join(' ')
        : String(status);
    this.headers.push(block.headers);
    this.#note('head', start, endStream);
  }

  onData(data: Buffer, endStream: boolean): void {
    this.bytes += data.length;
    this.body.push(Buffer.from(data));
    this.#note('data', String(data.length), endStream);
  }

  onTrailers(block: HeaderBlock): void {
    this.headers.push(block.headers);
    this.#note('trailers', block.headers.join(' '), true);
  }

  onReset(code: number, cause: ResetCause, details: string): void {
    this.#note('reset', `${code} ${cause} ${details}`, false);
  }

  onDrain(): void {
    this.#note('drain', '', false);
  }

  get text(): string {
    return Buffer.concat(this.body).toString('latin1');
  }

  #note(event: string, text: string, endStream: boolean): void {
    this.log.push(`${event} ${text}${endStream ? ' end' : ''}`.trim());
    if (endStream) this.ended = true;
    this.react(event, this);
  }
}

/** What a connection told its owner. */
export class RecordedEvents implements H2ConnectionEvents {
  readonly log: string[] = [];
  readonly counts: Map<string, number> = new Map();
  readonly recorders: Recorder[] = [];
  readonly #handler: (stream: H2Stream) => Recorder;

  constructor(handler: (stream: H2Stream) => Recorder = () => new Recorder()) {
    this.#handler = handler;
  }

  onStream(stream: H2Stream): void {
    const recorder = this.#handler(stream);
    recorder.stream = stream;
    stream.handler = recorder;
    this.recorders.push(recorder);
  }
  onStreamClosed(stream: H2Stream): void {
    this.log.push(`over ${stream.id}`);
  }
  onPeerSettings(): void {}
  onGoAway(lastStreamId: number, code: number, debug: string): void {
    this.log.push(`goaway ${lastStreamId} ${code} ${debug}`.trim());
  }
  onFault(fault: H2Fault): void {
    this.log.push(`fault ${fault.code} ${fault.reason}`);
  }
  onClosed(): void {
    this.log.push('closed');
  }
  onHandlerError(error: unknown, stream: H2Stream): void {
    this.log.push(`error ${stream.id} ${(error as Error).message}`);
  }
  onCount(counter: H2Counter): void {
    const name = h2CounterNames[counter]!;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}

export interface TestSurroundings extends H2Surroundings {
  readonly clock: FakeClock;
}

/** Time stands still, and nothing is flushed but by `flushes.run()`. */
export function surroundings(): TestSurroundings {
  const clock = fakeClock();
  return {
    clock,
    wheel: new TimerWheel(clock),
    flushes: new FlushQueue(() => {}),
    random: seededRandom(1),
    memory: new BodyMemory(),
  };
}

/** One end, and what it writes. */
export interface End<Connection extends H2Connection> {
  readonly connection: Connection;
  readonly output: MemoryOutput;
  readonly events: RecordedEvents;
  readonly around: TestSurroundings;
}

export function serverEnd(
  options: Partial<H2Options> = {},
  handler?: (stream: H2Stream) => Recorder,
  around: TestSurroundings = surroundings(),
): End<H2ServerConnection> {
  const output = new MemoryOutput();
  const events = new RecordedEvents(handler);
  const all = { ...defaultH2Options, ...options };
  return { connection: new H2ServerConnection(output, events, all, around), output, events, around };
}

export function clientEnd(
  options: Partial<H2Options> = {},
  around: TestSurroundings = surroundings(),
): End<H2ClientConnection> {
  const output = new MemoryOutput();
  const events = new RecordedEvents();
  const all = { ...defaultH2Options, ...options };
  return { connection: new H2ClientConnection(output, events, all, around), output, events, around };
}

export interface Pair {
  readonly client: End<H2ClientConnection>;
  readonly server: End<H2ServerConnection>;
  readonly around: TestSurroundings;
  /** Carries bytes to and fro until there are no more. */
  run(): void;
  /** A request without a body; the result hears the response. */
  get(path: string, recorder?: Recorder): Recorder;
  /** A request whose body follows. */
  post(path: string, headers?: HeaderList, recorder?: Recorder): Recorder;
}

/**
 * Two ends that talk to each other.
 * @param split how many bytes of those that are left are handed over at once
 */
export function pair(
  given: {
    readonly client?: Partial<H2Options>;
    readonly server?: Partial<H2Options>;
    readonly handler?: (stream: H2Stream) => Recorder;
    readonly split?: (left: number) => number;
    /** How long bytes are on their way. */
    readonly delayMs?: number;
  } = {},
): Pair {
  const around = surroundings();
  const client = clientEnd(given.client, around);
  const server = serverEnd(given.server, given.handler, around);
  const split = given.split ?? ((left) => left);
  client.connection.start();
  server.connection.start();
  const carry = (from: MemoryOutput, to: H2Connection): boolean => {
    const bytes = from.take();
    around.clock.advance(given.delayMs ?? 0);
    for (let at = 0; at < bytes.length; ) {
      const count = Math.max(1, Math.min(split(bytes.length - at), bytes.length - at));
      to.receive(bytes.subarray(at, at + count));
      at += count;
    }
    return bytes.length > 0;
  };
  const request = (method: string, path: string, headers: HeaderList, recorder: Recorder): Recorder => {
    const stream = client.connection.open(recorder);
    recorder.stream = stream;
    stream.sendRequest(method, 'http', 'mesh', path, '', headers, method === 'GET');
    return recorder;
  };
  return {
    client,
    server,
    around,
    run() {
      for (let quiet = 0; quiet < 2; ) {
        around.flushes.run();
        const toServer = carry(client.output, server.connection);
        around.flushes.run();
        const toClient = carry(server.output, client.connection);
        quiet = toServer || toClient ? 0 : quiet + 1;
      }
    },
    get: (path, recorder = new Recorder()) => request('GET', path, [], recorder),
    post: (path, headers = [], recorder = new Recorder()) => request('POST', path, headers, recorder),
  };
}
