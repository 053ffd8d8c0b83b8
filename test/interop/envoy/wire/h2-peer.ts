/** One end of a HTTP/2 connection for tests: keeps what came, answers what must be answered, sends anything. */
import type { Duplex } from 'node:stream';
import {
  dataFrame,
  errorNames,
  FRAME_HEAD_BYTES,
  flag,
  frame,
  frameType,
  headersFrame,
  settingsAck,
  windowUpdate,
} from './h2-frames.ts';
import { type Field, HpackReader } from './hpack.ts';
import { shown, steadyValue } from './volatile.ts';

/** What came on one stream. */
export class StreamView {
  readonly id: number;
  /** Each block of headers in order: interim ones, the head, trailers. */
  readonly blocks: Field[][] = [];
  /** latin1 */
  data = '';
  ended = false;
  /** Name of the code of RST_STREAM. */
  reset = '';

  constructor(id: number) {
    this.id = id;
  }

  /** The block that is no interim one. */
  get head(): readonly Field[] | undefined {
    return this.blocks.find((block) => !/^1/.test(fieldOf(block, ':status') ?? ''));
  }

  get status(): number {
    return Number(fieldOf(this.head ?? [], ':status') ?? 0);
  }

  get over(): boolean {
    return this.ended || this.reset !== '';
  }

  lines(): string[] {
    const trailersFrom = this.blocks.indexOf(this.head as Field[]);
    const lines = this.blocks.flatMap((block, at) => [
      ...(at === 0 ? [] : [at > trailersFrom ? 'trailers' : 'head']),
      ...fieldLines(block),
    ]);
    if (this.data !== '') lines.push(`data: ${shown(this.data)}`);
    if (this.reset !== '') lines.push(`reset ${this.reset}`);
    else lines.push(this.ended ? 'end of stream' : 'open');
    return lines;
  }
}

export const fieldOf = (fields: readonly Field[], name: string): string | undefined =>
  fields.find(([of]) => of === name)?.[1];

/** Pseudo-headers first, then in the order of names. */
function fieldLines(fields: readonly Field[]): string[] {
  return fields
    .toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([name, value]) => `${name}: ${steadyValue(name, value)}`);
}

export interface PeerOptions {
  /** SETTINGS are not acknowledged, PINGs not answered. */
  readonly mute?: boolean;
  /** Windows are not opened again. */
  readonly noCredit?: boolean;
}

export class H2Peer {
  readonly streams: Map<number, StreamView> = new Map();
  /** `identifier=value` of the other side's first SETTINGS. */
  settings: Map<number, number> | undefined;
  settingsAcks = 0;
  /** Payloads of PINGs that were answered. */
  readonly pongs: string[] = [];
  readonly goAways: { readonly lastStream: number; readonly code: string; readonly debug: string }[] = [];
  /** Sums of WINDOW_UPDATE, by stream. */
  readonly credit: Map<number, number> = new Map();
  /** How many frames of each type came. */
  readonly frames: Map<number, number> = new Map();
  closed = false;
  /** Of DATA that keeps to the window of the connection. */
  sentBytes = 0;
  onHead: (stream: StreamView) => void = () => {};
  readonly socket: Duplex;
  readonly #options: PeerOptions;
  readonly #hpack = new HpackReader();
  #bytes: Buffer = Buffer.alloc(0);
  #block: { readonly stream: number; readonly flags: number; readonly parts: Buffer[] } | undefined;
  readonly #waiting = new Set<() => void>();
  #held: Buffer[] | undefined;

  /** Reads the socket from now on. */
  constructor(socket: Duplex, options: PeerOptions = {}) {
    this.socket = socket;
    this.#options = options;
    socket.on('data', (bytes: Buffer) => this.take(bytes));
    const close = (): void => {
      this.closed = true;
      this.#wake();
    };
    for (const event of ['end', 'close', 'error']) socket.on(event, close);
  }

