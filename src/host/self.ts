/** How this program starts itself again: the same Node, the same bundle, snapshot or source. */
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The words that start `heddle`; a command and its arguments follow. */
export function heddleCommand(): readonly string[] {
  // What is built into `dist/` says how it was started; otherwise the source runs by itself.
  const { heddleSelf } = globalThis as { readonly heddleSelf?: readonly string[] };
  return [process.execPath, ...(heddleSelf ?? [fileURLToPath(new URL('../app/main.ts', import.meta.url))])];
}

/** The folder that holds the program: the checkout, or the installed package. */
export function programFolder(): string {
  const built = 'heddleSelf' in globalThis;
  return fileURLToPath(new URL(built ? '..' : '../..', import.meta.url));
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
