/** Files of this machine that a mount namespace shows as others, by binding those over them. */

export interface SeenFile {
  /** What is seen. */
  readonly file: string;
  /** Where it is seen; left out where this machine has no such file. */
  readonly at: string;
}

/** By which names are looked up (nsswitch.conf(5), resolv.conf(5)). */
export const lookupFiles = { order: '/etc/nsswitch.conf', resolvers: '/etc/resolv.conf' } as const;

/** For `sh -ec`, with {@link bindWords}. A link is followed: the file it leads to is the one that programs open. */
export const bindScript: string =
  'while [ $# -gt 0 ]; do [ -e "$2" ] && "$0" --bind "$1" "$(readlink -f "$2")"; shift 2; done; true';

/** @param mount path of the program */
export function bindWords(mount: string, seen: readonly SeenFile[]): string[] {
  return [mount, ...seen.flatMap(({ file, at }) => [file, at])];
}

/** Words before a command by which it alone sees one more file, in mounts of its own. @param unshare begins those */
export function seeingWords(unshare: readonly string[], mount: string, { file, at }: SeenFile): string[] {
  const script = '[ -e "$2" ] && "$0" --bind "$1" "$(readlink -f "$2")"; shift 2; exec "$@"';
  return [...unshare, '/bin/sh', '-ec', script, mount, file, at];
}
