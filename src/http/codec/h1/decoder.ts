/**
 * HTTP/1.1 messages from bytes (RFC 9112), for both directions: one pass over a head, data handed on
 * without a copy. Any split of the bytes gives the same events but for the pieces of data.
 */
import { type HeaderList, headerOf, removeHeader } from '../../header-list.ts';
import { mark } from '../../header-name.ts';
import { ChunkReader } from './chunked.ts';
import { type Fault, faults } from './fault.ts';
import { FieldReader } from './fields.ts';
import type { RawNames } from './header-case.ts';
import { hopeless, tidyHead, tidyTrailers } from './loose-head.ts';

export interface DecoderLimits {
  /** Bytes of a head, or of trailers, with line ends. */
  readonly maxHeadBytes: number;
  /** Fields of a head, or of trailers. */
  readonly maxFields: number;
  /** Whether names are kept as they were written. */
  readonly keepCase?: boolean;
  /** Whether trailers are of use to anybody: others are read and not counted. */
  readonly wantsTrailers?: boolean;
  /** Whether a message may have both a length, which is dropped then, and chunks. */
  readonly allowsChunkedLength?: boolean;
}

/** Envoy's defaults. */
export const defaultLimits: DecoderLimits = { maxHeadBytes: 60 * 1024, maxFields: 100 };

/** Who is told what was read. `onFault` ends everything; nothing is read after it. */
export interface DecoderEvents {
  /** A head is in the decoder's fields. Responses: interim ones (1xx) come here too, without an end. */
  onHead(): void;
  onData(data: Buffer): void;
  onTrailers(trailers: HeaderList): void;
  onEnd(): void;
  onFault(fault: Fault): void;
}

/** How a message goes on after its head. */
export const body = { none: 0, length: 1, chunked: 2, untilClose: 4, opaque: 6, interim: -1 } as const;

const HEAD = 0;
const LENGTH = 1;
const CHUNKED = 2;
const TRAILERS = 3;
const UNTIL_CLOSE = 4;
const DEAD = 5;
const OPAQUE = 6;

/** A head seldom is longer; more is decoded in a second step. */
const FIRST_LOOK_BYTES = 2048;
const CR = 0x0d;
const LF = 0x0a;

export abstract class Decoder {
  /** The head read last. The list belongs to whom `onHead` told. */
  headers: HeaderList = [];
  marks = 0;
  minor = 1;
  /** -1: unknown. */
  contentLength = -1;
  chunked = false;
  /** Whether the sender wants the connection to be used again after this message. */
  keepAlive = true;
  /** Bytes of the head read last. */
  headBytes = 0;

  protected readonly events: DecoderEvents;
  protected readonly fields: FieldReader;
  protected readonly limits: DecoderLimits;
  protected body: number = HEAD;
  readonly #isRequest: boolean;
  readonly #chunks = new ChunkReader();
  #state: number = HEAD;
  #left = 0;
  #held: Buffer | undefined;
  #heldBytes = 0;
  #lineSeen = false;

  constructor(events: DecoderEvents, limits: DecoderLimits, isRequest: boolean) {
    this.events = events;
    this.fields = new FieldReader(limits.maxFields, limits.keepCase === true);
    this.limits = limits;
    this.#isRequest = isRequest;
  }

  /** Reads the start line; sets what is its own. @returns where the fields begin, or a fault. */
  protected abstract readStart(text: string): number | Fault;
  /** After the fields: sets `body` to one of {@link body}. */
  protected abstract frame(): Fault | undefined;

  /** Names of the head read last as they were written, where that is kept. */
  get rawNames(): RawNames | undefined {
    return this.fields.rawNames;
  }

  /** Whether a message has begun and not ended. */
  get inMessage(): boolean {
    return this.#state !== HEAD || this.#heldBytes > 0;
  }

  /** Whether bytes of a head, but not its end, have been read. */
  get inHead(): boolean {
    return this.#state === HEAD && this.#heldBytes > 0;
  }

  /** Whether the bytes that come are not HTTP any more. */
  get inTunnel(): boolean {
    return this.#state === OPAQUE;
  }

  /** Whether a message is under way whose end does not depend on that of the connection. */
  get foretold(): boolean {
    return this.inMessage && this.#state !== UNTIL_CLOSE && this.#state !== OPAQUE && this.#state !== DEAD;
  }

  /** Reads no more, whatever comes. */
  stop(): void {
    this.#state = DEAD;
  }

