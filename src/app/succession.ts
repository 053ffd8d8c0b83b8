/** What every proxy does about hot restarts: it takes the place of one before it, and gives way to one after it. */
import { closeDescriptor } from '#host/bound-socket.ts';
import { removePidFile, writePidFile } from '#host/pid-file.ts';
import type { Logger } from '#observe/log.ts';
import type { OpenSocket } from '#proxy/contract.ts';
import { adoptTicketSecret, processTicketSecret } from '#proxy/tls/ticket-keys.ts';
import { HotRestart } from './hot-restart.ts';
import { type Estate, Predecessor } from './predecessor.ts';
import type { StopSignal } from './stop-signal.ts';
import type { WorkloadCertificate } from './workload-identity.ts';

export interface SuccessionOptions {
  readonly pidFile?: string | undefined;
  readonly tokenFd?: number | undefined;
  readonly disableHotRestart?: boolean | undefined;
}

/** What serves, as a successor needs it. */
export interface Serving {
  openSockets(): Promise<readonly OpenSocket[]>;
  certificate?(): WorkloadCertificate;
}

export class Succession {
  readonly predecessor: Predecessor | undefined;
  readonly hotRestart: HotRestart;
  readonly #options: SuccessionOptions;
  #serving: Serving | undefined;

  private constructor(predecessor: Predecessor | undefined, options: SuccessionOptions, log: Logger) {
    this.predecessor = predecessor;
    this.#options = options;
    this.hotRestart = new HotRestart({
      log,
      tokenFd: options.tokenFd,
      isDisabled: options.disableHotRestart === true,
      openSockets: async () => this.#serving?.openSockets(),
      estate: () => this.#estate(),
    });
  }

  /** To be called before anything listens. */
  static async begin(options: SuccessionOptions, log: Logger): Promise<Succession> {
    const predecessor = await Predecessor.find();
    if (predecessor !== undefined) {
      adoptTicketSecret(Buffer.from(predecessor.estate.ticketSecret, 'base64'));
    }
    return new Succession(predecessor, options, log);
  }

  /** All that this process has to listen on is open. @throws where the pid file cannot be written */
  async serves(serving: Serving): Promise<void> {
    this.#serving = serving;
    writePidFile(this.#options.pidFile);
    if (this.predecessor === undefined) return;
    const open = await serving.openSockets();
    for (const { fd } of open) closeDescriptor(fd);
    this.predecessor.release(new Set(open.map(({ key }) => key)));
  }

  /** @returns whether another process serves; else somebody wants this one to stop */
  async untilEnd(stopping: StopSignal): Promise<boolean> {
    const replaced = await Promise.race([
      stopping.asked.then(() => false),
      this.hotRestart.succeeded.then(() => true),
    ]);
    this.#serving = undefined;
    removePidFile(this.#options.pidFile);
    return replaced;
  }

  #estate(): Estate {
    const certificate = this.#serving?.certificate?.();
    return {
      ticketSecret: Buffer.from(processTicketSecret()).toString('base64'),
      ...(certificate !== undefined && { certificate }),
    };
  }
}
