/** The tools that tell the kernel what to do with packets: nft(8), and where it is not there iptables(8). */
import { existsSync } from 'node:fs';
import { type Family, iptablesText } from './iptables-text.ts';
import { nftScript } from './nft-script.ts';
import type { Ruleset } from './packet-rules.ts';
import { programPath } from './program-path.ts';
import { complaintOf, run } from './run.ts';

export type PacketFilter = Nft | Iptables;

export interface Nft {
  readonly kind: 'nft';
  /** Path. */
  readonly nft: string;
}

/** Both speak the same; what is told to one the other does not show. */
export interface Iptables {
  readonly kind: 'iptables-nft' | 'iptables-legacy';
  /** Paths, by family. */
  readonly restore: ByFamily;
  readonly save: ByFamily;
}

interface ByFamily {
  readonly 4: string;
  readonly 6: string;
}

/** What is to be installed where neither is there. */
export const filterPrograms = 'nft (or iptables-restore, with ip6tables-restore)';
export const filterPackages = 'nftables (or iptables)';

/** Of this kernel: one without IPv6 has no rules for it. */
export function ipFamilies(): Family[] {
  return existsSync('/proc/net/if_inet6') ? [4, 6] : [4];
}

/** Of rules for a whole namespace. */
const TABLE = 'heddle';

/** That are there, whether they work or not, in the order in which they are to be tried. @param path as `PATH` */
export async function findFilters(path: string): Promise<PacketFilter[]> {
  const nft = programPath(path, 'nft');
  const all: PacketFilter[] = nft === undefined ? [] : [{ kind: 'nft', nft }];
  // One of the latter two is what the first is, where both are there.
  for (const name of ['', '-nft', '-legacy']) {
    const found = await findIptables(path, name);
    if (found !== undefined && !all.some(({ kind }) => kind === found.kind)) all.push(found);
  }
  return all;
}

async function findIptables(path: string, name: string): Promise<Iptables | undefined> {
  const pair = (verb: string): ByFamily | undefined => {
    const [v4, v6] = ['iptables', 'ip6tables'].map((program) =>
      programPath(path, `${program}${name}-${verb}`),
    );
    return v4 === undefined || v6 === undefined ? undefined : { 4: v4, 6: v6 };
  };
  const [restore, save] = [pair('restore'), pair('save')];
  if (restore === undefined || save === undefined) return undefined;
  const { stdout } = await run([save[4], '--version']);
  return { kind: stdout.includes('nf_tables') ? 'iptables-nft' : 'iptables-legacy', restore, save };
}

/** Legacy iptables keeps one lock for all namespaces, which others than root may not have; ours need none: it is its own. */
const withoutLock = ['/usr/bin/env', 'XTABLES_LOCKFILE=/proc/self/cmdline'];

export interface Loading {
  readonly command: readonly string[];
  /** Of its standard input. */
  readonly input: string;
}

/**
 * What puts rules in force in a network namespace of our own, in the place of those that were there.
 *
 * @throws where the tool cannot say one of them
 */
export function loadingOf(filter: PacketFilter, rules: Ruleset): Loading[] {
  if (filter.kind === 'nft') {
    return [{ command: [filter.nft, '-f', '-'], input: nftScript(rules, TABLE) }];
  }
  return ipFamilies().map((family) => ({
    command: [...withoutLock, filter.restore[family]],
    input: iptablesText(rules, family),
  }));
}

/**
 * Puts rules in force where nobody has use of them.
 *
 * @param unshare words that run what follows in a network namespace of its own
 * @returns why it cannot be done, in one line; undefined where it can
 */
export async function tryRules(
  unshare: readonly string[],
  filter: PacketFilter,
  rules: Ruleset,
): Promise<string | undefined> {
  let all: Loading[];
  try {
    all = loadingOf(filter, rules);
  } catch (error) {
    return (error as Error).message;
  }
  const lines = all.map(({ command }, at) => `printf %s "$${at + 1}" | ${command.map(shellWord).join(' ')}`);
  const script = ['set -e', ...lines].join('\n');
  const result = await run([...unshare, '/bin/sh', '-c', script, 'sh', ...all.map(({ input }) => input)]);
  if (result.code === 0) return undefined;
  // That of iptables begins with its version alone.
  const complaint = complaintOf(result)
    .split('\n')
    .slice(0, filter.kind === 'nft' ? 1 : 2);
  return complaint.map((line) => line.trim()).join(' ');
}

/**
 * The first that nothing is said against.
 *
 * @param complaint of one tool; undefined where it works
 * @returns else what each says
 */
export async function firstWorking(
  filters: readonly PacketFilter[],
  complaint: (filter: PacketFilter) => Promise<string | undefined>,
): Promise<
  { readonly ok: true; readonly filter: PacketFilter } | { readonly ok: false; readonly reason: string }
> {
  const said: string[] = [];
  for (const filter of filters) {
    const why = await complaint(filter);
    if (why === undefined) return { ok: true, filter };
    said.push(`${filter.kind}: ${why}`);
  }
  return { ok: false, reason: said.join('; ') };
}

const shellWord = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
