/** Reads encoded messages of descriptor.proto, field by field (https://protobuf.dev/programming-guides/encoding/). */

/** Wire types. */
const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

export class DescriptorReader {
  /** Number of the field that `next` came to. */
  field = 0;
  readonly #bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** Where the next field begins. */
  #at: number;
  /** Value of the field: a number, or where its bytes begin. */
  #value = 0;

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.#bytes = bytes;
    this.from = from;
    this.#at = from;
    this.to = to;
  }

  /** From the beginning. */
  copy(): DescriptorReader {
    return new DescriptorReader(this.#bytes, this.from, this.to);
  }

  /** Goes to the next field. */
  next(): boolean {
    if (this.#at >= this.to) return false;
    const tag = this.#varint();
    this.field = tag >>> 3;
    const wire = tag & 7;
    if (wire === VARINT) this.#value = this.#varint();
    else if (wire === LENGTH_DELIMITED) {
      const length = this.#varint();
      this.#value = this.#at;
      this.#at += length;
    } else if (wire === FIXED_64) this.#at += 8;
    else if (wire === FIXED_32) this.#at += 4;
    else throw new Error(`wire type ${wire} in a descriptor`);
    return true;
  }

  number(): number {
    return this.#value;
  }

  /** A name: ASCII. */
  text(): string {
    return String.fromCharCode(...this.#bytes.subarray(this.#value, this.#at));
  }

  inside(): DescriptorReader {
    return new DescriptorReader(this.#bytes, this.#value, this.#at);
  }

  /** Whether the field of that number is there and true. */
  flag(field: number): boolean {
    let found = false;
    while (this.next()) if (this.field === field) found = this.#value !== 0;
    return found;
  }

  /** The lower 32 bits, signed: enum values may be negative. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++]!;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
}
