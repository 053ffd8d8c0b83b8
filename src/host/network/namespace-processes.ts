/** The processes of a network namespace, which is there as long as one is in it. */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { identifyProcess, isAlive, type ProcessIdentity } from '../process-identity.ts';

const LOOK_MS = 20;

/** Of the namespace of a process, such as `net:[4026532281]`; undefined where it has ended, or belongs to somebody else. */
export function networkNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** Ends all that are left in it but some: SIGTERM, and SIGKILL after `graceMs`. */
export async function endProcessesIn(
  namespace: string,
  but: ReadonlySet<number | undefined>,
  graceMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + graceMs;
  const left = processesIn(namespace).filter(({ pid }) => !but.has(pid));
  for (const { pid } of left) signal(pid, 'SIGTERM');
  while (left.some(isAlive) && performance.now() < deadlineMs) await wait(LOOK_MS);
  for (const { pid } of processesIn(namespace)) if (!but.has(pid)) signal(pid, 'SIGKILL');
}

function processesIn(namespace: string): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && networkNamespaceOf(Number(name)) === namespace)
    .flatMap((name) => identifyProcess(Number(name)) ?? []);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
