/** Whether this machine lets us make network namespaces, and if not, why and what to do. Linux only. */
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { complaintOf, run } from './run.ts';
import { bindScript, bindWords, lookupFiles } from './seen-files.ts';

/** Programs by name, and whether it takes a user namespace of our own. */
export interface NamespaceMeans {
  /** `root`: the user may make them directly; `user`: inside a user namespace, in which the user is root. */
  readonly kind: 'root' | 'user';
  /** Path of each program. */
  readonly programs: Readonly<Record<Program, string>>;
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
  nft: 'nftables',
} as const;
export type Program = keyof typeof needed;

/** Where administrators' programs are, which `PATH` of others may leave out. */
const moreFolders: readonly string[] = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/** How a reason begins where a kernel has no IPv6, or has it turned off. */
const NO_IPV6 = 'no IPv6';

/**
 * All that will be asked of the kernel, in namespaces that are gone with the shell. Each file is bound over itself:
 * what may not be bound over shows.
 */
const trial = `set -e
"$IP" link add heddle0 type bridge
"$IP" link add heddle1 type veth peer name heddle2
said=$("$IP" address add fd48::1/64 dev heddle1 nodad 2>&1) || { echo "${NO_IPV6}: $said" >&2; exit 1; }
"$NFT" -f - <<'RULES'
table inet heddle {
  chain out {
    type nat hook output priority -100
    meta mark 1 return
    meta l4proto tcp redirect to :1
  }
}
RULES
${bindScript}
`;

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
  const found = findPrograms(environment.PATH ?? '', Object.keys(needed) as Program[]);
  if (!found.ok) return found;
  const { programs } = found;
  const failures: string[] = [];
  const kinds = process.getuid?.() === 0 ? (['root', 'user'] as const) : (['user'] as const);
  for (const kind of kinds) {
    const means = { kind, programs };
    const env = { PATH: environment.PATH ?? '', IP: programs.ip, NFT: programs.nft };
    const words = bindWords(
      programs.mount,
      Object.values(lookupFiles).map((file) => ({ file, at: file })),
    );
    const result = await run([...unshareCommand(means), 'sh', '-c', trial, ...words], { env });
    if (result.code === 0) return { ok: true, means };
    failures.push(complaintOf(result).split('\n')[0]!);
  }
  const reason = failures.at(-1)!;
  return { ok: false, reason, remedy: remedyOf(reason) };
}

/** Makes a network and a mount namespace, and runs what follows in them. */
export function unshareCommand({ kind, programs }: NamespaceMeans): string[] {
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

/** @param path as the variable `PATH` */
export function findPrograms<P extends Program>(
  path: string,
  wanted: readonly P[],
):
  | { readonly ok: true; readonly programs: Readonly<Record<P, string>> }
  | ({ readonly ok: false } & NoNamespaces) {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...moreFolders];
  const programs: Partial<Record<P, string>> = {};
  const missing: P[] = [];
  for (const name of wanted) {
    const file = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
    if (file === undefined) missing.push(name);
    else programs[name] = file;
  }
  if (missing.length === 0) return { ok: true, programs: programs as Record<P, string> };
  const packages = [...new Set(missing.map((name) => needed[name]))];
  return {
    ok: false,
    reason: `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not installed`,
    remedy: `install ${packages.join(' ')}`,
  };
}

function remedyOf(reason: string): string {
  if (reason.startsWith(NO_IPV6))
    return 'use a kernel with IPv6, started without ipv6.disable=1 and ipv6.disable_ipv6=1';
  const commands = forbidding.flatMap(([file, value, command]) => (setting(file) === value ? [command] : []));
  if (commands.length > 0) return `as root: ${commands.join(' && ')}`;
  return 'allow user namespaces for this user (user_namespaces(7)) and load the modules bridge, veth and nf_tables';
}

function setting(file: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${file}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
