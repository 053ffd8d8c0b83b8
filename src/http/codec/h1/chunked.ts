/**
 * The chunked transfer coding (RFC 9112 §7.1), byte by byte where it is framing and in one piece where it
 * is data. As Envoy reads it: a size line ends with CR LF and nothing else, its extensions are skipped
 * whatever they are, and what stands between data and the next line is skipped too.
 */
import { type Fault, faults } from './fault.ts';

/** What the bytes just read mean. */
export type ChunkStep = 'more' | 'data' | 'trailers';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
/** Hex digits of a size, without zeros before it: more would not fit into 64 bits. */
const MAX_SIZE_DIGITS = 16;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_END = 4;

export class ChunkReader {
  fault: Fault | undefined;
  /** After `data`: where in the buffer it ends. After `trailers`: where they begin. */
  position = 0;
  #state = SIZE;
  #left = 0;
  #hasDigits = false;
  #digits = 0;

  reset(): void {
    this.fault = undefined;
    this.#begin();
  }

  #begin(): void {
    this.#state = SIZE;
    this.#left = 0;
    this.#hasDigits = false;
    this.#digits = 0;
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
        if (this.#left === 0) this.#state = DATA_END;
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
      case EXTENSION:
        if (byte === LF) return this.#fail();
        if (byte === CR) this.#state = SIZE_LF;
        return false;
      case SIZE_LF:
        if (byte !== LF) return this.#fail();
        this.#state = DATA;
        return this.#left === 0;
      default:
        if (byte === LF) this.#begin();
        return false;
    }
  }

  #readSize(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit !== -1) {
      this.#hasDigits = true;
      if (this.#digits > 0 || digit > 0) this.#digits++;
      if (this.#digits > MAX_SIZE_DIGITS) return this.#fail();
      this.#left = this.#left * 16 + digit;
      return false;
    }
    if (!this.#hasDigits) return this.#fail();
    if (byte === CR) this.#state = SIZE_LF;
    else if (byte === SEMICOLON || byte === SPACE || byte === TAB) this.#state = EXTENSION;
    else return this.#fail();
    return false;
  }

  #fail(): boolean {
    this.fault = faults.chunkSize;
    return true;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
