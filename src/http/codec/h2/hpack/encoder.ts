/**
 * Header blocks to bytes (RFC 7541): what comes again costs a byte, and finding that out a few comparisons.
 * Values that enter the dynamic table are Huffman coded where that is shorter; those that do not are sent
 * as they are: coding them would cost both ends several nanoseconds a byte, every time, for a quarter of it.
 */

import type { HeaderList } from '../../../header-list.ts';
import type { ByteWriter } from '../byte-writer.ts';
import { DEFAULT_TABLE_BYTES } from './decoder.ts';
import { findRule, hashOfName, rule, ruleAt, staticIndexAt, staticValueAt } from './encoding-rule.ts';
import { EncodingTable, hashOfField } from './encoding-table.ts';
import { encodeHuffman, huffmanBytes } from './huffman.ts';
import { ENTRY_BYTES } from './table.ts';

// First bytes of the representations of RFC 7541 §6 and what they leave for the integer.
const INDEXED = 0x80;
const INDEXED_MAX = 0x7f;
const WITH_INDEXING = 0x40;
const WITH_INDEXING_MAX = 0x3f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_MAX = 0x1f;
const NEVER_INDEXED = 0x10;
const WITHOUT_INDEXING = 0x00;
const LITERAL_MAX = 0x0f;
const HUFFMAN = 0x80;
const LENGTH_MAX = 0x7f;

/** Bytes of an integer at most, for all integers there are here. */
const INTEGER_BYTES = 6;
/** A shorter cookie could be guessed (as nghttp2). */
const GUESSABLE_COOKIE_BYTES = 20;
/** From here on a call into the runtime copies faster than a loop. */
const LONG_STRING_BYTES = 48;

// Second entries of a name in the static table; the first ones are found by the name.
const METHOD_POST = 3;
const PATH_INDEX_HTML = 5;
const SCHEME_HTTPS = 7;

/** `:status` of the static table by the status; 0 for others. */
const staticStatus: Uint8Array = new Uint8Array(600);
for (const [i, status] of [200, 204, 206, 304, 400, 404, 500].entries()) staticStatus[status] = 8 + i;

/** One a connection: blocks must be sent in the order they were encoded, every one of them. */
export class HpackEncoder {
  readonly #table: EncodingTable = new EncodingTable(DEFAULT_TABLE_BYTES);
  readonly #cap: number;
  /** What the table shall be from the next block on, and the least it was told to be before that. */
  #wanted: number;
  #least: number;
  #resizes: boolean;

  /** @param maxTableBytes what this side spends on the table, whatever the peer allows */
  constructor(maxTableBytes: number) {
    this.#cap = maxTableBytes;
    this.#wanted = Math.min(maxTableBytes, DEFAULT_TABLE_BYTES);
    this.#least = this.#wanted;
    this.#resizes = this.#wanted !== DEFAULT_TABLE_BYTES;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block tells it what is made of it. */
  setPeerLimit(bytes: number): void {
    this.#wanted = Math.min(bytes, this.#cap);
    this.#least = Math.min(this.#least, this.#wanted);
    this.#resizes = this.#wanted !== this.#table.maxBytes || this.#least !== this.#wanted;
  }

  /** Empty strings are absent. Names must be in lower case, and none of those that HTTP/2 has no place for. */
  encodeRequest(
    out: ByteWriter,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
  ): void {
    this.#begin(out);
    if (method === 'POST') this.#indexed(out, METHOD_POST);
    else if (method !== '') this.#field(out, ':method', method);
    if (protocol !== '') this.#field(out, ':protocol', protocol);
    if (scheme === 'https') this.#indexed(out, SCHEME_HTTPS);
    else if (scheme !== '') this.#field(out, ':scheme', scheme);
    if (authority !== '') this.#field(out, ':authority', authority);
    if (path === '/index.html') this.#indexed(out, PATH_INDEX_HTML);
    else if (path !== '') this.#field(out, ':path', path);
    this.#fields(out, headers);
  }

  /** As {@link encodeRequest}. */
  encodeResponse(out: ByteWriter, status: number, headers: HeaderList): void {
    this.#begin(out);
    const index = staticStatus[status];
    if (index !== undefined && index !== 0) this.#indexed(out, index);
    else this.#field(out, ':status', String(status));
    this.#fields(out, headers);
  }

  /** Fields alone: trailers. */
  encodeFields(out: ByteWriter, headers: HeaderList): void {
    this.#begin(out);
    this.#fields(out, headers);
  }

  /** RFC 7541 §4.2: a size that was less in between is told, too. */
  #begin(out: ByteWriter): void {
    if (!this.#resizes) return;
    this.#resizes = false;
    out.reserve(2 * INTEGER_BYTES);
    if (this.#least < Math.min(this.#wanted, this.#table.maxBytes)) this.#resize(out, this.#least);
    this.#resize(out, this.#wanted);
    this.#least = this.#wanted;
  }

  #resize(out: ByteWriter, bytes: number): void {
    this.#table.resize(bytes);
    out.length = putInteger(out.buffer, out.length, SIZE_UPDATE, SIZE_UPDATE_MAX, bytes);
  }

  #fields(out: ByteWriter, headers: HeaderList): void {
    for (let i = 0; i < headers.length; i += 2) this.#field(out, headers[i]!, headers[i + 1]!);
  }

