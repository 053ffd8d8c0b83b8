/** How many downstream connections a process takes, over all its threads. */
import { openFileLimit } from '#host/file-limit.ts';
import type { ConnectionLimitSettings } from '#proxy/bootstrap/connection-limits.ts';
import { limitedCount, type SharedCounts } from '#proxy/cluster/limited-count.ts';
import type { ConnectionLimits } from '#proxy/data-path-deps.ts';

/** Files for everything else: logs, the admin interface, streams to management servers. */
const OTHER_FILES = 64;

/** A limit of listeners, and how it holds over all threads. */
export interface ConnectionFigures {
  readonly process: number;
  readonly ofListener: Readonly<Record<string, number>>;
}

/** Half of the files a process may open, where nothing else is said: a connection through it takes two. */
export function connectionFigures(settings: ConnectionLimitSettings): ConnectionFigures {
  const own = Math.max(1, Math.floor((openFileLimit() - OTHER_FILES) / 2));
  return { process: settings.process ?? own, ofListener: settings.ofListener };
}

/** @param shared count of all threads, as memory for one; absent where one thread serves. */
export function connectionLimits(figures: ConnectionFigures, shared?: SharedCounts): ConnectionLimits {
  return {
    process: limitedCount(shared, 0, figures.process),
    ofListener: (name) => figures.ofListener[name],
  };
}
