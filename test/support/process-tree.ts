/** The living processes below one, as Linux's `/proc` knows them, whoever started them. */
import { readdirSync } from 'node:fs';
import { identifyProcess, type ProcessIdentity, processStat } from '#host/process-identity.ts';

/** All descendants of `root`, without itself. */
export function descendantsOf(root: number): ProcessIdentity[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  // Field 4 of proc_pid_stat(5), the second of what `processStat` gives, is the parent.
  const children = Map.groupBy(pids, (pid) => Number(processStat(pid)?.[1] ?? 0));
  const below = (pid: number): number[] =>
    (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(root).flatMap((pid) => identifyProcess(pid) ?? []);
}
