/**
 * One child process in a session of its own: Ctrl-C at the terminal reaches the runner alone, which
 * then stops its children in order; a signal to the group reaches the child's children too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, rmSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { type HandedSocket, handedVariable } from './inherited-sockets.ts';
import { openLog } from './log-file.ts';
import { readPidFile } from './pid-file.ts';
import { identifyProcess, isAlive, type ProcessIdentity, processGroup } from './process-identity.ts';
import type { Watchdog } from './watchdog.ts';

export interface ChildSpec {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** Where stdout and stderr go. */
  readonly logPath: string;
  /** Written to descriptor 3 of the child, which is then closed: for what must not show in argv or environment. */
  readonly secret?: string;
  /** What it listens on without binding it itself. */
  readonly sockets?: readonly HandedSocket[];
  /** Where it says which process serves: another one of its group may take its place. */
  readonly pidFile?: string;
  /** One has. */
  onSuccessor?(): void;
}

/** How a child ended. */
export interface ChildEnd {
  /** Undefined when a signal ended it, or it could not be started. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Why it could not be started, such as `spawn python3 ENOENT`. */
  readonly error: string | undefined;
  /** Byte of the log at which this run's lines begin. */
  readonly logStart: number;
}

/** How often a process that is no child of ours is looked at. */
const LOOK_MS = 250;

/** Descriptor on which a child finds its secret. */
export const SECRET_FD = 3;

export class Child {
  readonly #process: ChildProcess;
  /** Resolves once, when the process has ended. */
  readonly ended: Promise<ChildEnd>;
  readonly #logStart: number;
  #end: ChildEnd | undefined;
  #identity: ProcessIdentity | undefined;
  readonly #spec: ChildSpec;

  constructor(spec: ChildSpec, watchdog: Watchdog) {
    this.#spec = spec;
    if (spec.pidFile !== undefined) rmSync(spec.pidFile, { force: true });
    const log = openLog(spec.logPath);
    this.#logStart = fstatSync(log).size;
    const [program, ...words] = spec.command;
    const { secret, sockets = [] } = spec;
    const first = SECRET_FD + (secret === undefined ? 0 : 1);
    try {
      this.#process = spawn(program!, words, {
        cwd: spec.workingDirectory,
        env: { ...spec.env, ...handedVariable(sockets, first) },
        detached: true,
        stdio: [
          ...(['ignore', log, log] as const),
          ...(secret === undefined ? [] : (['pipe'] as const)),
          ...sockets.map(({ fd }) => fd),
        ],
      });
    } finally {
      closeSync(log);
    }
    const pid = this.#process.pid;
    if (pid !== undefined) watchdog.watch(pid);
    this.#identity = pid === undefined ? undefined : identifyProcess(pid);
    this.ended = this.#watchEnd(watchdog);
    if (secret !== undefined) this.#handOver(secret);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Of the process that serves; it changes where another one takes its place. */
  get identity(): ProcessIdentity | undefined {
    return this.#identity;
  }

  /** How it ended, or undefined while it runs. */
  get end(): ChildEnd | undefined {
    return this.#end;
  }

  /** Sends a signal to the child and its children. */
  signal(name: NodeJS.Signals): void {
    signalGroup(this.#process.pid, name);
  }

  /** SIGTERM, and SIGKILL after `graceMs`; resolves when it has ended. */
  async stop(graceMs: number): Promise<ChildEnd> {
    if (this.#end === undefined) {
      this.signal('SIGTERM');
      const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
      await this.ended;
      clearTimeout(timer);
    }
    // What the child has started and left behind, such as the server below `npm start`.
    this.signal('SIGKILL');
    return this.ended;
  }

  #watchEnd(watchdog: Watchdog): Promise<ChildEnd> {
    return new Promise((resolve) => {
      const finish = (how: Omit<ChildEnd, 'logStart'>): void => {
        if (this.#end !== undefined) return;
        const end = { ...how, logStart: this.#logStart };
        this.#end = end;
        // The leader is gone, members of its group may not be.
        this.signal('SIGKILL');
        if (this.#process.pid !== undefined) watchdog.forget(this.#process.pid);
        resolve(end);
      };
      this.#process.once('error', (error) =>
        finish({ code: undefined, signal: undefined, error: error.message }),
      );
      this.#process.once('exit', (code, signal) => {
        const end = { code: code ?? undefined, signal: signal ?? undefined, error: undefined };
        void this.#followSuccessors().then((followed) =>
          // How somebody else's child ended is not told to us.
          finish(followed ? { ...end, code: undefined, signal: undefined } : end),
        );
      });
    });
  }

  /** Resolves when nobody serves any more. @returns whether there was another process than the first */
  async #followSuccessors(): Promise<boolean> {
    let followed = false;
    for (let next = this.#successor(); next !== undefined; next = this.#successor()) {
      followed = true;
      this.#identity = next;
      this.#spec.onSuccessor?.();
      while (isAlive(next)) await wait(LOOK_MS);
    }
    return followed;
  }

  #successor(): ProcessIdentity | undefined {
    const { pidFile } = this.#spec;
    const pid = pidFile === undefined ? undefined : readPidFile(pidFile);
    if (pid === undefined || pid === this.#identity?.pid) return undefined;
    return processGroup(pid) === this.#process.pid ? identifyProcess(pid) : undefined;
  }

  #handOver(secret: string): void {
    const pipe = this.#process.stdio[SECRET_FD] as Writable | undefined;
    // A child that ends before it has read is seen by its end.
    pipe?.on('error', () => {});
    pipe?.end(secret);
  }
}

/** Signals a whole process group; one that is gone is as well as signalled. */
export function signalGroup(group: number | undefined, name: NodeJS.Signals): void {
  if (group === undefined) return;
  try {
    process.kill(-group, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** `exit code 1`, `SIGKILL` or why it did not start. */
export function describeEnd({ code, signal, error }: ChildEnd): string {
  return error ?? (signal !== undefined ? signal : `exit code ${code ?? '?'}`);
}
