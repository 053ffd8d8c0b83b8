/** One object for all clusters that say the same: most of thousands say nothing. */

const MOST = 256;

/** An equal object that was seen before, or the one given, which must be plain data: no functions, no maps. */
type Share = <T extends object>(settings: T) => T;

function createShare(): Share {
  const known = new Map<string, object>();
  return <T extends object>(settings: T): T => {
    const key = JSON.stringify(settings, named);
    const before = known.get(key);
    if (before !== undefined) return before as T;
    if (known.size >= MOST) known.clear();
    known.set(key, settings);
    return settings;
  };
}

/** JSON has no infinity, which limits are without a limit. */
function named(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? `number ${value}` : value;
}

export const sharedSettings: Share = createShare();

/** What is said of endpoints, which are many, and differ more: settings are not forgotten for them. */
export const sharedTraits: Share = createShare();
