/** The field lines of a head or of trailers (RFC 9112 §5): one pass, strict, no line folding. */

import type { HeaderList } from '../../header-list.ts';
import { findName, mark, marksAt, nameAt, tokenCode } from '../../header-name.ts';
import { type Fault, faults } from './fault.ts';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;

/** 1 for what may stand in a value: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5). */
export const valueChar: Uint8Array = new Uint8Array(256);
for (let c = SPACE; c < 256; c++) valueChar[c] = c === 0x7f ? 0 : 1;
valueChar[TAB] = 1;

/** Reads field lines and remembers what framing needs of them. One per decoder, used again and again. */
export class FieldReader {
  fields: HeaderList = [];
  /** Or of {@link mark} of the names seen. */
  marks = 0;
  /** -1: none. */
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  host = '';
  /** Values of `connection`, joined; '' for none. */
  connection = '';
  /** Value of `upgrade` where `connection` lists it; '' for none. */
  upgrade = '';

  /** Lower case, as written, and so on; undefined where that is not kept. */
  rawNames: string[] | undefined;

  readonly #maxFields: number;
  readonly #keepCase: boolean;

  constructor(maxFields: number, keepCase = false) {
    this.#maxFields = maxFields;
    this.#keepCase = keepCase;
  }

  /** Reads `text[at..end)`, whose every line ends with CR LF. */
  read(text: string, at: number, end: number): Fault | undefined {
    const fields: HeaderList = [];
    this.fields = fields;
    this.marks = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.host = '';
    this.connection = '';
    this.upgrade = '';
    if (this.#keepCase) this.rawNames = [];
    const maxStrings = this.#maxFields * 2;
    let pos = at;
    while (pos < end) {
      const nameAtPos = pos;
      let hash = 0;
      let code = tokenCode[text.charCodeAt(pos)]!;
      while (code !== 0) {
        hash = (Math.imul(hash, 31) + code) | 0;
        code = tokenCode[text.charCodeAt(++pos)]!;
      }
      if (pos === nameAtPos || text.charCodeAt(pos) !== COLON) {
        return text.charCodeAt(pos) === LF ? faults.lineEnd : faults.fieldName;
      }
      const nameEnd = pos;
      const slot = findName(text, nameAtPos, nameEnd, hash);
      const name = slot === -1 ? text.slice(nameAtPos, nameEnd).toLowerCase() : nameAt(slot);
      let char = text.charCodeAt(++pos);
      while (char === SPACE || char === TAB) char = text.charCodeAt(++pos);
      const valueAt = pos;
      while (valueChar[char] === 1) char = text.charCodeAt(++pos);
      if (char !== CR || text.charCodeAt(pos + 1) !== LF) {
        return char === LF ? faults.lineEnd : faults.fieldValue;
      }
      let valueEnd = pos;
      while (valueEnd > valueAt && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
      const value = text.slice(valueAt, valueEnd);
      pos += 2;
      fields.push(name, value);
      if (this.#keepCase) this.rawNames!.push(name, text.slice(nameAtPos, nameEnd));
      if (fields.length > maxStrings) return faults.tooManyFields;
      if (slot !== -1) {
        const marks = marksAt(slot);
        if (marks !== 0) {
          const fault = (marks & FRAMING) === 0 ? undefined : this.#frame(marks, value);
          if (fault !== undefined) return fault;
          this.marks |= marks;
        }
      }
    }
    if (this.chunked && this.contentLength !== -1) return faults.twoLengths;
    let upgrades = false;
    if (this.connection !== '') upgrades = this.#readConnection();
    if (!upgrades) this.upgrade = '';
    return undefined;
  }

  #frame(marks: number, value: string): Fault | undefined {
    if ((marks & mark.contentLength) !== 0) {
      if (this.contentLength !== -1) return faults.contentLength;
      this.contentLength = parseLength(value);
      return this.contentLength === -1 ? faults.contentLength : undefined;
    }
    if ((marks & mark.transferEncoding) !== 0) {
      if (this.chunked || value.length !== 7 || value.toLowerCase() !== 'chunked') {
        return faults.transferEncoding;
      }
      this.chunked = true;
      return undefined;
    }
    if ((marks & mark.host) !== 0) {
      if ((this.marks & mark.host) !== 0) return faults.host;
      this.host = value;
      return undefined;
    }
    if ((marks & mark.upgrade) !== 0) {
      this.upgrade = this.upgrade === '' ? value : `${this.upgrade},${value}`;
      return undefined;
    }
    this.connection = this.connection === '' ? value : `${this.connection},${value}`;
    return undefined;
  }

  /** @returns whether `upgrade` is listed. */
  #readConnection(): boolean {
    const value = this.connection.toLowerCase();
    if (value === 'keep-alive') this.keepAlive = true;
    else if (value === 'close') this.close = true;
    else if (value === 'upgrade') return true;
    else {
      let upgrades = false;
      for (const token of value.split(',')) {
        const trimmed = token.trim();
        if (trimmed === 'close') this.close = true;
        else if (trimmed === 'keep-alive') this.keepAlive = true;
        else if (trimmed === 'upgrade') upgrades = true;
      }
      return upgrades;
    }
    return false;
  }
}

const FRAMING = mark.contentLength | mark.transferEncoding | mark.host | mark.connection | mark.upgrade;

function isBlank(char: number): boolean {
  return char === SPACE || char === TAB;
}

/** Digits only, below 2^53; -1 for anything else (RFC 9110 §8.6). */
function parseLength(value: string): number {
  const { length } = value;
  if (length === 0 || length > 16) return -1;
  let total = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    total = total * 10 + digit;
  }
  return total > Number.MAX_SAFE_INTEGER ? -1 : total;
}