  take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= FRAME_HEAD_BYTES) {
      const length = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < FRAME_HEAD_BYTES + length) break;
      const [type, flags] = [this.#bytes[3]!, this.#bytes[4]!];
      const stream = this.#bytes.readUInt32BE(5) & 0x7fffffff;
      const payload = this.#bytes.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + length);
      this.#bytes = this.#bytes.subarray(FRAME_HEAD_BYTES + length);
      this.frames.set(type, (this.frames.get(type) ?? 0) + 1);
      this.#onFrame(type, flags, stream, payload);
    }
    this.#wake();
  }

  /** While someone else writes frames in pieces, ours wait. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (held.length > 0) this.send(...held);
  }

  send(...frames: readonly Buffer[]): void {
    if (this.#held !== undefined) this.#held.push(...frames);
    else if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(Buffer.concat(frames));
  }

  headers(stream: number, fields: readonly Field[], endStream = false): void {
    this.send(headersFrame(stream, fields, endStream));
  }

  data(stream: number, data: Buffer | string, endStream = false): void {
    this.send(dataFrame(stream, data, endStream));
  }

  /** Resolves when it is so or the connection is over; for as long as the case lets it. */
  async until(done: () => boolean, timeoutMs = 5000, what: string = String(done)): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!done() && !this.closed) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`not so in time: ${what}; so far: ${this.lines().join(' | ')}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, leftMs);
        this.#waiting.add(wake);
      });
    }
  }

  stream(id: number): StreamView {
    const known = this.streams.get(id);
    if (known !== undefined) return known;
    const made = new StreamView(id);
    this.streams.set(id, made);
    return made;
  }

  lines(): string[] {
    const streams = [...this.streams.values()].sort((a, b) => a.id - b.id);
    return [
      ...streams.flatMap((stream) => [`stream ${stream.id}`, ...stream.lines()]),
      ...this.goAways.map(({ lastStream, code }) => `goaway ${lastStream} ${code}`),
    ];
  }

  #onFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case frameType.data:
        this.#onData(flags, stream, payload);
        break;
      case frameType.headers:
      case frameType.pushPromise: {
        const block = unpadded(flags, payload).subarray(flags & flag.priority ? 5 : 0);
        this.#block = { stream, flags, parts: [block] };
        if (flags & flag.endHeaders) this.#onBlock();
        break;
      }
      case frameType.continuation:
        this.#block?.parts.push(payload);
        if (flags & flag.endHeaders) this.#onBlock();
        break;
      case frameType.rstStream:
        this.stream(stream).reset = errorNames[payload.readUInt32BE(0)] ?? 'unknown';
        break;
      case frameType.settings:
        this.#onSettings(flags, payload);
        break;
      case frameType.ping:
        if (flags & flag.ack) this.pongs.push(payload.toString('latin1'));
        else if (!this.#options.mute) this.send(frame(frameType.ping, flag.ack, 0, payload));
        break;
      case frameType.goAway:
        this.goAways.push({
          lastStream: payload.readUInt32BE(0),
          code: errorNames[payload.readUInt32BE(4)] ?? 'unknown',
          debug: payload.toString('latin1', 8),
        });
        break;
      case frameType.windowUpdate:
        this.credit.set(stream, (this.credit.get(stream) ?? 0) + payload.readUInt32BE(0));
        break;
      default:
        break;
    }
  }

  #onSettings(flags: number, payload: Buffer): void {
    if (flags & flag.ack) {
      this.settingsAcks++;
      return;
    }
    this.settings ??= new Map();
    for (let at = 0; at + 6 <= payload.length; at += 6)
      this.settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    if (!this.#options.mute) this.send(settingsAck);
  }

  #onData(flags: number, id: number, payload: Buffer): void {
    const stream = this.stream(id);
    stream.data += unpadded(flags, payload).toString('latin1');
    if (flags & flag.endStream) stream.ended = true;
    if (payload.length > 0 && !this.#options.noCredit)
      this.send(windowUpdate(0, payload.length), ...(stream.ended ? [] : [windowUpdate(id, payload.length)]));
  }

  #onBlock(): void {
    const { stream: id, flags, parts } = this.#block!;
    this.#block = undefined;
    const stream = this.stream(id);
    const first = stream.head === undefined;
    stream.blocks.push(this.#hpack.read(Buffer.concat(parts)));
    if (flags & flag.endStream) stream.ended = true;
    if (first && stream.head !== undefined) this.onHead(stream);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & flag.padded) === 0) return payload;
  return payload.subarray(1, payload.length - payload[0]!);
}
