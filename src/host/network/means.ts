/** Whether this machine lets us make network namespaces, and if not, why and what to do. Linux only. */
import { readFileSync } from 'node:fs';
import { captureRules } from './capture-rules.ts';
import {
  filterPackages,
  filterPrograms,
  findFilters,
  firstWorking,
  type PacketFilter,
  tryRules,
} from './packet-filter.ts';
import { programPath } from './program-path.ts';
import { complaintOf, run } from './run.ts';
import { bindScript, bindWords, lookupFiles } from './seen-files.ts';

/** Programs by name, and whether it takes a user namespace of our own. */
export interface NamespaceMeans {
  /** `root`: the user may make them directly; `user`: inside a user namespace, in which the user is root. */
  readonly kind: 'root' | 'user';
  /** Path of each program. */
  readonly programs: Readonly<Record<Program, string>>;
  /** By which the kernel is told what to do with packets: the first that works. */
  readonly filter: PacketFilter;
}

export interface NoNamespaces {
  readonly reason: string;
  readonly remedy: string;
}

const needed = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  ip: 'iproute2',
} as const;
export type Program = keyof typeof needed;

/** How a reason begins where a kernel has no IPv6, or has it turned off. */
const NO_IPV6 = 'no IPv6';

/**
 * What will be asked of the kernel but for rules, in namespaces that are gone with the shell. Each file is bound over
 * itself: what may not be bound over shows.
 */
const trial = `set -e
"$IP" link add heddle0 type bridge
"$IP" link add heddle1 type veth peer name heddle2
said=$("$IP" address add fd48::1/64 dev heddle1 nodad 2>&1) || { echo "${NO_IPV6}: $said" >&2; exit 1; }
${bindScript}
`;

/** Rules as a Pod has them. */
const trialRules = captureRules({
  mode: 'REDIRECT',
  includeInboundPorts: '*',
  excludeInboundPorts: [],
  includeOutbound: '*',
  excludeOutbound: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  excludeInterfaces: [],
  dns: true,
});

/** Settings that forbid user namespaces, and what allows them. */
const forbidding: readonly (readonly [file: string, value: string, remedy: string])[] = [
  [
    'kernel/apparmor_restrict_unprivileged_userns',
    '1',
    'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ],
  ['kernel/unprivileged_userns_clone', '0', 'sysctl -w kernel.unprivileged_userns_clone=1'],
  ['user/max_user_namespaces', '0', 'sysctl -w user.max_user_namespaces=15000'],
];

export async function findNamespaceMeans(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly ok: true; readonly means: NamespaceMeans } | ({ readonly ok: false } & NoNamespaces)> {
  if (process.platform !== 'linux') {
    return {
      ok: false,
      reason: `${process.platform} has no network namespaces`,
      remedy: 'use Linux, or a Linux VM',
    };
  }
  const path = environment.PATH ?? '';
  const filters = await findFilters(path);
  const found = findPrograms(path, Object.keys(needed) as Program[], filters.length > 0);
  if (!found.ok) return found;
  const { programs } = found;
  let failure: NoNamespaces | undefined;
  const kinds = process.getuid?.() === 0 ? (['root', 'user'] as const) : (['user'] as const);
  for (const kind of kinds) {
    const unshare = unshareCommand({ kind, programs });
    const words = bindWords(
      programs.mount,
      Object.values(lookupFiles).map((file) => ({ file, at: file })),
    );
    const result = await run([...unshare, 'sh', '-c', trial, ...words], {
      env: { PATH: path, IP: programs.ip },
    });
    if (result.code !== 0) {
      const reason = complaintOf(result).split('\n')[0]!;
      failure = { reason, remedy: remedyOf(reason) };
      continue;
    }
    const chosen = await firstWorking(filters, (filter) => tryRules(unshare, filter, trialRules));
    if (chosen.ok) return { ok: true, means: { kind, programs, filter: chosen.filter } };
    failure = { reason: chosen.reason, remedy: filterRemedy(filters) };
  }
  return { ok: false, ...failure! };
}

/** Makes a network and a mount namespace, and runs what follows in them. */
export function unshareCommand({ kind, programs }: Pick<NamespaceMeans, 'kind' | 'programs'>): string[] {
  return [
    programs.unshare,
    ...(kind === 'user' ? ['--user', '--map-root-user'] : []),
    ...['--net', '--mount', '--propagation', 'private', '--'],
  ];
}

/** Makes a mount namespace alone, by who has the right to. */
export function unshareMountsCommand({ programs }: NamespaceMeans): string[] {
  return [programs.unshare, '--mount', '--propagation', 'private', '--'];
}

/**
 * @param path as the variable `PATH`
 * @param hasFilter whether there is a tool for rules, which is asked for otherwise
 */
export function findPrograms<P extends Program>(
  path: string,
  wanted: readonly P[],
  hasFilter: boolean,
):
  | { readonly ok: true; readonly programs: Readonly<Record<P, string>> }
  | ({ readonly ok: false } & NoNamespaces) {
  const programs: Partial<Record<P, string>> = {};
  const missing: string[] = [];
  const packages = new Set<string>();
  for (const name of wanted) {
    const file = programPath(path, name);
    if (file !== undefined) {
      programs[name] = file;
      continue;
    }
    missing.push(name);
    packages.add(needed[name]);
  }
  if (!hasFilter) {
    missing.push(filterPrograms);
    packages.add(filterPackages);
  }
  if (missing.length === 0) return { ok: true, programs: programs as Record<P, string> };
  return {
    ok: false,
    reason: `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not installed`,
    remedy: `install ${[...packages].join(' ')}`,
  };
}

function remedyOf(reason: string): string {
  if (reason.startsWith(NO_IPV6))
    return 'use a kernel with IPv6, started without ipv6.disable=1 and ipv6.disable_ipv6=1';
  const commands = forbidding.flatMap(([file, value, command]) => (setting(file) === value ? [command] : []));
  if (commands.length > 0) return `as root: ${commands.join(' && ')}`;
  return 'allow user namespaces for this user (user_namespaces(7)) and load the modules bridge and veth';
}

/** Where none of the tools that are there works. */
function filterRemedy(filters: readonly PacketFilter[]): string {
  const kinds = filters.map(({ kind }) => kind);
  const modules = [
    ...(kinds.some((kind) => kind !== 'iptables-legacy') ? ['nf_tables, nft_chain_nat and nft_redir'] : []),
    ...(kinds.some((kind) => kind !== 'nft') ? ['iptable_nat, ip6table_nat and xt_REDIRECT'] : []),
  ];
  const other = kinds.includes('nft') ? 'iptables' : 'nftables';
  const install = kinds.includes('nft') && kinds.length > 1 ? '' : `, or install ${other}`;
  return `load the modules ${modules.join(', or ')} (modprobe(8))${install}`;
}

function setting(file: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${file}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
