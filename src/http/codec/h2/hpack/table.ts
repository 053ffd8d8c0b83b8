/** The dynamic table as a decoder keeps it (RFC 7541 §2.3.2, §4): a ring of fields, newest first. */
import type { FieldInfo } from '../field-kind.ts';

/** What an entry costs beyond its bytes (RFC 7541 §4.1). */
export const ENTRY_BYTES = 32;

const FIRST_SLOTS = 16;

export class DecodingTable {
  /** Fields that are there. */
  entries = 0;
  #maxBytes: number;
  #bytes = 0;
  // Slots are a power of two, so that a mask finds one; most connections never need many.
  #names: string[] = [];
  #values: string[] = [];
  #infos: FieldInfo[] = [];
  #mask = -1;
  /** Where the next field goes. */
  #next = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The slot of the entry that is `age` entries older than the newest; `age` is below {@link entries}. */
  slotOf(age: number): number {
    return (this.#next - 1 - age) & this.#mask;
  }

  name(slot: number): string {
    return this.#names[slot]!;
  }

  value(slot: number): string {
    return this.#values[slot]!;
  }

  info(slot: number): FieldInfo {
    return this.#infos[slot]!;
  }

  /** Drops old entries until what is left fits (RFC 7541 §4.3). */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  /** Drops old entries to make room; what is larger than the table empties it and is not kept (RFC 7541 §4.4). */
  insert(name: string, value: string, info: FieldInfo): void {
    const bytes = name.length + value.length + ENTRY_BYTES;
    this.#evictTo(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return;
    if (this.entries > this.#mask) this.#grow();
    const slot = this.#next & this.#mask;
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#infos[slot] = info;
    this.#next = (slot + 1) & this.#mask;
    this.#bytes += bytes;
    this.entries++;
  }

  #evictTo(maxBytes: number): void {
    while (this.#bytes > maxBytes && this.entries > 0) {
      const slot = this.slotOf(this.entries - 1);
      this.#bytes -= this.#names[slot]!.length + this.#values[slot]!.length + ENTRY_BYTES;
      this.#names[slot] = '';
      this.#values[slot] = '';
      this.entries--;
    }
  }

  #grow(): void {
    const { entries } = this;
    const names: string[] = [];
    const values: string[] = [];
    const infos: FieldInfo[] = [];
    for (let age = entries - 1; age >= 0; age--) {
      const slot = this.slotOf(age);
      names.push(this.#names[slot]!);
      values.push(this.#values[slot]!);
      infos.push(this.#infos[slot]!);
    }
    const slots = Math.max(FIRST_SLOTS, entries * 2);
    while (names.length < slots) {
      names.push('');
      values.push('');
      infos.push(0);
    }
    this.#names = names;
    this.#values = values;
    this.#infos = infos;
    this.#mask = slots - 1;
    this.#next = entries;
  }
}
