/**
 * V8 marks, sweeps and compiles on threads beside the one that serves. Where there is one core for all of
 * them, those take turns with requests of three milliseconds and more: so they get the time nobody else needs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** The one that serves gets thirty times as much; but it waits for them at times, so that they must get something. */
const NICENESS = 15;
/** What Node calls them. */
const NAME = /V8Worker$/;

/** Where the operating system tells of threads (Linux), and has no effect elsewhere. */
export function lowerBackgroundThreads(): void {
  try {
    for (const id of readdirSync('/proc/self/task')) {
      const name = readFileSync(`/proc/self/task/${id}/comm`, 'latin1').trimEnd();
      if (NAME.test(name)) setPriority(Number(id), NICENESS);
    }
  } catch {
    // There it is as it was: requests wait a little longer at times.
  }
}
