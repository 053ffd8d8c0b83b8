/**
 * One child process in a session of its own: Ctrl-C at the terminal reaches the runner alone, which
 * then stops its children in order; a signal to the group reaches the child's children too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { openLog } from './log-file.ts';
import { identifyProcess, type ProcessIdentity } from './process-identity.ts';
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

/** Descriptor on which a child finds its secret. */
export const SECRET_FD = 3;

export class Child {
  readonly #process: ChildProcess;
  /** Resolves once, when the process has ended. */
  readonly ended: Promise<ChildEnd>;
  readonly #logStart: number;
  #end: ChildEnd | undefined;
  readonly identity: ProcessIdentity | undefined;

  constructor(spec: ChildSpec, watchdog: Watchdog) {
    const log = openLog(spec.logPath);
    this.#logStart = fstatSync(log).size;
    const [program, ...words] = spec.command;
    try {
      this.#process = spawn(program!, words, {
        cwd: spec.workingDirectory,
        env: spec.env,
        detached: true,
        stdio: ['ignore', log, log, ...(spec.secret === undefined ? [] : (['pipe'] as const))],
      });
    } finally {
      closeSync(log);
    }
    const pid = this.#process.pid;
    if (pid !== undefined) watchdog.watch(pid);
    this.identity = pid === undefined ? undefined : identifyProcess(pid);
    this.ended = this.#watchEnd(watchdog);
    if (spec.secret !== undefined) this.#handOver(spec.secret);
  }

  get pid(): number | undefined {
    return this.#process.pid;
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
      this.#process.once('exit', (code, signal) =>
        finish({ code: code ?? undefined, signal: signal ?? undefined, error: undefined }),
      );
    });
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
