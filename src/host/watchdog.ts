/**
 * Leaves no orphan: a small shell that knows which process groups the runner has started, and ends
 * them when the runner goes away without doing so itself, be it by `kill -9`.
 *
 * It learns of the runner's end by end-of-file on its stdin, which needs nothing of the system and
 * nothing of the applications. (Linux's PR_SET_PDEATHSIG would have to be set inside each child.)
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** Time that applications have to end by themselves after SIGTERM. */
const GRACE_SECONDS = 3;

/**
 * `+ PGID` and `- PGID` on stdin keep the list. Signals to the terminal's group do not reach it (own
 * session). A group is a session leader's pid, so it is not given to a stranger while a member lives. With `n NAME` it is also
 * whatever is in a network namespace, such as `net:[4026532281]`, and with `f PATH` a folder is removed.
 */
const script = `
trap '' INT HUP TERM
groups= network= folder=
while read -r verb what; do
  case $verb in
    +) groups="$groups $what" ;;
    -) kept=; for g in $groups; do [ "$g" = "$what" ] || kept="$kept $g"; done; groups=$kept ;;
    n) network=$what ;;
    f) folder=$what ;;
  esac
done
inside() {
  [ -z "$network" ] && return
  for p in /proc/[0-9]*; do [ "$(readlink "$p/ns/net" 2>/dev/null)" = "$network" ] && echo "\${p#/proc/}"; done
}
end() {
  for g in $groups; do kill -s $1 -- "-$g" 2>/dev/null; done
  for p in $(inside); do kill -s $1 "$p" 2>/dev/null; done
}
left() {
  for g in $groups; do kill -s 0 -- "-$g" 2>/dev/null && return 0; done
  [ -n "$(inside)" ]
}
end TERM
tick=0
while [ $tick -lt ${GRACE_SECONDS}0 ] && left; do tick=$((tick + 1)); sleep 0.1; done
left && end KILL
[ -n "$folder" ] && rm -rf -- "$folder"
`;

export class Watchdog {
  readonly #shell: ChildProcess;

  constructor() {
    this.#shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    // A watchdog that is gone is a lost safety net, not a reason to stop: the runner still ends its children itself.
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {});
    this.#shell.unref();
  }

  /** The pid of the shell, or undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#shell.pid;
  }

  watch(group: number): void {
    this.#shell.stdin?.write(`+ ${group}\n`);
  }

  forget(group: number): void {
    this.#shell.stdin?.write(`- ${group}\n`);
  }

  /** What is in it is ended too. @param namespace as `/proc/PID/ns/net` leads to; absent: none any more */
  watchNetwork(namespace = ''): void {
    this.#shell.stdin?.write(`n ${namespace}\n`);
  }

  /** It is removed when all has ended. */
  watchFolder(path: string): void {
    this.#shell.stdin?.write(`f ${path}\n`);
  }

  /** Ends the shell; whatever is still on its list is ended too. */
  async close(): Promise<void> {
    if (this.#shell.exitCode !== null || this.#shell.signalCode !== null || this.#shell.pid === undefined)
      return;
    const ended = new Promise<void>((resolve) => this.#shell.once('exit', () => resolve()));
    this.#shell.ref();
    this.#shell.stdin?.end();
    await ended;
  }
}
