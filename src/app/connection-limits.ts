/** How many downstream connections a process takes, over all its threads. */
import { openFileLimit } from '#host/file-limit.ts';
import type { ConnectionLimitSettings } from '#proxy/bootstrap/connection-limits.ts';
import {
  type LimitedCount,
  limitedCount,
  OwnCount,
  type SharedCounts,
} from '#proxy/cluster/limited-count.ts';
import type { ConnectionLimits } from '#proxy/data-path-deps.ts';

/** Files for everything else: logs, the admin interface, streams to management servers. */
const OTHER_FILES = 64;

/** This part of the files may be second descriptors of connections without HTTP, which are read faster by them. */
const SECOND_PART = 1 / 8;

/** A limit of listeners, and how it holds over all threads. */
export interface ConnectionFigures {
  readonly process: number;
  readonly ofListener: Readonly<Record<string, number>>;
}

/** Half of the files that are left, where nothing else is said: a connection through the process takes two. */
export function connectionFigures(settings: ConnectionLimitSettings): ConnectionFigures {
  const files = openFileLimit() * (1 - SECOND_PART) - OTHER_FILES;
  const own = Math.max(1, Math.floor(files / 2));
  return { process: settings.process ?? own, ofListener: settings.ofListener };
}

/** @param shared count of all threads, as memory for one; absent where one thread serves. */
export function connectionLimits(figures: ConnectionFigures, shared?: SharedCounts): ConnectionLimits {
  return {
    process: limitedCount(shared, 0, figures.process),
    ofListener: (name) => figures.ofListener[name],
  };
}

/** How many connections of one of `threads` may have a second descriptor. */
export function secondDescriptors(threads: number): LimitedCount {
  return new OwnCount(Math.floor((openFileLimit() * SECOND_PART) / threads));
}
