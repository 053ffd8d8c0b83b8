/**
 * One decoded header block of HTTP/2 and what RFC 9113 §8.2 and §8.3 say of it. What is let in and
 * what is not, and the details for it, are those of Envoy's codec (nghttp2).
 */

import type { HeaderList } from '../../header-list.ts';
import { type FieldInfo, isAuthority, kind, MARKS_SHIFT } from './field-kind.ts';

/** `request` and `response` are heads (a response's may be interim); `trailers` follow either. */
export type BlockKind = 'request' | 'response' | 'trailers';

/** What a block may hold at most. */
export interface BlockLimits {
  /** Bytes of {@link HeaderBlock.listBytes}. */
  readonly maxListBytes: number;
  /** Fields, pseudo-header fields and each crumb of a cookie among them. */
  readonly maxFields: number;
  /** Whether a request may have `:protocol`: SETTINGS_ENABLE_CONNECT_PROTOCOL was announced. */
  readonly extendedConnect?: boolean;
  /** Whether trailers are those of a request. */
  readonly fromClient?: boolean;
}

const badField = 'http2.invalid.header.field';
const badMessage = 'http2.violation.of.messaging.rule';

/** Filled by the decoder, which uses the object again; `headers` is a new array each time and belongs to who took it. */
export class HeaderBlock {
  /** Regular fields only; names are lower case, known ones interned. Crumbs of a cookie are joined, at the end. */
  headers: HeaderList = [];
  /** Or of the marks (`mark` of header-name.ts) of the names that were read. */
  marks = 0;
  /** Values of the pseudo-header fields; '' where absent. */
  method = '';
  scheme = '';
  /** `:authority`, or else `host`; a `host` beside it is dropped. */
  authority = '';
  path = '';
  /** `:protocol` of extended CONNECT (RFC 8441 §4). */
  protocol = '';
  /** 0: absent. */
  status = 0;
  /** -1: none, or of no meaning (CONNECT). A block of trailers may have one, too: see {@link headers}. */
  contentLength = -1;
  /**
   * Names and values as Envoy counts them: without the 32 bytes a field of RFC 9113 §6.5.2, a cookie by its
   * joined value. Not all, once a limit was exceeded or the message found malformed.
   */
  listBytes = 0;
  fields = 0;
  /** '' for a well-formed message, else Envoy's response code details, such as `http2.invalid.header.field`. */
  malformed = '';
  /** Which limit was exceeded; '' for none. Of this and {@link malformed} only the first thing to happen is said. */
  tooLarge: '' | 'bytes' | 'fields' = '';

  #kind: BlockKind = 'request';
  #limits: BlockLimits = { maxListBytes: 0, maxFields: 0 };
  /** A regular field was read: no pseudo-header field may come any more. */
  #pseudoOver = false;
  #over = false;
  #host = '';
  #cookie = '';

  begin(blockKind: BlockKind, limits: BlockLimits): void {
    this.headers = [];
    this.marks = 0;
    this.method = '';
    this.scheme = '';
    this.authority = '';
    this.path = '';
    this.protocol = '';
    this.status = 0;
    this.contentLength = -1;
    this.listBytes = 0;
    this.fields = 0;
    this.malformed = '';
    this.tooLarge = '';
    this.#kind = blockKind;
    this.#limits = limits;
    this.#pseudoOver = blockKind === 'trailers';
    this.#over = false;
    this.#host = '';
    this.#cookie = '';
  }

  /** Whether fields that follow matter to nothing but the table of the decoder. */
  get over(): boolean {
    return this.#over;
  }

