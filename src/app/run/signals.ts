/** Signals to this process, which are meant for the application. */

const all = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGALRM'] as const;
export type PassedSignal = (typeof all)[number];

/** By these a program is asked to end. */
const endings: ReadonlySet<PassedSignal> = new Set(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);
/** A terminal sends these to the whole group that is in front, the application too. */
const fromTerminal: ReadonlySet<PassedSignal> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);

export class Signals {
  readonly #listeners = new Map<PassedSignal, () => void>();
  readonly #hasTerminal: boolean;
  #pass: ((signal: PassedSignal) => void) | undefined;
  readonly #asked = Promise.withResolvers<PassedSignal>();

  /** @param hasTerminal whether one is what this process reads or writes */
  constructor(hasTerminal: boolean) {
    this.#hasTerminal = hasTerminal;
    for (const signal of all) {
      const listener = (): void => this.#receive(signal);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  /** Resolves when somebody wants this to end before there is an application. */
  get asked(): Promise<PassedSignal> {
    return this.#asked.promise;
  }

  /** From now on they go there, but for those that the terminal has sent there itself. */
  passTo(pass: (signal: PassedSignal) => void): void {
    this.#pass = pass;
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #receive(signal: PassedSignal): void {
    if (this.#pass === undefined) {
      if (endings.has(signal)) this.#asked.resolve(signal);
    } else if (!(this.#hasTerminal && fromTerminal.has(signal))) this.#pass(signal);
  }
}
