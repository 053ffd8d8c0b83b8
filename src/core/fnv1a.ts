/** FNV-1a, 32 bits (Fowler, Noll, Vo): spreads names over a range. No defence against who chooses the names. */
export function fnv1a(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
