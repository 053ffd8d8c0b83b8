/** What is in the network namespaces of a mesh: they are there as long as a process is in them. */
import { readdirSync, readlinkSync } from 'node:fs';
import { identifyProcess, type ProcessIdentity } from '#host/process-identity.ts';

/** Every process that shares a namespace with one of these, apart from ours. */
export function namespaceProcesses(pids: readonly number[]): readonly ProcessIdentity[] {
  const namespaces = new Set(pids.map(namespaceOf));
  namespaces.delete(namespaceOf(process.pid));
  namespaces.delete(undefined);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && namespaces.has(namespaceOf(Number(name))))
    .flatMap((name) => identifyProcess(Number(name)) ?? []);
}

/** Undefined where it has ended, or belongs to somebody else. */
function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
