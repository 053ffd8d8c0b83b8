/** The last words of connections whose processes have ended: their peers hear them only while there is a network. */
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

/** States of `net/tcp_states.h` whose FIN nobody has acknowledged: FIN_WAIT1, LAST_ACK and CLOSING. */
const unheard = new Set(['04', '09', '0B']);
const ASK_EVERY_MS = 10;

/**
 * Resolves when the peers of a network namespace have heard the end of what has ended there, after `timeoutMs`
 * at the latest. Taken down before, the kernel drops what is under way, and a peer keeps its connection for good.
 *
 * @param pid of a process in that namespace
 */
export async function farewellsHeard(pid: number, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while ((await isSaying(pid)) && performance.now() < deadlineMs) await wait(ASK_EVERY_MS);
}

async function isSaying(pid: number): Promise<boolean> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => table(`/proc/${pid}/net/${name}`)));
  return tables.some((text) => hasUnheardEnds(text));
}

/** @param table as in `proc_pid_net(5)`; empty where there is none */
export function hasUnheardEnds(table: string): boolean {
  const [, ...lines] = table.trimEnd().split('\n');
  return lines.some((line) => unheard.has(line.trim().split(/\s+/)[3] ?? ''));
}

const table = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');
