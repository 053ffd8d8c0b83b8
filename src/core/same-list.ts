/** Whether two lists hold the same values, objects by identity, in the same order. */
export function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a === b || (a.length === b.length && a.every((value, at) => Object.is(value, b[at])));
}
