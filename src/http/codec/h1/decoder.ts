/**
 * HTTP/1.1 messages from bytes (RFC 9112), for both directions: strict, one pass over a head, data
 * handed on without a copy. Any split of the bytes gives the same events but for the pieces of data.
 */
import type { HeaderList } from '../../header-list.ts';
import { ChunkReader } from './chunked.ts';
import { type Fault, faults } from './fault.ts';
import { FieldReader } from './fields.ts';
import type { RawNames } from './header-case.ts';
import { RequestLine, StatusLine } from './start-line.ts';

export interface DecoderLimits {
  /** Bytes of a head, or of trailers, with line ends. */
  readonly maxHeadBytes: number;
  /** Fields of a head, or of trailers. */
  readonly maxFields: number;
  /** Whether names are kept as they were written. */
  readonly keepCase?: boolean;
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

abstract class Decoder {
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
  protected body: number = HEAD;
  readonly #maxHeadBytes: number;
  readonly #chunks = new ChunkReader();
  #state: number = HEAD;
  #left = 0;
  #held: Buffer | undefined;
  #heldBytes = 0;

  constructor(events: DecoderEvents, limits: DecoderLimits) {
    this.events = events;
    this.fields = new FieldReader(limits.maxFields, limits.keepCase === true);
    this.#maxHeadBytes = limits.maxHeadBytes;
  }

  /** Reads the start line; sets what is its own. @returns where the fields begin, or a fault. */
  protected abstract readStart(text: string): number | Fault;
  /** After the fields: sets `body` to how the message is framed, 0 for no body, -1 for an interim head. */
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
    } else if (this.inMessage && this.#state !== DEAD && !this.#holdsEmptyLines())
      this.#fail(faults.truncated);
  }

