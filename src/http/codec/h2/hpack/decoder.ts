/** Header blocks from bytes (RFC 7541). */

import { classesOf, FieldName, infoWithValue } from '../field-kind.ts';
import type { BlockKind, BlockLimits, HeaderBlock } from '../header-block.ts';
import { decodedBytesAtMost, decodeHuffman } from './huffman.ts';
import { STATIC_ENTRIES, staticInfos, staticNames, staticValues } from './static-table.ts';
import { DecodingTable } from './table.ts';

/** What both sides begin with (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;

const INDEXED = 0x80;
const WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const HUFFMAN = 0x80;

/** Bytes of an integer after the first one: what 32 bits take. */
const MAX_MORE_BYTES = 5;
/** No index, length or size that could be right is larger. */
const MAX_INTEGER = 2 ** 28;

/** What nghttp2 takes of one name or value, as it is encoded. */
const MAX_STRING_BYTES = 65_536;

/** Where decoded strings are put until they are made: nothing survives in it from one string to the next. */
let scratch: Buffer = Buffer.allocUnsafeSlow(1024);

/** One a connection: blocks must be decoded in the order they came, every one of them. */
export class HpackDecoder {
  readonly #table: DecodingTable = new DecodingTable(DEFAULT_TABLE_BYTES);
  /** What was announced. */
  readonly #limit: number;
  readonly #maxStringBytes: number;
  /** The most that a size update may say. */
  #maxUpdate: number;
  #updateDue = false;

  // What the step before found: position, an integer, the parts of a field.
  #at = 0;
  readonly #name: FieldName = new FieldName();
  #value = '';
  #classes = 0;

  /**
   * @param maxTableBytes the SETTINGS_HEADER_TABLE_SIZE that was announced
   * @param maxStringBytes of a name or value at most, as it is encoded
   */
  constructor(maxTableBytes: number, maxStringBytes: number = MAX_STRING_BYTES) {
    this.#limit = maxTableBytes;
    this.#maxStringBytes = maxStringBytes;
    // Until the peer has seen our settings, it may act by the default.
    this.#maxUpdate = Math.max(maxTableBytes, DEFAULT_TABLE_BYTES);
  }

  /** Bytes of the table now, never more than the larger of what was announced and 4,096. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** The peer has acknowledged the settings: if they make its table smaller, its next block must say so (RFC 9113 §4.3.1). */
  settingsAcknowledged(): void {
    this.#maxUpdate = this.#limit;
    this.#updateDue = this.#table.maxBytes > this.#limit;
  }

  /**
   * Reads the block `bytes[from..to)` into `into`. What is beyond a limit is decoded, as the table needs
   * it, and dropped.
   *
   * @returns false for a COMPRESSION_ERROR, after which the connection cannot go on (RFC 9113 §4.3)
   */
  decode(
    bytes: Buffer,
    from: number,
    to: number,
    kind: BlockKind,
    into: HeaderBlock,
    limits: BlockLimits,
  ): boolean {
    into.begin(kind, limits);
    let pos = this.#readSizeUpdates(bytes, from, to);
    if (pos === -1) return false;
    const table = this.#table;
    while (pos < to) {
      const first = bytes[pos]!;
      if (first < INDEXED) {
        if ((first & ~0x1f) === SIZE_UPDATE) return false;
        pos = this.#readLiteral(bytes, pos, to, into);
        if (pos === -1) return false;
        continue;
      }
      let index = first & 0x7f;
      pos++;
      if (index === 0x7f) {
        index = this.#readMore(bytes, pos, to, index);
        pos = this.#at;
      }
      if (index <= STATIC_ENTRIES) {
        if (index <= 0) return false;
        into.add(staticNames[index]!, staticValues[index]!, staticInfos[index]!);
      } else {
        const age = index - STATIC_ENTRIES - 1;
        if (age >= table.entries) return false;
        const slot = table.slotOf(age);
        into.add(table.name(slot), table.value(slot), table.info(slot));
      }
    }
    into.finish();
    return true;
  }

