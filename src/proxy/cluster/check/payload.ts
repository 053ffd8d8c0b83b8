/** Whether all of `wanted` are in `bytes`, one after the other; others may stand between them. */
export function findInOrder(bytes: Buffer, wanted: readonly Buffer[]): boolean {
  let from = 0;
  for (const part of wanted) {
    const at = bytes.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
}
