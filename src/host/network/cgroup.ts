/**
 * Cgroups of version 2 as rules for packets name them: by their path in the hierarchy. The kernel looks up once, when it
 * takes the rule, which one that is; one that is made anew at the same path is another, with another id.
 */
import { type BigIntStats, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { processesListeningOn } from '../listening.ts';
import { capturePorts } from './capture-rules.ts';
import type { PacketFilter } from './packet-filter.ts';

export interface Cgroup {
  /** Below the root of the hierarchy, without `/` at its ends, such as `system.slice/shop.service`. */
  readonly path: string;
  /** Of the kernel. */
  readonly id: string;
  /** Why a tool does not find it; undefined where it does. */
  hiddenFrom(filter: PacketFilter['kind']): string | undefined;
}

export interface NoCgroup {
  readonly reason: string;
  readonly remedy: string;
}

interface Mount {
  readonly at: string;
  readonly type: 'cgroup' | 'cgroup2';
}

/** Where nft(8) looks, and nowhere else. */
const USUAL = '/sys/fs/cgroup';
/** Of the machine; a container may have another (PROC_CGROUP_INIT_INO of the kernel). */
const FIRST_NAMESPACE = 'cgroup:[4026531835]';

/** @param given its folder, or its path in the hierarchy, as `/proc/PID/cgroup` has it */
export function findCgroup(
  given: string,
): { readonly ok: true; readonly cgroup: Cgroup } | ({ readonly ok: false } & NoCgroup) {
  const no = (reason: string, remedy: string) => ({ ok: false, reason, remedy }) as const;
  if (readlinkSync('/proc/self/ns/cgroup') !== FIRST_NAMESPACE) {
    return no(
      'this is a cgroup namespace, such as a container has: which cgroup a path in it means, kernels do not agree on',
      'run it on the machine itself',
    );
  }
  const mounts = cgroupMounts();
  const old = mounts.find(({ type, at }) => type === 'cgroup' && isBelow(given, at));
  if (old !== undefined) {
    return no(
      `${given} is a cgroup of version 1 (${old.at}): by net_cls, which it had for this, nothing is captured`,
      'name a cgroup of version 2: the line of /proc/PID/cgroup that begins with 0::',
    );
  }
  const mount = mountOf(mounts, given);
  if (mount === undefined) {
    return no(
      'no cgroup v2 is mounted',
      `mount it: mount -t cgroup2 none ${USUAL}, or start the kernel with systemd.unified_cgroup_hierarchy=1`,
    );
  }
  const path = pathIn(mount, given);
  if (path.length === 0) {
    return no(
      'the root cgroup has all processes in it, and its sidecar too',
      'put the application into one of its own',
    );
  }
  if (path.some((part) => part === '.' || part === '..' || /[\n"]/.test(part))) {
    return no(`${JSON.stringify(given)} is no path of a cgroup`, 'write it as system.slice/shop.service');
  }
  const folder = join(mount.at, ...path);
  const stat = statOf(folder);
  if (stat === undefined) {
    return no(
      `there is no cgroup ${path.join('/')}: ${folder} is no folder`,
      'a cgroup is there as long as its service runs; systemctl show -p ControlGroup NAME says where',
    );
  }
  const found = { path: path.join('/'), id: String(stat.ino), hiddenFrom: hiding(mount) };
  const sidecar = processesListeningOn([capturePorts.outbound, capturePorts.inbound]).find((pid) =>
    isIn(found.path, pid),
  );
  if (sidecar === undefined) return { ok: true, cgroup: found };
  return no(
    `the sidecar itself (process ${sidecar}, which listens on 15001 or 15006) is in the cgroup ${found.path}`,
    'run the sidecar as a service of its own, beside the cgroup of the application',
  );
}

/** In the hierarchy, of one that need not be there any more. @param given its folder, or that path */
export function cgroupPath(given: string): string {
  const mount = mountOf(cgroupMounts(), given);
  if (mount !== undefined && isBelow(given, mount.at)) return pathIn(mount, given).join('/');
  // It may have been mounted there before.
  return pathIn(undefined, given.replace(/^\/sys\/fs\/cgroup\/(?:unified\/)?/, '')).join('/');
}

/** Why the cgroup that rules were made for is not the one that is at its path; undefined where it is. */
export function whyStale(path: string, id: string): string | undefined {
  const mount = mountOf(cgroupMounts(), path);
  if (mount === undefined)
    return 'no cgroup v2 is mounted any more: nobody knows whether it is the same cgroup';
  const stat = statOf(join(mount.at, path));
  const again = 'run heddle capture install again when the application has been started';
  if (stat === undefined) return `the cgroup ${path} has been removed: ${again}`;
  if (String(stat.ino) === id) return undefined;
  return `the cgroup ${path} has been removed and made anew, and the rules are for the one before: ${again}`;
}

function hiding({ at }: Mount): Cgroup['hiddenFrom'] {
  return (filter) =>
    filter !== 'nft' || at === USUAL
      ? undefined
      : `it finds cgroups below ${USUAL} alone, and cgroup v2 is mounted at ${at} (have it there: start the kernel with systemd.unified_cgroup_hierarchy=1; or install iptables, which asks the kernel)`;
}

/** That are to be seen: others may be mounted over them. What shows a part of the hierarchy has it at other paths. */
function cgroupMounts(): Mount[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const [before, after] = line.split(' - ');
    const [, , device, root, place] = before!.split(' ');
    const [type] = after!.split(' ');
    const at = unescaped(place!);
    if ((type !== 'cgroup' && type !== 'cgroup2') || root !== '/') return [];
    return device === deviceOf(at) ? [{ at, type }] : [];
  });
}

/** As `major:minor`; undefined where there is no such folder. */
function deviceOf(folder: string): string | undefined {
  const dev = statOf(folder)?.dev;
  if (dev === undefined) return undefined;
  // As makedev(3) puts them together.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn & 0xffffffffn);
  return `${major}:${minor}`;
}

/** Spaces and the like (proc_pid_mountinfo(5)). */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** That a path is seen in; the usual one where it is a path in the hierarchy. */
function mountOf(mounts: readonly Mount[], given: string): Mount | undefined {
  const all = mounts.filter(({ type }) => type === 'cgroup2');
  return all.find(({ at }) => isBelow(given, at)) ?? all.find(({ at }) => at === USUAL) ?? all[0];
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function pathIn(mount: Mount | undefined, given: string): string[] {
  const path = mount !== undefined && isBelow(given, mount.at) ? given.slice(mount.at.length) : given;
  return path.split('/').filter((part) => part !== '');
}

function statOf(folder: string): BigIntStats | undefined {
  const stat = statSync(folder, { bigint: true, throwIfNoEntry: false });
  return stat?.isDirectory() ? stat : undefined;
}

/** Or in one below. */
function isIn(path: string, pid: number): boolean {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return false;
  }
  const own = /^0::\/(.*)$/m.exec(text)?.[1];
  return own !== undefined && isBelow(own, path);
}
