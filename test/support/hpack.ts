/** Header blocks for tests: written field by field, and read back. */
import { type BlockKind, type BlockLimits, HeaderBlock } from '../../src/http/codec/h2/header-block.ts';
import type { HpackDecoder } from '../../src/http/codec/h2/hpack/decoder.ts';

export type Fields = readonly (readonly [name: string, value: string])[];

export const wide: BlockLimits = { maxListBytes: 2 ** 24, maxFields: 100_000, extendedConnect: true };

/** RFC 7541 §5.1, without limits. */
export function integer(value: number, prefixBits: number, first = 0): Buffer {
  const max = 2 ** prefixBits - 1;
  if (value < max) return Buffer.of(first | value);
  const bytes = [first | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

function plain(text: string): Buffer {
  return Buffer.concat([integer(text.length, 7), Buffer.from(text, 'latin1')]);
}

/** Fields as literals with new names, not Huffman coded, that go into no table (`first` 0x00) or another first byte. */
export function literals(fields: Fields, first = 0x00): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(first), plain(name), plain(value)]));
}

/** Remembers every field as it was on the wire, besides what it is to a message. */
export class RecordingBlock extends HeaderBlock {
  recorded: [name: string, value: string][] = [];

  override begin(kind: BlockKind, limits: BlockLimits): void {
    this.recorded = [];
    super.begin(kind, limits);
  }

  override add(name: string, value: string, info: number): void {
    this.recorded.push([name, value]);
    super.add(name, value, info);
  }
}

/** @returns the fields, or undefined for a COMPRESSION_ERROR */
export function decodeFields(
  decoder: HpackDecoder,
  bytes: Buffer,
  kind: BlockKind = 'request',
): [name: string, value: string][] | undefined {
  const block = new RecordingBlock();
  return decoder.decode(bytes, 0, bytes.length, kind, block, wide) ? block.recorded : undefined;
}