  #field(out: ByteWriter, name: string, value: string): void {
    const nameHash = hashOfName(name);
    const slot = findRule(name, nameHash);
    if (slot === -1) {
      this.#repeating(out, name, value, nameHash, 0);
      return;
    }
    const staticIndex = staticIndexAt(slot);
    if (staticIndex !== 0 && value === staticValueAt(slot)) {
      this.#indexed(out, staticIndex);
      return;
    }
    const ofName = ruleAt(slot);
    if (ofName === rule.repeats) this.#repeating(out, name, value, nameHash, staticIndex);
    else if (ofName === rule.changes) this.#changing(out, name, value, nameHash, staticIndex);
    else if (ofName === rule.secret || value.length < GUESSABLE_COOKIE_BYTES) {
      this.#literal(out, NEVER_INDEXED, name, value, staticIndex);
    } else this.#repeating(out, name, value, nameHash, staticIndex);
  }

  #repeating(out: ByteWriter, name: string, value: string, nameHash: number, staticIndex: number): void {
    const table = this.#table;
    const hash = hashOfField(nameHash, value);
    const index = table.find(name, value, hash);
    if (index !== 0) {
      this.#indexed(out, index);
      return;
    }
    const nameIndex = staticIndex === 0 ? table.findName(name, nameHash) : staticIndex;
    if (this.#worthAPlace(name, value)) {
      this.#indexing(out, name, value, nameIndex);
      table.insert(name, value, nameHash, hash);
    } else this.#literal(out, WITHOUT_INDEXING, name, value, nameIndex);
  }

  #changing(out: ByteWriter, name: string, value: string, nameHash: number, staticIndex: number): void {
    const table = this.#table;
    const nameIndex = staticIndex === 0 ? table.findName(name, nameHash) : staticIndex;
    if (nameIndex !== 0 || !this.#worthAPlace(name, value)) {
      this.#literal(out, WITHOUT_INDEXING, name, value, nameIndex);
      return;
    }
    this.#indexing(out, name, value, 0);
    table.insert(name, value, nameHash, hashOfField(nameHash, value));
  }

  /** Whether a field leaves room for others (as nghttp2). */
  #worthAPlace(name: string, value: string): boolean {
    return (name.length + value.length + ENTRY_BYTES) * 4 <= this.#table.maxBytes * 3;
  }

  #indexed(out: ByteWriter, index: number): void {
    out.reserve(INTEGER_BYTES);
    if (index < INDEXED_MAX) out.buffer[out.length++] = INDEXED | index;
    else out.length = putInteger(out.buffer, out.length, INDEXED, INDEXED_MAX, index);
  }

  #indexing(out: ByteWriter, name: string, value: string, nameIndex: number): void {
    out.reserve(name.length + value.length + 3 * INTEGER_BYTES);
    const { buffer } = out;
    let at = putInteger(buffer, out.length, WITH_INDEXING, WITH_INDEXING_MAX, nameIndex);
    if (nameIndex === 0) at = putShortest(buffer, at, name);
    out.length = putShortest(buffer, at, value);
  }

  #literal(out: ByteWriter, first: number, name: string, value: string, nameIndex: number): void {
    out.reserve(name.length + value.length + 3 * INTEGER_BYTES);
    const { buffer } = out;
    let at = putInteger(buffer, out.length, first, LITERAL_MAX, nameIndex);
    if (nameIndex === 0) at = putString(buffer, at, name);
    out.length = putString(buffer, at, value);
  }
}

/** @param max the largest that the bits of `first` can hold, which says that more bytes follow (RFC 7541 §5.1) */
function putInteger(buffer: Buffer, at: number, first: number, max: number, value: number): number {
  if (value < max) {
    buffer[at] = first | value;
    return at + 1;
  }
  buffer[at] = first | max;
  let pos = at + 1;
  let rest = value - max;
  while (rest >= 0x80) {
    buffer[pos++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[pos] = rest;
  return pos + 1;
}

function putString(buffer: Buffer, at: number, text: string): number {
  const { length } = text;
  const pos = putInteger(buffer, at, 0, LENGTH_MAX, length);
  if (length >= LONG_STRING_BYTES) buffer.write(text, pos, 'latin1');
  else for (let i = 0; i < length; i++) buffer[pos + i] = text.charCodeAt(i);
  return pos + length;
}

function putShortest(buffer: Buffer, at: number, text: string): number {
  const coded = huffmanBytes(text);
  if (coded >= text.length) return putString(buffer, at, text);
  return encodeHuffman(text, buffer, putInteger(buffer, at, HUFFMAN, LENGTH_MAX, coded));
}
