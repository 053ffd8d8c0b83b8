/** Request and status lines (RFC 9112 §3 and §4). */
import { tokenCode } from '../../header-name.ts';
import { type Fault, faults } from './fault.ts';
import { valueChar } from './fields.ts';

const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;

/** Methods come out as these strings, so that comparing them is comparing pointers. */
const methods: readonly string[] = [
  'GET',
  'POST',
  'PUT',
  'HEAD',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'CONNECT',
  'TRACE',
];

export class RequestLine {
  method = '';
  target = '';
  /** 0 or 1: the minor version. */
  minor = 1;
  /** Where the field lines begin. */
  end = 0;

  /** Reads the line at the start of `text`. */
  read(text: string): Fault | undefined {
    let pos = 0;
    while (tokenCode[text.charCodeAt(pos)]! !== 0) pos++;
    if (pos === 0 || text.charCodeAt(pos) !== SPACE) return faults.requestLine;
    this.method = internMethod(text, pos);
    const targetAt = ++pos;
    let char = text.charCodeAt(pos);
    while (char > SPACE && char !== 0x7f && char < 256) char = text.charCodeAt(++pos);
    if (pos === targetAt) return faults.requestLine;
    if (char !== SPACE) return char === LF ? faults.lineEnd : faults.requestLine;
    this.target = text.slice(targetAt, pos);
    const fault = this.#readVersion(text, pos + 1);
    if (fault !== undefined) return fault;
    this.end = pos + 11;
    return undefined;
  }

  #readVersion(text: string, at: number): Fault | undefined {
    if (!text.startsWith('HTTP/1.', at)) {
      return /^HTTP\/\d\.\d\r/.test(text.slice(at, at + 9)) ? faults.oldVersion : faults.version;
    }
    const minor = text.charCodeAt(at + 7) - 0x30;
    if (minor !== 0 && minor !== 1) return faults.version;
    if (text.charCodeAt(at + 8) !== CR || text.charCodeAt(at + 9) !== LF) {
      return text.charCodeAt(at + 8) === LF ? faults.lineEnd : faults.version;
    }
    this.minor = minor;
    return undefined;
  }
}

function internMethod(text: string, length: number): string {
  for (const method of methods) if (method.length === length && text.startsWith(method)) return method;
  return text.slice(0, length);
}

export class StatusLine {
  status = 0;
  reason = '';
  minor = 1;
  end = 0;

  read(text: string): Fault | undefined {
    if (!text.startsWith('HTTP/1.')) return faults.statusLine;
    const minor = text.charCodeAt(7) - 0x30;
    if ((minor !== 0 && minor !== 1) || text.charCodeAt(8) !== SPACE) return faults.statusLine;
    let status = 0;
    for (let i = 9; i < 12; i++) {
      const digit = text.charCodeAt(i) - 0x30;
      if (!(digit >= 0 && digit <= 9)) return faults.statusLine;
      status = status * 10 + digit;
    }
    if (status < 100) return faults.statusLine;
    let pos = 12;
    // The space before an empty reason is often forgotten.
    if (text.charCodeAt(pos) === SPACE) pos++;
    else if (text.charCodeAt(pos) !== CR) return faults.statusLine;
    const reasonAt = pos;
    while (valueChar[text.charCodeAt(pos)] === 1) pos++;
    if (text.charCodeAt(pos) !== CR || text.charCodeAt(pos + 1) !== LF) {
      return text.charCodeAt(pos) === LF ? faults.lineEnd : faults.statusLine;
    }
    this.status = status;
    this.minor = minor;
    this.reason = text.slice(reasonAt, pos);
    this.end = pos + 2;
    return undefined;
  }
}
