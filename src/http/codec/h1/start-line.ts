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

const VERSION = /^HTTP\/[0-9]\.[0-9]\r\n/;

export class RequestLine {
  method = '';
  target = '';
  /** 1 for HTTP/1.1; 0 for every other version, which are all taken for HTTP/1.0. */
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
    while (char > SPACE && char < 0x7f) char = text.charCodeAt(++pos);
    if (pos === targetAt || char !== SPACE) return faults.requestLine;
    this.target = text.slice(targetAt, pos);
    const fault = this.#readVersion(text, pos + 1);
    if (fault !== undefined) return fault;
    this.end = pos + 11;
    return undefined;
  }

  #readVersion(text: string, at: number): Fault | undefined {
    if (text.startsWith('HTTP/1.1\r\n', at)) this.minor = 1;
    else if (VERSION.test(text.slice(at, at + 10))) this.minor = 0;
    else return faults.version;
    return undefined;
  }
}

function internMethod(text: string, length: number): string {
  for (const method of methods) if (method.length === length && text.startsWith(method)) return method;
  return text.slice(0, length);
}

const STATUS_VERSION = /^HTTP\/[0-9]\.[0-9] /;
/** What Envoy's parser takes beyond three digits. */
const MAX_STATUS = 9999;

export class StatusLine {
  status = 0;
  reason = '';
  minor = 1;
  end = 0;

  read(text: string): Fault | undefined {
    if (text.startsWith('HTTP/1.1 ')) this.minor = 1;
    else if (STATUS_VERSION.test(text.slice(0, 9))) this.minor = 0;
    else return faults.statusLine;
    let status = 0;
    let pos = 9;
    for (
      let digit = text.charCodeAt(pos) - 0x30;
      digit >= 0 && digit <= 9;
      digit = text.charCodeAt(++pos) - 0x30
    ) {
      status = status * 10 + digit;
    }
    if (status < 100 || status > MAX_STATUS) return faults.statusLine;
    // The space before an empty reason is often forgotten.
    if (text.charCodeAt(pos) === SPACE) pos++;
    else if (text.charCodeAt(pos) !== CR) return faults.statusLine;
    const reasonAt = pos;
    while (valueChar[text.charCodeAt(pos)] === 1) pos++;
    if (text.charCodeAt(pos) !== CR || text.charCodeAt(pos + 1) !== LF) return faults.statusLine;
    this.status = status;
    this.reason = text.slice(reasonAt, pos);
    this.end = pos + 2;
    return undefined;
  }
}