  add(name: string, value: string, info: FieldInfo): void {
    if (this.#over) return;
    const fieldKind = info & 15;
    if (fieldKind === kind.regular) {
      this.#pseudoOver = true;
      this.headers.push(name, value);
    } else if (!this.#take(fieldKind, name, value)) {
      this.#over = true;
      this.malformed = badField;
      return;
    }
    this.marks |= info >>> MARKS_SHIFT;
    this.listBytes += fieldKind === kind.cookie ? value.length : name.length + value.length;
    this.fields++;
    const { maxListBytes, maxFields } = this.#limits;
    if (this.fields > maxFields || this.listBytes > maxListBytes) {
      this.#over = true;
      this.tooLarge = this.fields > maxFields ? 'fields' : 'bytes';
    }
  }

  /** After the last field: what only the whole can tell. */
  finish(): void {
    if (this.#over) return;
    if (this.#cookie !== '') this.headers.push('cookie', this.#cookie);
    if (this.#kind === 'request' ? !this.#finishRequest() : this.#kind === 'response' && this.status === 0) {
      this.malformed = badMessage;
      this.#over = true;
    }
  }

  /** Fields with rules of their own. @returns false where the field is malformed */
  #take(fieldKind: number, name: string, value: string): boolean {
    if (fieldKind >= kind.method) {
      if (this.#pseudoOver || value === '') return false;
      return this.#kind === 'request'
        ? this.#takeOfRequest(fieldKind, value)
        : this.#takeStatus(fieldKind, value);
    }
    this.#pseudoOver = true;
    switch (fieldKind) {
      case kind.cookie:
        if (this.#cookie === '') this.#cookie = value;
        else {
          this.#cookie = `${this.#cookie}; ${value}`;
          this.listBytes += 2;
        }
        return true;
      case kind.host:
        if (this.#kind === 'request') return this.#takeHost(value);
        if (this.#limits.fromClient === true && !this.#takeHost(value)) return false;
        break;
      case kind.contentLength:
        return this.#takeContentLength(name, value);
      case kind.te:
        // RFC 9113 §8.2.2.
        if (value.length !== 8 || value.toLowerCase() !== 'trailers') return false;
        break;
      default:
        return false;
    }
    this.headers.push(name, value);
    return true;
  }

  #takeOfRequest(fieldKind: number, value: string): boolean {
    switch (fieldKind) {
      case kind.method:
        if (this.method !== '') return false;
        this.method = value;
        return true;
      case kind.scheme:
        if (this.scheme !== '' || !isLetter(value.charCodeAt(0))) return false;
        this.scheme = value;
        return true;
      case kind.authority:
        if (this.authority !== '') return false;
        this.authority = value;
        return true;
      case kind.path:
        if (this.path !== '') return false;
        this.path = value;
        return true;
      case kind.protocol:
        if (this.protocol !== '' || this.#limits.extendedConnect !== true) return false;
        this.protocol = value;
        return true;
      default:
        return false;
    }
  }

  #takeStatus(fieldKind: number, value: string): boolean {
    if (fieldKind !== kind.status || this.status !== 0) return false;
    const status = value.length === 3 ? parseDigits(value) : -1;
    // 101 has no place in HTTP/2 (RFC 9113 §8.6).
    if (status < 100 || status === 101) return false;
    this.status = status;
    return true;
  }

  #takeHost(value: string): boolean {
    if (this.#host !== '' || value === '' || !isAuthority(value)) return false;
    this.#host = value;
    return true;
  }

  #takeContentLength(name: string, value: string): boolean {
    const { status } = this;
    if (status === 204) {
      // Forbidden by RFC 9110 §8.6; that of well-meaning servers is dropped.
      return value === '0';
    }
    if ((status >= 100 && status < 200) || this.contentLength !== -1) return false;
    const length = parseLength(value);
    if (length === -1) return false;
    this.contentLength = length;
    this.headers.push(name, value);
    return true;
  }

  /** RFC 9113 §8.3.1, §8.5, RFC 8441 §4. */
  #finishRequest(): boolean {
    const { method, scheme, path, protocol } = this;
    const connect = method === 'CONNECT';
    if (connect && protocol === '') {
      this.contentLength = -1;
      return scheme === '' && path === '' && this.authority !== '';
    }
    if (method === '' || scheme === '' || path === '') return false;
    if (protocol !== '' && (!connect || this.authority === '')) return false;
    if (this.authority === '') this.authority = this.#host;
    if (this.authority === '') return false;
    if (path.charCodeAt(0) === SLASH || !isHttp(scheme)) return true;
    return path === '*' && method === 'OPTIONS';
  }
}

const SLASH = 0x2f;

function isHttp(scheme: string): boolean {
  if (scheme === 'http' || scheme === 'https') return true;
  const lower = scheme.toLowerCase();
  return lower === 'http' || lower === 'https';
}

function isLetter(code: number): boolean {
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/** The number that `text`, nothing but digits, says; -1 for anything else. */
function parseDigits(text: string): number {
  const { length } = text;
  if (length === 0) return -1;
  let total = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    total = total * 10 + digit;
  }
  return total;
}

const MAX_LENGTH = '9223372036854775807';

/** Up to 2^63 - 1, as nghttp2; beyond 2^53 not exact, which no message lives to see. */
function parseLength(value: string): number {
  const length = parseDigits(value);
  if (length <= Number.MAX_SAFE_INTEGER) return length;
  const digits = value.replace(/^0+/, '');
  return digits.length < MAX_LENGTH.length || (digits.length === MAX_LENGTH.length && digits <= MAX_LENGTH)
    ? length
    : -1;
}
