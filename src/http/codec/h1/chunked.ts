/** The chunked transfer coding (RFC 9112 §7.1), byte by byte where it is framing and in one piece where it is data. */
import { tokenCode } from '../../header-name.ts';
import { type Fault, faults } from './fault.ts';
import { valueChar } from './fields.ts';

/** What the bytes just read mean. */
export type ChunkStep = 'more' | 'data' | 'trailers';

const LF = 0x0a;
const CR = 0x0d;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Hex digits of a size: 13 stay below 2^53. */
const MAX_SIZE_DIGITS = 13;
/** Bytes of extensions that are skipped for one chunk. */
const MAX_EXTENSION_BYTES = 4096;

const SIZE = 0;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
// Extensions (RFC 9112 §7.1.1): `;` name, and perhaps `=` and a token or a quoted string.
const NAME_START = 6;
const NAME = 7;
const VALUE_START = 8;
const VALUE = 9;
const QUOTED = 10;
const QUOTED_PAIR = 11;
const AFTER_QUOTED = 12;

export class ChunkReader {
  fault: Fault | undefined;
  /** After `data`: where in the buffer it ends. After `trailers`: where they begin. */
  position = 0;
  #state = SIZE;
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;

  reset(): void {
    this.fault = undefined;
    this.#state = SIZE;
    this.#left = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
  }

  /**
   * Reads framing from `buffer[at]` on until data begins, and then says where that data ends:
   * it lies in `buffer[dataAt..position)`, `dataAt` being the field of that name.
   */
  dataAt = 0;
  step(buffer: Uint8Array, at: number): ChunkStep {
    let pos = at;
    const end = buffer.length;
    while (pos < end) {
      if (this.#state === DATA) {
        this.dataAt = pos;
        const take = Math.min(this.#left, end - pos);
        this.#left -= take;
        this.position = pos + take;
        if (this.#left === 0) this.#state = DATA_CR;
        return 'data';
      }
      const byte = buffer[pos++]!;
      if (this.#readFraming(byte)) {
        this.position = pos;
        return this.fault === undefined ? 'trailers' : 'more';
      }
    }
    this.position = pos;
    return 'more';
  }

  /** @returns whether reading stops here: at the last chunk or at a fault. */
  #readFraming(byte: number): boolean {
    switch (this.#state) {
      case SIZE:
        return this.#readSize(byte);
      case SIZE_LF:
        if (byte !== LF) return this.#fail(faults.chunkSize);
        this.#digits = 0;
        this.#extensionBytes = 0;
        this.#state = this.#left === 0 ? SIZE : DATA;
        return this.#left === 0;
      case DATA_CR:
        if (byte !== CR) return this.#fail(faults.chunkEnd);
        this.#state = DATA_LF;
        return false;
      case DATA_LF:
        if (byte !== LF) return this.#fail(faults.chunkEnd);
        this.#state = SIZE;
        return false;
      default:
        return this.#readExtension(byte);
    }
  }

  #readSize(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit !== -1) {
      if (++this.#digits > MAX_SIZE_DIGITS) return this.#fail(faults.chunkSize);
      this.#left = this.#left * 16 + digit;
      return false;
    }
    if (this.#digits === 0) return this.#fail(faults.chunkSize);
    if (byte === CR) this.#state = SIZE_LF;
    else if (byte === SEMICOLON) this.#state = NAME_START;
    else return this.#fail(faults.chunkSize);
    return false;
  }

  #readExtension(byte: number): boolean {
    const next = ++this.#extensionBytes > MAX_EXTENSION_BYTES ? -1 : afterExtensionByte(this.#state, byte);
    if (next === -1) return this.#fail(faults.chunkSize);
    this.#state = next;
    return false;
  }

  #fail(fault: Fault): boolean {
    this.fault = fault;
    return true;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The state after one more byte of an extension; -1 where it may not stand there. */
function afterExtensionByte(state: number, byte: number): number {
  if (state === QUOTED) {
    if (byte === QUOTE) return AFTER_QUOTED;
    if (byte === BACKSLASH) return QUOTED_PAIR;
    return valueChar[byte] === 1 ? QUOTED : -1;
  }
  if (state === QUOTED_PAIR) return valueChar[byte] === 1 ? QUOTED : -1;
  const isToken = tokenCode[byte] !== 0;
  if (state === NAME_START) return isToken ? NAME : -1;
  if (state === VALUE_START) return isToken ? VALUE : byte === QUOTE ? QUOTED : -1;
  if (byte === CR) return SIZE_LF;
  if (byte === SEMICOLON) return NAME_START;
  if (state === AFTER_QUOTED) return -1;
  if (state === NAME && byte === EQUALS) return VALUE_START;
  return isToken ? state : -1;
}
