/**
 * Volumes in the mount namespace of one container, at paths that this machine need not have.
 *
 * Nothing is written on the machine's disk, and there need be no right to: where a path is missing, the nearest folder
 * that is there is covered, in this namespace alone, by one in memory that has all of the machine's entries bound into
 * it, and the missing ones beside them. What a container then writes directly into such a folder is its own and goes
 * with it, as in an image's file system; below the bound entries it is the machine's as before. (An overlay would show
 * later changes of the covered folder too, but not what is mounted in it, and not every kernel has one.)
 */
import { existsSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Namespace } from './namespace.ts';

export interface ContainerMount {
  /** What is mounted, relative to the folder of volumes. */
  readonly source: string;
  /** Absolute. */
  readonly at: string;
  readonly readOnly: boolean;
  /** Whether what has to be mounted inside it gets a folder there. */
  readonly takesFolders: boolean;
}

export interface ContainerMounts {
  /** That all sources are in. */
  readonly folder: string;
  readonly mounts: readonly ContainerMount[];
  /** A folder of the machine that has to be there, whatever is mounted above it. */
  readonly keep: string;
}

/** A folder that has to be covered, and what it lacks. */
interface Cover {
  readonly folder: string;
  /** Relative to it. */
  readonly missing: readonly { readonly path: string; readonly isFolder: boolean }[];
}

/** Where covers are made: no volume is called so. */
const STAGE = '.cover';

/** @throws with what cannot be mounted, and why */
export async function mountVolumes(
  namespace: Namespace,
  mount: string,
  wanted: ContainerMounts,
): Promise<void> {
  const plan = planMounts(wanted);
  const stage = join(wanted.folder, STAGE);
  if (plan.covers.length > 0) mkdirSync(stage, { recursive: true });
  const isRoot = ({ folder }: Cover): boolean => folder === '/';
  const root = plan.covers.filter(isRoot);
  // Only who comes in after that finds another root.
  if (root.length > 0) await namespace.do(['sh', '-e'], coverScript(root[0]!, stage, mount));
  const covers = plan.covers
    .filter((cover) => !isRoot(cover))
    .map((cover) => coverScript(cover, stage, mount));
  const script = [
    ...covers,
    `cd ${quoted(wanted.folder)}`,
    ...plan.mounts.map((one) => mountScript(one, mount)),
  ];
  await namespace.do(['sh', '-e'], script.join('\n'));
}

interface MountStep extends ContainerMount {
  /** Bound into the source first: what it would hide. */
  readonly keep: { readonly from: string; readonly at: string } | undefined;
}