  /** RFC 7541 §4.2: at the beginning of a block only. @returns where the fields begin, -1 for an error */
  #readSizeUpdates(bytes: Buffer, from: number, to: number): number {
    let pos = from;
    while (pos < to && (bytes[pos]! & ~0x1f) === SIZE_UPDATE) {
      let size = bytes[pos++]! & 0x1f;
      if (size === 0x1f) {
        size = this.#readMore(bytes, pos, to, size);
        pos = this.#at;
      }
      if (size < 0 || size > this.#maxUpdate) return -1;
      this.#table.resize(size);
      this.#updateDue = this.#updateDue && size > this.#limit;
    }
    return this.#updateDue ? -1 : pos;
  }

  /** @returns where the literal ends, -1 for an error */
  #readLiteral(bytes: Buffer, from: number, to: number, into: HeaderBlock): number {
    const first = bytes[from]!;
    const indexing = first >= WITH_INDEXING;
    const prefix = indexing ? 0x3f : 0x0f;
    const field = this.#name;
    let index = first & prefix;
    let pos = from + 1;
    if (index === prefix) {
      index = this.#readMore(bytes, pos, to, index);
      if (index === -1) return -1;
      pos = this.#at;
    }
    if (index === 0) {
      pos = this.#readName(bytes, pos, to);
      if (pos === -1) return -1;
    } else if (index <= STATIC_ENTRIES) {
      field.name = staticNames[index]!;
      field.info = staticInfos[index]!;
    } else {
      const age = index - STATIC_ENTRIES - 1;
      if (age >= this.#table.entries) return -1;
      const slot = this.#table.slotOf(age);
      field.name = this.#table.name(slot);
      field.info = this.#table.info(slot);
    }
    pos = this.#readValue(bytes, pos, to);
    if (pos === -1) return -1;
    const info = infoWithValue(field.info, this.#classes);
    if (indexing) this.#table.insert(field.name, this.#value, info);
    into.add(field.name, this.#value, info);
    return pos;
  }

  #readName(bytes: Buffer, at: number, to: number): number {
    if (at >= to) return -1;
    const first = bytes[at]!;
    let length = first & 0x7f;
    let pos = at + 1;
    if (length === 0x7f) {
      length = this.#readMore(bytes, pos, to, length);
      if (length === -1) return -1;
      pos = this.#at;
    }
    const end = pos + length;
    if (end > to || length > this.#maxStringBytes) return -1;
    if (first < HUFFMAN) this.#name.read(bytes, pos, end);
    else {
      const decoded = decode(bytes, pos, end);
      if (decoded === -1) return -1;
      this.#name.read(scratch, 0, decoded);
    }
    return end;
  }

  #readValue(bytes: Buffer, at: number, to: number): number {
    if (at >= to) return -1;
    const first = bytes[at]!;
    let length = first & 0x7f;
    let pos = at + 1;
    if (length === 0x7f) {
      length = this.#readMore(bytes, pos, to, length);
      if (length === -1) return -1;
      pos = this.#at;
    }
    const end = pos + length;
    if (end > to || length > this.#maxStringBytes) return -1;
    if (first < HUFFMAN) {
      this.#classes = classesOf(bytes, pos, end);
      this.#value = bytes.toString('latin1', pos, end);
    } else {
      const decoded = decode(bytes, pos, end);
      if (decoded === -1) return -1;
      this.#classes = classesOf(scratch, 0, decoded);
      this.#value = scratch.toString('latin1', 0, decoded);
    }
    return end;
  }

  /** The rest of an integer whose prefix is full (RFC 7541 §5.1). @returns -1 for one that is too large or not whole */
  #readMore(bytes: Buffer, at: number, to: number, prefix: number): number {
    let total = prefix;
    let scale = 1;
    const last = Math.min(to, at + MAX_MORE_BYTES);
    for (let pos = at; pos < last; pos++) {
      const byte = bytes[pos]!;
      total += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#at = pos + 1;
        return total > MAX_INTEGER ? -1 : total;
      }
      scale *= 128;
    }
    return -1;
  }
}

/** Decodes `bytes[from..to)` into {@link scratch}. */
function decode(bytes: Buffer, from: number, to: number): number {
  const atMost = decodedBytesAtMost(to - from);
  if (scratch.length < atMost) scratch = Buffer.allocUnsafeSlow(atMost * 2);
  return decodeHuffman(bytes, from, to, scratch);
}
