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
 * session). A group is a session leader's pid, so it is not given to a stranger while a member lives.
 */
const script = `
trap '' INT HUP TERM
groups=
while read -r verb group; do
  case $verb in
    +) groups="$groups $group" ;;
    -) kept=; for g in $groups; do [ "$g" = "$group" ] || kept="$kept $g"; done; groups=$kept ;;
  esac
done
[ -z "$groups" ] && exit 0
for g in $groups; do kill -s TERM -- "-$g" 2>/dev/null; done
tick=0
while [ $tick -lt ${GRACE_SECONDS}0 ]; do
  alive=
  for g in $groups; do kill -s 0 -- "-$g" 2>/dev/null && alive="$alive $g"; done
  [ -z "$alive" ] && exit 0
  tick=$((tick + 1)); sleep 0.1
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
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
