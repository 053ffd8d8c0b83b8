/**
 * The dynamic table as an encoder keeps it (RFC 7541 §2.3.2, §4): a ring of fields, and where to look
 * for one. Looking is bounded, so that no choice of fields makes it slow; what is not found though it
 * is there is only sent in full once more.
 */
import { STATIC_ENTRIES } from './static-table.ts';
import { ENTRY_BYTES } from './table.ts';

const FIRST_SLOTS = 16;
/** Buckets looked at from that of the hash on. */
const PROBES = 4;

/** Of a table without entries; idle connections are many. */
const noHashes: Int32Array = new Int32Array(0);
const noBuckets: Uint16Array = new Uint16Array(0);

/** The hash of a field, from that of its name and a few characters of its value. */
export function hashOfField(nameHash: number, value: string): number {
  const { length } = value;
  let hash = Math.imul(nameHash, 31) + length;
  if (length > 0) {
    hash = Math.imul(hash, 31) + value.charCodeAt(0);
    hash = Math.imul(hash, 31) + value.charCodeAt(length >> 1);
    hash = Math.imul(hash, 31) + value.charCodeAt(length - 1);
    if (length > 4) {
      hash = Math.imul(hash, 31) + value.charCodeAt(length - 2);
      hash = Math.imul(hash, 31) + value.charCodeAt(length >> 2);
      hash = Math.imul(hash, 31) + value.charCodeAt((length * 3) >> 2);
    }
  }
  return hash ^ (hash >>> 15);
}

export class EncodingTable {
  maxBytes: number;
  #bytes = 0;
  #entries = 0;
  #names: string[] = [];
  #values: string[] = [];
  #hashes: Int32Array = noHashes;
  #nameHashes: Int32Array = noHashes;
  /** Slots + 1 by hash of the field, and by hash of the name; 0 for an empty bucket. */
  #byField: Uint16Array = noBuckets;
  #byName: Uint16Array = noBuckets;
  #mask = -1;
  #bucketMask = -1;
  /** Where the next field goes. */
  #next = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Position of the field on the wire, 0 for none. */
  find(name: string, value: string, hash: number): number {
    const buckets = this.#byField;
    if (buckets.length === 0) return 0;
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = buckets[(hash + probe) & this.#bucketMask]! - 1;
      if (
        slot !== -1 &&
        this.#hashes[slot] === hash &&
        this.#values[slot] === value &&
        this.#names[slot] === name
      ) {
        return this.#position(slot);
      }
    }
    return 0;
  }

  /** Position of any field of that name on the wire, 0 for none. */
  findName(name: string, nameHash: number): number {
    const buckets = this.#byName;
    if (buckets.length === 0) return 0;
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = buckets[(nameHash + probe) & this.#bucketMask]! - 1;
      if (slot !== -1 && this.#nameHashes[slot] === nameHash && this.#names[slot] === name) {
        return this.#position(slot);
      }
    }
    return 0;
  }

  /** The field must fit into an empty table. */
  insert(name: string, value: string, nameHash: number, hash: number): void {
    const bytes = name.length + value.length + ENTRY_BYTES;
    this.#evictTo(this.maxBytes - bytes);
    if (this.#entries > this.#mask) this.#grow();
    const slot = this.#next & this.#mask;
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#hashes[slot] = hash;
    this.#nameHashes[slot] = nameHash;
    this.#enter(slot);
    this.#next = (slot + 1) & this.#mask;
    this.#bytes += bytes;
    this.#entries++;
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #position(slot: number): number {
    return STATIC_ENTRIES + 1 + ((this.#next - 1 - slot) & this.#mask);
  }

  #evictTo(maxBytes: number): void {
    while (this.#bytes > maxBytes && this.#entries > 0) {
      const slot = (this.#next - this.#entries) & this.#mask;
      this.#bytes -= this.#names[slot]!.length + this.#values[slot]!.length + ENTRY_BYTES;
      leave(this.#byField, this.#hashes[slot]!, slot);
      leave(this.#byName, this.#nameHashes[slot]!, slot);
      this.#names[slot] = '';
      this.#values[slot] = '';
      this.#entries--;
    }
  }

  #enter(slot: number): void {
    enter(this.#byField, this.#hashes[slot]!, slot);
    // The newest field of a name stands for it, in the bucket of the one before.
    const nameHash = this.#nameHashes[slot]!;
    const name = this.#names[slot]!;
    for (let probe = 0; probe < PROBES; probe++) {
      const bucket = (nameHash + probe) & this.#bucketMask;
      const other = this.#byName[bucket]! - 1;
      if (other !== -1 && this.#nameHashes[other] === nameHash && this.#names[other] === name) {
        this.#byName[bucket] = slot + 1;
        return;
      }
    }
    enter(this.#byName, nameHash, slot);
  }

  /** Twice the slots, with the entries at their beginning, and four times as many buckets as slots. */
  #grow(): void {
    const before = {
      names: this.#names,
      values: this.#values,
      hashes: this.#hashes,
      nameHashes: this.#nameHashes,
    };
    const oldest = this.#next - this.#entries;
    const mask = this.#mask;
    const slots = Math.max(FIRST_SLOTS, this.#entries * 2);
    this.#names = new Array<string>(slots).fill('');
    this.#values = new Array<string>(slots).fill('');
    this.#hashes = new Int32Array(slots);
    this.#nameHashes = new Int32Array(slots);
    this.#byField = new Uint16Array(slots * 4);
    this.#byName = new Uint16Array(slots * 4);
    this.#mask = slots - 1;
    this.#bucketMask = slots * 4 - 1;
    for (let slot = 0; slot < this.#entries; slot++) {
      const from = (oldest + slot) & mask;
      this.#names[slot] = before.names[from]!;
      this.#values[slot] = before.values[from]!;
      this.#hashes[slot] = before.hashes[from]!;
      this.#nameHashes[slot] = before.nameHashes[from]!;
      this.#enter(slot);
    }
    this.#next = this.#entries;
  }
}

function enter(buckets: Uint16Array, hash: number, slot: number): void {
  const mask = buckets.length - 1;
  for (let probe = 0; probe < PROBES; probe++) {
    const bucket = (hash + probe) & mask;
    if (buckets[bucket] === 0) {
      buckets[bucket] = slot + 1;
      return;
    }
  }
  buckets[hash & mask] = slot + 1;
}

function leave(buckets: Uint16Array, hash: number, slot: number): void {
  const mask = buckets.length - 1;
  for (let probe = 0; probe < PROBES; probe++) {
    const bucket = (hash + probe) & mask;
    if (buckets[bucket] === slot + 1) buckets[bucket] = 0;
  }
}
