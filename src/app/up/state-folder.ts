/**
 * The state folder while a mesh runs. Without it the control plane hears of no Pod, and no command finds the mesh: where
 * it is taken away, or cannot be written to, the mesh has to end.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';

/** How soon it is seen that the folder is gone, where nothing is written. */
const LOOK_MS = 1_000;

export class StateFolder {
  readonly path: string;
  /** Resolves with what is wrong with it, once something is. */
  readonly lost: Promise<string>;
  readonly #keepsake: string;
  readonly #identity: string | undefined;
  readonly #timer: NodeJS.Timeout;
  #isLost = false;
  #tell: (why: string) => void = () => {};

  /**
   * Looks at it from now on, until `close`.
   *
   * @param path of a folder that is there
   * @param keepsake path of a file in it that is there as long as the mesh
   */
  constructor(path: string, keepsake: string, lookMs: number = LOOK_MS) {
    this.path = path;
    this.#keepsake = keepsake;
    this.#identity = identityOf(path);
    this.lost = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  /** Does something that writes into it. What fails does not throw: the folder counts as lost, and is left alone then. */
  keep(write: () => void): void {
    if (this.#isLost) return;
    try {
      write();
    } catch (error) {
      this.#look();
      this.#lose(`the state folder ${this.path} cannot be written to: ${(error as Error).message}`);
    }
  }

  /** For nobody but the user, with those that it is in. */
  makeFolder(path: string): void {
    this.keep(() => mkdirSync(path, { recursive: true, mode: 0o700 }));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const found = identityOf(this.path);
    if (found === undefined) this.#lose(`the state folder ${this.path} is gone`);
    else if (found !== this.#identity || !existsSync(this.#keepsake))
      this.#lose(`the state folder ${this.path} has been emptied or replaced`);
  }

  #lose(why: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#tell(why);
  }
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}
