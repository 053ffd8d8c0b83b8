/** How many downstream connections a process takes, over all its threads. */
import { openFileLimit } from '#host/file-limit.ts';
import {
  type LimitedCount,
  limitedCount,
  OwnCount,
  type SharedCounts,
} from '#proxy/cluster/limited-count.ts';
import type { ConnectionLimits } from '#proxy/data-path-deps.ts';
import type { RuntimeSnapshot } from '#proxy/runtime/snapshot.ts';

/** Files for everything else: logs, the admin interface, streams to management servers. */
const OTHER_FILES = 64;

/** This part of the files may be second descriptors of connections without HTTP, which are read faster by them. */
const SECOND_PART = 1 / 8;

/** How many there may be, and whether the runtime may say otherwise. */
export interface MaxConnections {
  readonly limit: number;
  readonly isFixed: boolean;
}

const RUNTIME_KEY = 'overload.global_downstream_max_connections';

/**
 * Half of the files that are left, where nothing else is said: a connection through the process takes two.
 *
 * @param byManager of the overload manager, which is stronger than the runtime
 */
export function maxConnections(byManager: number | undefined): MaxConnections {
  const files = openFileLimit() * (1 - SECOND_PART) - OTHER_FILES;
  const own = Math.max(1, Math.floor(files / 2));
  return { limit: byManager ?? own, isFixed: byManager !== undefined };
}

/** @param shared count of all threads, as memory for one; absent where one thread serves. */
export function connectionLimits(
  { limit, isFixed }: MaxConnections,
  runtime: RuntimeSnapshot,
  shared?: SharedCounts,
): ConnectionLimits {
  const read = (): number => (isFixed ? limit : runtime.integer(RUNTIME_KEY, limit));
  const process = limitedCount(shared, 0, read());
  runtime.onChange(() => process.setLimit(read()));
  return { process };
}

/** How many connections of one of `threads` may have a second descriptor. */
export function secondDescriptors(threads: number): LimitedCount {
  return new OwnCount(Math.floor((openFileLimit() * SECOND_PART) / threads));
}