/** Looks at the machine's folders, which are those of the namespace, and makes places inside of volumes. */
function planMounts({ folder, mounts, keep }: ContainerMounts): {
  /** Outer ones first. */
  readonly covers: readonly Cover[];
  readonly mounts: readonly MountStep[];
} {
  const missing = new Map<string, Cover['missing'][number][]>();
  const steps: MountStep[] = [];
  for (const mount of mounts.toSorted((a, b) => a.at.length - b.at.length)) {
    const isFolder = statSync(join(folder, mount.source)).isDirectory();
    const outer = steps.findLast((step) => isBelow(mount.at, step.at));
    if (outer !== undefined) placeInside(folder, outer, mount.at, isFolder);
    else if (!existsSync(mount.at)) {
      const lack = lackOf(mount.at);
      missing.set(lack.folder, [...(missing.get(lack.folder) ?? []), { path: lack.path, isFolder }]);
    } else if (statSync(mount.at).isDirectory() !== isFolder) {
      const [it, volume] = isFolder ? ['a file', 'a folder'] : ['a folder', 'a file'];
      throw new Error(`${mount.at} is ${it} here, and what is to be mounted there ${volume}`);
    }
    steps.push({ ...mount, keep: keepOf(folder, mount, keep) });
  }
  const covers = [...missing].map(([cover, paths]): Cover => ({ folder: cover, missing: paths }));
  return { covers: covers.sort((a, b) => a.folder.length - b.folder.length), mounts: steps };
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** The nearest folder that is there, by no link, and what is missing in it. */
function lackOf(path: string): { readonly folder: string; readonly path: string } {
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  return { folder: realpathSync(folder), path: relative(folder, path) };
}

/** In a volume whose files are given there is no place but theirs. */
function placeInside(folder: string, outer: ContainerMount, at: string, isFolder: boolean): void {
  const place = join(folder, outer.source, at.slice(outer.at.length + 1));
  if (existsSync(place)) return;
  if (!outer.takesFolders || !isFolder) throw new Error(`the volume at ${outer.at} has no place for ${at}`);
  mkdirSync(place, { recursive: true });
}

function keepOf(folder: string, mount: ContainerMount, keep: string): MountStep['keep'] {
  if (!isBelow(keep, mount.at) || !existsSync(keep)) return undefined;
  placeInside(folder, mount, keep, true);
  return { from: keep, at: join(mount.source, keep.slice(mount.at.length + 1)) };
}

/**
 * Paths are what they are (`-c`), and nothing is noted in files of the machine (`-n`). Entries that have gone in the
 * meantime are left out (64 says that some could not be mounted).
 */
function coverScript({ folder, missing }: Cover, stage: string, mount: string): string {
  const entries = readdirSync(folder, { withFileTypes: true });
  const inStage = (names: readonly string[]): string =>
    names.map((name) => quoted(join(stage, name))).join(' ');
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const links = entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name);
  const files = entries
    .filter((entry) => !entry.isDirectory() && !entry.isSymbolicLink())
    .map(({ name }) => name);
  const table = [...folders, ...files].map(
    (name) => `${tableWord(join(folder, name))} ${tableWord(join(stage, name))} none rbind 0 0`,
  );
  const mode = (statSync(folder).mode & 0o7777).toString(8);
  const made = missing.map(({ path, isFolder }) => {
    const place = join(stage, path);
    return isFolder ? `mkdir -p ${quoted(place)}` : `mkdir -p ${quoted(dirname(place))}; : >${quoted(place)}`;
  });
  return [
    `mount=${quoted(mount)}`,
    `"$mount" -n -t tmpfs -o mode=${mode} tmpfs ${quoted(stage)}`,
    // A folder that is bound into it may be the one that it is in.
    `"$mount" -n --make-unbindable ${quoted(stage)}`,
    ...(folders.length === 0 ? [] : [`mkdir ${inStage(folders)}`]),
    ...files.map((name) => `: >${quoted(join(stage, name))}`),
    ...(links.length === 0
      ? []
      : [`cp -P ${links.map((name) => quoted(join(folder, name))).join(' ')} ${quoted(stage)} || :`]),
    `cat >${quoted(`${stage}.table`)} <<'END'`,
    ...table,
    'END',
    `"$mount" -n -a -T ${quoted(`${stage}.table`)} || [ $? -eq 64 ]`,
    ...made,
    `"$mount" -n --move ${quoted(stage)} ${quoted(folder)}`,
  ].join('\n');
}

/** Once it is mounted, its flags may only be made stricter: those that the machine may have set are set too. */
function mountScript({ source, at, readOnly, keep }: MountStep, mount: string): string {
  const [program, from, to] = [mount, `./${source}`, at].map(quoted);
  const strict = `${program} -n -o remount,bind,ro,nosuid,nodev`;
  return [
    ...(keep === undefined
      ? []
      : [`${program} -n -c --rbind ${quoted(keep.from)} ${quoted(`./${keep.at}`)}`]),
    `${program} -n -c --rbind ${from} ${to}`,
    ...(readOnly ? [`${strict} ${to} 2>/dev/null || ${strict},noexec ${to}`] : []),
  ].join('\n');
}

/** A word of a shell's. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A word of a table of mounts (fstab(5)). */
function tableWord(word: string): string {
  return word.replaceAll(/[\\\s#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
