/**
 * Hot restart: another process of the program as it is on disk now takes the place of this one. It is given the listening
 * sockets, so that no connection is refused; when it serves, this one lets its own connections finish and ends.
 * There is no third process that watches over the two.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { closeDescriptor } from '#host/bound-socket.ts';
import { canDuplicateDescriptors } from '#host/duplicate-descriptor.ts';
import {
  handedVariable,
  inheritedSockets,
  type SucceededSocket,
  successionVariable,
} from '#host/inherited-sockets.ts';
import { programFolder } from '#host/self.ts';
import type { Logger } from '#observe/log.ts';
import type { OpenSocket } from '#proxy/contract.ts';
import { type Estate, PREDECESSOR_VARIABLE, READY } from './predecessor.ts';

export interface HotRestartParts {
  readonly log: Logger;
  /**
   * All that listen, those of one key in order of their threads; the descriptors belong to who asked.
   * Undefined while this process does not serve itself.
   */
  openSockets(): Promise<readonly OpenSocket[] | undefined>;
  estate(): Estate;
  /** Descriptor that the command line speaks of: it is nobody's socket in the successor. */
  readonly tokenFd?: number | undefined;
  /** Nobody may take the place of this process. */
  readonly isDisabled: boolean;
}

export type HotRestartOutcome =
  | { readonly ok: true; readonly pid: number }
  | { readonly ok: false; readonly reason: string };

/** A successor that does not serve by then is ended. */
const START_MS = 60_000;
/** The standard streams are 0 to 2. */
const FIRST_FD = 3;

export class HotRestart {
  readonly #parts: HotRestartParts;
  readonly #succeeded = Promise.withResolvers<void>();
  #underWay: Promise<HotRestartOutcome> | undefined;

  constructor(parts: HotRestartParts) {
    this.#parts = parts;
    process.on('SIGUSR2', () => void this.begin());
  }

  /** Resolves when another process serves. */
  get succeeded(): Promise<void> {
    return this.#succeeded.promise;
  }

  /** Resolves when the successor serves, or when there is none to be had: then all is as before. */
  begin(): Promise<HotRestartOutcome> {
    this.#underWay ??= this.#begin();
    return this.#underWay;
  }

  async #begin(): Promise<HotRestartOutcome> {
    const { log } = this.#parts;
    const outcome = await this.#succeed().catch((error: Error) => failed(error.message));
    if (outcome.ok) {
      log.info('hot-restart.succeeded', { pid: outcome.pid });
      // Who asked for it by the admin interface is answered first.
      setImmediate(() => this.#succeeded.resolve());
    } else {
      log.error('hot-restart.failed', { reason: outcome.reason });
      this.#underWay = undefined;
    }
    return outcome;
  }

  async #succeed(): Promise<HotRestartOutcome> {
    if (this.#parts.isDisabled) return failed('it is turned off (--disable-hot-restart)');
    if (!canDuplicateDescriptors()) return failed('only Linux can hand sockets over');
    const open = await this.#parts.openSockets();
    if (open === undefined) return failed('this one does not serve itself just now');
    try {
      const successor = this.#start(open);
      this.#parts.log.info('hot-restart.began', { pid: successor.pid });
      return await this.#whenReady(successor);
    } finally {
      for (const { fd } of open) closeDescriptor(fd);
    }
  }

  #start(open: readonly OpenSocket[]): ChildProcess {
    const { tokenFd = 0 } = this.#parts;
    const unused = Array.from({ length: Math.max(0, tokenFd + 1 - FIRST_FD) }, () => 'ignore' as const);
    const channel = FIRST_FD + unused.length;
    const inherited = inheritedSockets();
    const sockets = byKey(open);
    const [program, ...words] = ownCommand();
    return spawn(program!, words, {
      stdio: [
        ...(['inherit', 'inherit', 'inherit'] as const),
        ...unused,
        'pipe',
        ...inherited.map(({ fd }) => fd),
        ...sockets.flatMap(({ fds }) => fds),
      ],
      env: {
        ...process.env,
        [PREDECESSOR_VARIABLE]: String(channel),
        ...handedVariable(inherited, channel + 1),
        ...successionVariable(sockets, channel + 1 + inherited.length),
      },
    });
  }

  async #whenReady(successor: ChildProcess): Promise<HotRestartOutcome> {
    const channel = successor.stdio.find((stream, at) => at >= FIRST_FD && stream !== null) as
      | Duplex
      | undefined;
    channel?.on('error', () => {});
    channel?.write(`${JSON.stringify(this.#parts.estate())}\n`);
    const outcome = await new Promise<HotRestartOutcome>((resolve) => {
      const timer = setTimeout(
        () => resolve(failed(`it did not serve within ${START_MS / 1000} s`)),
        START_MS,
      );
      const settle = (settled: HotRestartOutcome): void => {
        clearTimeout(timer);
        resolve(settled);
      };
      let said = '';
      channel?.on('data', (bytes: Buffer) => {
        said += bytes.toString();
        if (said === READY) settle({ ok: true, pid: successor.pid! });
      });
      successor.once('error', (error) => settle(failed(error.message)));
      successor.once('exit', (code, signal) =>
        settle(failed(`it ended with ${signal ?? `exit code ${code}`}: its log says why`)),
      );
    });
    channel?.destroy();
    if (!outcome.ok) successor.kill('SIGKILL');
    successor.unref();
    return outcome;
  }
}

/** This command line, of the program as it is on disk. */
function ownCommand(): string[] {
  const words = process.argv.slice(2);
  const launcher = join(programFolder(), 'bin', 'heddle');
  if (existsSync(launcher)) return [launcher, ...words];
  return [process.execPath, ...process.execArgv, process.argv[1]!, ...words];
}

function byKey(open: readonly OpenSocket[]): SucceededSocket[] {
  return [...Map.groupBy(open, ({ key }) => key)].map(([key, sockets]) => ({
    key,
    fds: sockets.map(({ fd }) => fd),
  }));
}

function failed(reason: string): HotRestartOutcome {
  return { ok: false, reason };
}
