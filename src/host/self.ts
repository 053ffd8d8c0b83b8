/** How this program starts itself again: the same Node, the same bundle, snapshot or source. */
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Commands that run a proxy, by a bundle of their own (`scripts/lean-bundle.mjs`). `bin/heddle` has the same. */
const proxyVerbs: readonly string[] = ['proxy', 'sidecar', 'gateway'];

/** For Node; as in `scripts/proxy-flags.mjs` and `bin/heddle`. */
const proxyFlags: readonly string[] = [
  '--expose-gc',
  '--no-memory-reducer',
  '--memory-pool-timeout=1',
  '--use-openssl-ca',
  '--bytecode-old-age=1',
  '--flush-baseline-code',
  '--regexp-tier-up-ticks=100',
  '--single-threaded-gc',
  '--max-semi-space-size=4',
  '--page-promotion-threshold=30',
  '--initial-old-space-size=32',
  '--heap-growing-percent=150',
];

const giverVerb = 'socket-giver';
/** It has little to remember and nothing to compile. */
const giverFlags: readonly string[] = ['--single-threaded', '--max-semi-space-size=1'];

/** The words that start `heddle VERB`; its arguments follow. */
export function heddleCommand(verb: string): readonly string[] {
  // What is built into `dist/` says how it was started; otherwise the source runs by itself.
  const { heddleSelf } = globalThis as { readonly heddleSelf?: readonly string[] };
  const { execPath } = process;
  if (heddleSelf === undefined) {
    return [execPath, fileURLToPath(new URL('../app/main.ts', import.meta.url)), verb];
  }
  const bundle = (name: string): string => fileURLToPath(new URL(`./${name}.cjs`, import.meta.url));
  if (verb === giverVerb) return [execPath, ...giverFlags, bundle('heddle-giver'), verb];
  if (!proxyVerbs.includes(verb)) return [execPath, ...heddleSelf, verb];
  return [execPath, ...proxyFlags, bundle('heddle-proxy'), verb];
}

/** Environment of a proxy: glibc keeps less for threads that hardly allocate, and gives back what is free. */
export const proxyEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};

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

/** `PATH` as it was before `bin/heddle` has put the folder of its Node there: for programs that are not ours. */
export function pathBeforeStart(path: string | undefined): string | undefined {
  const own = `${dirname(process.execPath)}${delimiter}`;
  return 'heddleSelf' in globalThis && path?.startsWith(own) ? path.slice(own.length) : path;
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
