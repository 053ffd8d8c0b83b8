/** The application as a child that has this process's place: its streams, its terminal, its signals, its exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';

/** What a shell adds to the number of a signal that has ended a program. */
const BY_SIGNAL = 128;

/** The exit code that stands for the end by a signal. */
export function codeOfSignal(signal: NodeJS.Signals): number {
  return BY_SIGNAL + constants.signals[signal];
}

export class Application {
  readonly #process: ChildProcess;
  /** Resolves to its exit code; rejects where it cannot be started. */
  readonly ended: Promise<number>;

  /** @param command with what leads it into its network */
  constructor(command: readonly string[], env: Readonly<Record<string, string | undefined>>) {
    const [program, ...words] = command;
    // In the group of this process: at a terminal, what it asks of the terminal it may have.
    this.#process = spawn(program!, words, { stdio: 'inherit', env: { ...env } });
    this.ended = new Promise((resolve, reject) => {
      this.#process.once('error', reject);
      this.#process.once('exit', (code, signal) => resolve(signal === null ? code! : codeOfSignal(signal)));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }
}