  /** Whether all that is held are empty lines before a message. */
  #holdsEmptyLines(): boolean {
    if (this.#state !== HEAD) return false;
    const held = this.#held!;
    for (let i = 0; i < this.#heldBytes; i++) if (held[i] !== CR && held[i] !== LF) return false;
    return true;
  }

  #fail(fault: Fault): void {
    if (this.#state === DEAD) return;
    this.#state = DEAD;
    this.#held = undefined;
    this.events.onFault(fault);
  }

  #decodeHead(chunk: Buffer, at: number): number {
    if (this.#heldBytes === 0) {
      let start = at;
      // Empty lines before a message are skipped (RFC 9112 §2.2).
      while (chunk[start] === CR && chunk[start + 1] === LF) start += 2;
      if (start === chunk.length) return start;
      let text = chunk.toString('latin1', start, Math.min(chunk.length, start + FIRST_LOOK_BYTES));
      let end = text.indexOf('\r\n\r\n');
      if (end === -1 && chunk.length - start > FIRST_LOOK_BYTES) {
        text = chunk.toString('latin1', start, Math.min(chunk.length, start + this.#maxHeadBytes + 4));
        end = text.indexOf('\r\n\r\n');
      }
      if (end === -1) return this.#hold(chunk, start);
      if (end + 4 > this.#maxHeadBytes) {
        this.#fail(faults.headTooLarge);
        return chunk.length;
      }
      this.#readHead(text, end + 2);
      return start + end + 4;
    }
    const before = this.#heldBytes;
    this.#hold(chunk, at);
    if (this.#state === DEAD) return chunk.length;
    let skip = 0;
    const held = this.#held!;
    while (held[skip] === CR && held[skip + 1] === LF) skip += 2;
    const end = held.subarray(0, this.#heldBytes).indexOf('\r\n\r\n', Math.max(skip, before - 3), 'latin1');
    if (end === -1) return chunk.length;
    const text = held.toString('latin1', skip, end + 4);
    this.#release();
    this.#readHead(text, end + 2 - skip);
    return at + (end + 4 - before);
  }

  /** Keeps the beginning of a head, or of trailers, until the rest comes. */
  #hold(chunk: Buffer, at: number): number {
    const more = chunk.length - at;
    const total = this.#heldBytes + more;
    let held = this.#held;
    if (held === undefined || held.length < total) {
      const grown = Buffer.allocUnsafeSlow(Math.max(512, total * 2));
      if (held !== undefined) held.copy(grown, 0, 0, this.#heldBytes);
      held = grown;
      this.#held = grown;
    }
    chunk.copy(held, this.#heldBytes, at);
    const fresh = this.#heldBytes;
    this.#heldBytes = total;
    // A bare line feed never becomes right: its sender waits for an answer.
    for (let lf = held.indexOf(LF, fresh); lf !== -1 && lf < total; lf = held.indexOf(LF, lf + 1)) {
      if (lf > 0 && held[lf - 1] === CR) {
        if (lf >= 3 && held[lf - 2] === LF && held[lf - 3] === CR) break;
        continue;
      }
      this.#fail(faults.lineEnd);
      return chunk.length;
    }
    if (
      total > this.#maxHeadBytes &&
      held.subarray(0, this.#maxHeadBytes).indexOf('\r\n\r\n', 0, 'latin1') === -1
    ) {
      this.#fail(this.#state === TRAILERS ? faults.trailersTooLarge : faults.headTooLarge);
    }
    return chunk.length;
  }

  #release(): void {
    this.#held = undefined;
    this.#heldBytes = 0;
  }

  /** @param end where the last line's CR LF ends. */
  #readHead(text: string, end: number): void {
    const fieldsAt = this.readStart(text);
    if (typeof fieldsAt !== 'number') {
      this.#fail(fieldsAt);
      return;
    }
    const { fields } = this;
    const fault = fields.read(text, fieldsAt, end);
    if (fault !== undefined) {
      this.#fail(fault);
      return;
    }
    this.headers = fields.fields;
    this.marks = fields.marks;
    this.contentLength = fields.contentLength;
    this.chunked = fields.chunked;
    this.headBytes = end + 2;
    const misframed = this.frame();
    if (misframed !== undefined) {
      this.#fail(misframed);
      return;
    }
    this.#begin();
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
    // None, mostly. What follows them is the next message and not for the checks below.
    const isEmpty =
      before === 0
        ? chunk[at] === CR && chunk[at + 1] === LF
        : before === 1 && chunk[at] === LF && this.#held![0] === CR;
    if (isEmpty) {
      this.#release();
      this.#state = HEAD;
      this.events.onEnd();
      return at + (2 - before);
    }
    this.#hold(chunk, at);
    // `#hold` may have found a fault.
    if (this.#state === DEAD) return chunk.length;
    const held = this.#held!;
    const end = held.subarray(0, this.#heldBytes).indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1');
    if (end === -1) return chunk.length;
    const text = held.toString('latin1', 0, end + 2);
    this.#release();
    const fault = this.fields.read(text, 0, text.length);
    if (fault !== undefined) {
      this.#fail(fault);
      return chunk.length;
    }
    this.events.onTrailers(this.fields.fields);
    if (this.#state === DEAD) return chunk.length;
    this.#state = HEAD;
    this.events.onEnd();
    return at + (end + 4 - before);
  }
}

export class RequestDecoder extends Decoder {
  method = '';
  target = '';
  readonly #line = new RequestLine();

  constructor(events: DecoderEvents, limits: DecoderLimits = defaultLimits) {
    super(events, limits);
  }

  protected override readStart(text: string): number | Fault {
    const line = this.#line;
    const fault = line.read(text);
    if (fault !== undefined) return fault;
    this.method = line.method;
    this.target = line.target;
    this.minor = line.minor;
    return line.end;
  }

  protected override frame(): Fault | undefined {
    const { fields } = this;
    this.keepAlive = this.minor === 1 ? !fields.close : fields.keepAlive && !fields.close;
    if (this.method === 'CONNECT') {
      // Bytes after the head of a CONNECT belong to the tunnel (RFC 9112 §3.2.3).
      if (fields.chunked || fields.contentLength > 0) return faults.contentLength;
      this.body = OPAQUE;
    } else if (fields.upgrade !== '' && this.upgrade !== '') this.body = OPAQUE;
    else if (fields.chunked) {
      if (this.minor === 0) return faults.transferEncoding;
      this.body = CHUNKED;
    } else this.body = fields.contentLength > 0 ? LENGTH : HEAD;
    return undefined;
  }

  /** HTTP/1 targets carry their scheme themselves. */
  readonly scheme = '';

  /** Whether data, or the end of a tunnel, follows the head read last. */
  get hasBody(): boolean {
    return this.body !== HEAD;
  }

  /** The protocol asked for, '' for none; h2c is never changed to (RFC 9113 §3.1). */
  get upgrade(): string {
    const { upgrade } = this.fields;
    return this.minor === 1 && upgrade.toLowerCase() !== 'h2c' ? upgrade : '';
  }

  /** Value of `host`, '' for none. */
  get host(): string {
    return this.fields.host;
  }

  /** Values of `connection`, joined, '' for none. */
  get connection(): string {
    return this.fields.connection;
  }
}

export class ResponseDecoder extends Decoder {
  status = 0;
  reason = '';
  /** Method of the request this answers; set it before the answer is read. */
  requestMethod = 'GET';
  /** Whether that request asked for another protocol. */
  upgradeAsked = false;
  readonly #line = new StatusLine();

  constructor(events: DecoderEvents, limits: DecoderLimits = defaultLimits) {
    super(events, limits);
  }

  protected override readStart(text: string): number | Fault {
    const line = this.#line;
    const fault = line.read(text);
    if (fault !== undefined) return fault;
    this.status = line.status;
    this.reason = line.reason;
    this.minor = line.minor;
    return line.end;
  }

  /** RFC 9112 §6.3. */
  protected override frame(): Fault | undefined {
    const { fields, status } = this;
    this.keepAlive = this.minor === 1 ? !fields.close : fields.keepAlive && !fields.close;
    if (status < 200) {
      if (status === 101) {
        // A protocol that was not asked for cannot be switched to.
        if (!this.upgradeAsked) return faults.statusLine;
        this.body = OPAQUE;
        this.keepAlive = false;
        return undefined;
      }
      this.body = -1;
      return undefined;
    }
    if (this.requestMethod === 'CONNECT' && status < 300) {
      this.body = OPAQUE;
      this.keepAlive = false;
    } else if (this.requestMethod === 'HEAD' || status === 204 || status === 304) this.body = HEAD;
    else if (fields.chunked) {
      if (this.minor === 0) return faults.transferEncoding;
      this.body = CHUNKED;
    } else if (fields.contentLength === 0) this.body = HEAD;
    else if (fields.contentLength > 0) this.body = LENGTH;
    else {
      this.body = UNTIL_CLOSE;
      this.keepAlive = false;
    }
    return undefined;
  }

  get connection(): string {
    return this.fields.connection;
  }

  /** Whether neither data nor trailers follow the head read last. */
  get endStream(): boolean {
    return this.body === HEAD;
  }
}
