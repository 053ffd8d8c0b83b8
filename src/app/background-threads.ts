/**
 * V8 compiles on threads beside the one that serves. Where there is one core for all of them, those take
 * turns with requests of three milliseconds and more: so they give way to them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/**
 * Where the one that serves has its core busy, a thirtieth of it is theirs: with less, code that has become
 * hot then would run as it is for long.
 */
const NICENESS = 15;
/** One of them compiles at a time. */
const FLAGS = ['--concurrent-turbofan-max-threads=1', '--concurrent-maglev-max-threads=1'];
/** Before, what they compile is what makes a start and the first requests short. */
const START_MS = 10_000;
/** What Node calls them. */
const NAME = /V8Worker$/;

/** When the start is over. The result calls it off. */
export function lowerBackgroundThreads(): () => void {
  const timer = setTimeout(lower, START_MS).unref();
  return () => clearTimeout(timer);
}

/** The niceness of a thread is set where the operating system tells of threads (Linux). */
function lower(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
  try {
    for (const id of readdirSync('/proc/self/task')) {
      const name = readFileSync(`/proc/self/task/${id}/comm`, 'latin1').trimEnd();
      if (NAME.test(name)) setPriority(Number(id), NICENESS);
    }
  } catch {
    // There it is as it was: requests wait a little longer at times.
  }
}
