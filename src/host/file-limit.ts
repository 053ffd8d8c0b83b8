/** How many files and sockets this process may have open. */
import { readFileSync } from 'node:fs';

/** Infinity where there is no limit, or none is known. */
export function openFileLimit(): number {
  try {
    return parseOpenFileLimit(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    return Number.POSITIVE_INFINITY; // no /proc
  }
}

/** @param limits text of `/proc/PID/limits` (proc_pid_limits(5)). @returns the soft limit. */
export function parseOpenFileLimit(limits: string): number {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
