/** How this program starts itself again: the same Node, the same bundle, snapshot or source. */
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';

/** Options of Node that belong to one process only: an inspector's port, a test run, a profile. */
const notInherited = /^--(inspect|test|watch|cpu-prof|heap-prof|prof|report|eval|print|import=.*test)/;

/** The words that start `heddle`; a command and its arguments follow. */
export function heddleCommand(): readonly string[] {
  const entry = process.argv[1];
  if (entry === undefined) throw new Error('started without a file: cannot start itself again');
  return [process.execPath, ...process.execArgv.filter((word) => !notInherited.test(word)), entry];
}

/** `PATH` with the folder of this Node first, so that `node` in what we start is the Node we run. */
export function pathWithNode(path: string | undefined): string {
  const own = dirname(process.execPath);
  const others = (path ?? '').split(delimiter).filter((folder) => folder !== '' && folder !== own);
  return [own, ...others].join(delimiter);
}

/** The lowest port a process without privileges may bind (Linux: `net.ipv4.ip_unprivileged_port_start`). */
export function lowestBindablePort(): number {
  if (process.getuid?.() === 0 || process.platform === 'darwin') return 1;
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  } catch {
    return 1024;
  }
}
