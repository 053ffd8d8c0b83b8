/** One object for all clusters that say the same: most of thousands say nothing. */

const MOST = 256;
const known = new Map<string, unknown>();

/** An equal object that was seen before, or this one. @param settings plain data: no functions, no maps */
export function sharedSettings<T extends object>(settings: T): T {
  // JSON has no infinity, which limits are without a limit.
  const key = JSON.stringify(settings, (_, value: unknown) =>
    value === Number.POSITIVE_INFINITY ? 'infinity' : value,
  );
  const before = known.get(key);
  if (before !== undefined) return before as T;
  if (known.size >= MOST) known.clear();
  known.set(key, settings);
  return settings;
}