  /** Reads from `chunk[at]` to the end of one message or of the chunk. @returns where it stopped. */
  decode(chunk: Buffer, at: number): number {
    let pos = at;
    while (pos < chunk.length) {
      const state = this.#state;
      switch (state) {
        case HEAD:
          pos = this.#decodeHead(chunk, pos);
          if (this.#state === HEAD && this.#heldBytes === 0 && this.body === HEAD) return pos;
          break;
        case LENGTH:
          pos = this.#decodeLength(chunk, pos);
          if (this.#state === HEAD) return pos;
          break;
        case CHUNKED:
          pos = this.#decodeChunked(chunk, pos);
          break;
        case TRAILERS:
          pos = this.#decodeTrailers(chunk, pos);
          if (this.#state === HEAD) return pos;
          break;
        case UNTIL_CLOSE:
        case OPAQUE:
          this.events.onData(pos === 0 ? chunk : chunk.subarray(pos));
          return chunk.length;
        default:
          return chunk.length;
      }
    }
    return pos;
  }

  /** The connection was ended by its other side. */
  finish(): void {
    if (this.#state === UNTIL_CLOSE || this.#state === OPAQUE) {
      this.#state = DEAD;
      this.events.onEnd();
    } else if (this.inMessage && this.#state !== DEAD) this.#fail(faults.truncated);
  }

  #fail(fault: Fault): void {
    if (this.#state === DEAD) return;
    this.#state = DEAD;
    this.#held = undefined;
    this.events.onFault(fault);
  }

  #decodeHead(chunk: Buffer, at: number): number {
    if (this.#heldBytes > 0) return this.#gatherHead(chunk, at);
    let start = at;
    // Empty lines before a request are skipped (RFC 9112 §2.2).
    if (this.#isRequest) while (chunk[start] === CR || chunk[start] === LF) start++;
    if (start === chunk.length) return start;
    const { maxHeadBytes } = this.limits;
    let text = chunk.toString('latin1', start, Math.min(chunk.length, start + FIRST_LOOK_BYTES));
    let end = text.indexOf('\r\n\r\n');
    if (end === -1 && chunk.length - start > FIRST_LOOK_BYTES) {
      text = chunk.toString('latin1', start, Math.min(chunk.length, start + maxHeadBytes));
      end = text.indexOf('\r\n\r\n');
    }
    if (end === -1 || end + 4 > maxHeadBytes) return this.#gatherHead(chunk, start);
    return this.#endHead(chunk, start, this.#readHead(text, end + 4));
  }

  /** Keeps the beginning of a head until the rest comes. */
  #gatherHead(chunk: Buffer, at: number): number {
    const before = this.#heldBytes;
    this.#hold(chunk, at);
    const held = this.#held!;
    const length = blockLength(held, this.#heldBytes, before);
    const { maxHeadBytes } = this.limits;
    if (length > maxHeadBytes || (length === -1 && this.#heldBytes > maxHeadBytes)) {
      this.#fail(faults.headTooLarge);
      return chunk.length;
    }
    if (length === -1) return this.#examine(chunk, at, before);
    const text = held.toString('latin1', 0, length);
    this.#release();
    return this.#endHead(chunk, at - before, this.#readHead(text, length));
  }

  /** What has come of a head: whether it can still become one, or needs nothing more. */
  #examine(chunk: Buffer, at: number, before: number): number {
    const held = this.#held!;
    const fault = before === 0 ? hopeless(String.fromCharCode(held[0]!), this.#isRequest) : undefined;
    if (fault !== undefined) {
      this.#fail(fault);
      return chunk.length;
    }
    if (!this.#isRequest || this.#lineSeen) return chunk.length;
    const lineEnd = held.subarray(0, this.#heldBytes).indexOf(LF, before);
    if (lineEnd === -1) return chunk.length;
    this.#lineSeen = true;
    const text = held.toString('latin1', 0, lineEnd + 1);
    // A line without a version is a whole request (HTTP/0.9).
    if (tidyHead(text, true) === undefined) return chunk.length;
    this.#release();
    return this.#endHead(chunk, at - before, this.#readHead(text, text.length));
  }

  #endHead(chunk: Buffer, start: number, taken: number): number {
    return taken === -1 ? chunk.length : start + taken;
  }

  #hold(chunk: Buffer, at: number): void {
    const total = this.#heldBytes + chunk.length - at;
    let held = this.#held;
    if (held === undefined || held.length < total) {
      const grown = Buffer.allocUnsafeSlow(Math.max(512, total * 2));
      if (held !== undefined) held.copy(grown, 0, 0, this.#heldBytes);
      held = grown;
      this.#held = grown;
    }
    chunk.copy(held, this.#heldBytes, at);
    this.#heldBytes = total;
  }

  #release(): void {
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#lineSeen = false;
  }

  /** Reads the head that is `text[0..length)`. @returns how many characters it took; -1 for none. */
  #readHead(text: string, length: number): number {
    let taken = length;
    let fault = text.charCodeAt(length - 4) === CR ? this.#readLines(text, length - 2) : faults.requestLine;
    if (fault !== undefined) {
      const tidy = tidyHead(text.slice(0, length), this.#isRequest);
      if (tidy !== undefined && 'text' in tidy) {
        taken = tidy.length;
        fault = this.#readLines(tidy.text, tidy.text.length);
      } else fault = tidy ?? fault;
    }
    if (fault !== undefined) {
      this.#fail(fault);
      return -1;
    }
    const { fields } = this;
    this.headers = fields.fields;
    this.marks = fields.marks;
    this.contentLength = fields.contentLength;
    this.chunked = fields.chunked;
    this.headBytes = taken;
    const misframed = this.frame();
    if (misframed !== undefined) {
      this.#fail(misframed);
      return -1;
    }
    this.#begin();
    return taken;
  }

  #readLines(text: string, end: number): Fault | undefined {
    const fieldsAt = this.readStart(text);
    return typeof fieldsAt === 'number' ? this.fields.read(text, fieldsAt, end) : fieldsAt;
  }

  /** What a length and a transfer coding say together (RFC 9112 §6.1). */
  protected checkFraming(): Fault | undefined {
    const { fields } = this;
    const { marks } = fields;
    if ((marks & mark.transferEncoding) === 0) return fields.badLength ? faults.contentLength : undefined;
    if ((marks & mark.contentLength) !== 0) {
      if (!fields.chunked || this.limits.allowsChunkedLength !== true) {
        return fields.badLength ? faults.contentLength : faults.twoLengths;
      }
      removeHeader(fields.fields, 'content-length');
      this.contentLength = -1;
    }
    return fields.chunked ? undefined : faults.transferEncoding;
  }

  /** Whether the connection outlives a message, by the rules of RFC 9112 §9.3. */
  protected readKeepAlive(): boolean {
    const { fields, minor } = this;
    if (minor === 0 ? !fields.keepAlive : fields.close) return false;
    if ((fields.marks & mark.hopByHop) === 0) return true;
    return !/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(headerOf(fields.fields, 'proxy-connection') ?? '');
  }

  #begin(): void {
    const { body } = this;
    if (body === LENGTH) this.#left = this.contentLength;
    else if (body === CHUNKED) this.#chunks.reset();
    this.#state = body === -1 ? HEAD : body;
    this.events.onHead();
    if (body === HEAD && this.#state === HEAD) this.events.onEnd();
  }

  #decodeLength(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    const last = this.#left === 0;
    this.events.onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (last && this.#state === LENGTH) {
      this.#state = HEAD;
      this.events.onEnd();
    }
    return end;
  }

  #decodeChunked(chunk: Buffer, at: number): number {
    const chunks = this.#chunks;
    const step = chunks.step(chunk, at);
    if (chunks.fault !== undefined) this.#fail(chunks.fault);
    else if (step === 'data') this.events.onData(chunk.subarray(chunks.dataAt, chunks.position));
    else if (step === 'trailers') this.#state = TRAILERS;
    return chunks.position;
  }

  #decodeTrailers(chunk: Buffer, at: number): number {
    const before = this.#heldBytes;
    const first = before === 0 ? chunk[at] : this.#held![0];
    const second = before === 0 ? chunk[at + 1] : before === 1 ? chunk[at] : this.#held![1];
    // None, mostly.
    if (first === LF || (first === CR && second === LF)) {
      this.#release();
      this.#state = HEAD;
      this.events.onEnd();
      return at + (first === LF ? 1 : 2) - before;
    }
    this.#hold(chunk, at);
    const length = blockLength(this.#held!, this.#heldBytes, before);
    if (length === -1 && this.#heldBytes <= this.limits.maxHeadBytes) return chunk.length;
    if (length === -1 || length > this.limits.maxHeadBytes) {
      this.#fail(faults.headTooLarge);
      return chunk.length;
    }
    const text = this.#held!.toString('latin1', 0, length);
    this.#release();
    const fault = this.#readTrailers(text);
    if (fault !== undefined) {
      this.#fail(fault);
      return chunk.length;
    }
    this.events.onTrailers(this.fields.fields);
    if (this.#state === DEAD) return chunk.length;
    this.#state = HEAD;
    this.events.onEnd();
    return at + length - before;
  }

  #readTrailers(text: string): Fault | undefined {
    const { fields } = this;
    const isCounted = this.limits.wantsTrailers === true;
    const fault = text.endsWith('\r\n\r\n')
      ? fields.readTrailers(text, text.length - 2, isCounted)
      : faults.fieldName;
    if (fault === undefined) return undefined;
    const tidy = tidyTrailers(text);
    return 'text' in tidy ? fields.readTrailers(tidy.text, tidy.text.length, isCounted) : tidy;
  }
}

/** Where lines end with an empty one: the length with it, -1 for nowhere. @param searched how much was looked at before */
function blockLength(held: Buffer, heldBytes: number, searched: number): number {
  const bytes = held.subarray(0, heldBytes);
  const from = Math.max(0, searched - 2);
  const strict = bytes.indexOf('\n\r\n', from, 'latin1');
  const loose = bytes.subarray(0, strict === -1 ? heldBytes : strict + 1).indexOf('\n\n', from, 'latin1');
  if (loose !== -1) return loose + 2;
  return strict === -1 ? -1 : strict + 3;
}
