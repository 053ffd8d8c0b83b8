/** The field lines of a head or of trailers (RFC 9112 §5): one pass, strict. What is looser is put into that form before (`loose-head.ts`). */

import { type HeaderList, headerOf } from '../../header-list.ts';
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
  /** Whether a length was there that is none. */
  badLength = false;
  /** Whether `chunked` is all that `transfer-encoding` says. */
  chunked = false;
  close = false;
  keepAlive = false;
  /** Whether `connection` names a field that a client may not have dropped. */
  badConnection = false;
  /** Values of `host`, joined, '' for none. */
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

  /** Reads the fields of a head, `text[at..end)`, whose every line ends with CR LF. */
  read(text: string, at: number, end: number): Fault | undefined {
    this.marks = 0;
    this.contentLength = -1;
    this.badLength = false;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.badConnection = false;
    this.host = '';
    this.connection = '';
    this.upgrade = '';
    if (this.#keepCase) this.rawNames = [];
    const fault = this.#readLines(text, at, end, true, this.#maxFields * 2);
    if (fault !== undefined) return fault;
    if (this.connection === '') this.upgrade = '';
    else if (!this.#readConnection()) this.upgrade = '';
    return undefined;
  }

  /** Reads trailers; they frame nothing. @param counted whether there is a limit to their number */
  readTrailers(text: string, end: number, counted: boolean): Fault | undefined {
    return this.#readLines(text, 0, end, false, counted ? this.#maxFields * 2 : Number.POSITIVE_INFINITY);
  }

  #readLines(text: string, at: number, end: number, isHead: boolean, maxStrings: number): Fault | undefined {
    const fields: HeaderList = [];
    this.fields = fields;
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
        return faults.fieldName;
      }
      const nameEnd = pos;
      const slot = findName(text, nameAtPos, nameEnd, hash);
      const name = slot === -1 ? text.slice(nameAtPos, nameEnd).toLowerCase() : nameAt(slot);
      let char = text.charCodeAt(++pos);
      while (char === SPACE || char === TAB) char = text.charCodeAt(++pos);
      const valueAt = pos;
      while (valueChar[char] === 1) char = text.charCodeAt(++pos);
      if (char !== CR || text.charCodeAt(pos + 1) !== LF) return faults.fieldValue;
      let valueEnd = pos;
      while (valueEnd > valueAt && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
      const value = text.slice(valueAt, valueEnd);
      pos += 2;
      fields.push(name, value);
      if (this.#keepCase && isHead) this.rawNames!.push(name, text.slice(nameAtPos, nameEnd));
      if (fields.length > maxStrings) return faults.tooManyFields;
      if (slot !== -1 && isHead) {
        const marks = marksAt(slot);
        if (marks !== 0) {
          const fault = (marks & FRAMING) === 0 ? undefined : this.#frame(marks, value);
          if (fault !== undefined) return fault;
          this.marks |= marks;
        }
      }
    }
    return undefined;
  }

  #frame(marks: number, value: string): Fault | undefined {
    if ((marks & mark.contentLength) !== 0) {
      if ((this.marks & mark.contentLength) !== 0) return faults.contentLength;
      this.contentLength = parseLength(value);
      this.badLength = this.contentLength === -1;
      return undefined;
    }
    if ((marks & mark.transferEncoding) !== 0) {
      const isFirst = (this.marks & mark.transferEncoding) === 0;
      this.chunked = isFirst && value.length === 7 && value.toLowerCase() === 'chunked';
      return undefined;
    }
    if ((marks & mark.host) !== 0) {
      this.host = (this.marks & mark.host) === 0 ? value : `${this.host},${value}`;
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
      const tokens = value.split(',').map((token) => token.trim());
      const upgrades = tokens.includes('upgrade');
      for (const token of tokens) {
        if (token === 'close') this.close = true;
        else if (token === 'keep-alive') this.keepAlive = true;
        else this.#nominate(token, upgrades);
      }
      if (tokens.filter((token) => token !== '').length >= MAX_NOMINATED) this.badConnection = true;
      return upgrades;
    }
    return false;
  }

  /** A field that is named for this connection only (Envoy, "sanitize connection header"). */
  #nominate(name: string, upgrades: boolean): void {
    if (name.startsWith(':') || NEVER_DROPPED.has(name)) this.badConnection = true;
    else if (name === 'te') {
      const te = headerOf(this.fields, name);
      if (te !== undefined && te.length >= MAX_TE_LENGTH) this.badConnection = true;
    } else if (name === 'host' && !(upgrades && this.upgrade !== '')) {
      this.host = '';
      this.marks &= ~mark.host;
    }
  }
}

/** From so many on a request is refused. */
const MAX_NOMINATED = 10;
const MAX_TE_LENGTH = 256;
/** Without them a request would seem to come from elsewhere. */
const NEVER_DROPPED: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);

const FRAMING = mark.contentLength | mark.transferEncoding | mark.host | mark.connection | mark.upgrade;

function isBlank(char: number): boolean {
  return char === SPACE || char === TAB;
}

const MAX_LENGTH = '18446744073709551615';

/** Digits only, below 2^64; -1 for anything else (RFC 9110 §8.6). Nobody sends so much that rounding would matter. */
function parseLength(value: string): number {
  const { length } = value;
  if (length === 0) return -1;
  let total = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    total = total * 10 + digit;
  }
  if (length < MAX_LENGTH.length) return total;
  const digits = value.replace(/^0+/, '');
  const fits =
    digits.length < MAX_LENGTH.length || (digits.length === MAX_LENGTH.length && digits <= MAX_LENGTH);
  return fits ? total : -1;
}
