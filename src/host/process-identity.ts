/**
 * Who a process is beyond its number: a pid is given out again after its process ended, the pair of
 * pid and start time is not. What lock files and left-over processes are judged by.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal only for the same process. Linux: ticks since boot (proc_pid_stat(5) field 22). */
  readonly startTime: string;
}

/** The identity of a living process, or undefined when there is none of that number. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const startTime = process.platform === 'linux' ? linuxStartTime(pid) : psStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly this process still runs. A zombie does not. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return identifyProcess(pid)?.startTime === startTime;
}

function linuxStartTime(pid: number): string | undefined {
  const fields = processStat(pid);
  // Fields 3 (state) and 22 (start time); a zombie has ended, only its parent has not asked yet.
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

/** Of a living process; undefined where there is none, or the system does not say. */
export function processGroup(pid: number): number | undefined {
  const group = process.platform === 'linux' ? processStat(pid)?.[2] : undefined;
  return group === undefined ? undefined : Number(group);
}

/** The fields of `/proc/PID/stat` from the third on; the second, the name, may hold anything. */
export function processStat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function psStartTime(pid: number): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.trim() === '' ? undefined : text.trim();
  } catch {
    return undefined;
  }
}
