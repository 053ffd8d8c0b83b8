/** The log files of a mesh: those of the last run put aside, kept within bounds, shown live where asked. */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LogTail } from '#cli/log-tail.ts';
import { boundLog } from '#host/log-file.ts';

const BOUND_EVERY_MS = 10_000;
const SHOW_EVERY_MS = 100;

export class MeshLogs {
  readonly #folder: string;
  readonly #tails = new Map<string, LogTail>();
  #bounding: NodeJS.Timeout | undefined;
  #showing: NodeJS.Timeout | undefined;

  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, 'logs');
    const last = join(stateDirectory, 'logs.last');
    rmSync(last, { recursive: true, force: true });
    try {
      renameSync(this.#folder, last);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Keeps every file within its bound, until `stop`. */
  start(): void {
    this.#bounding = setInterval(() => {
      for (const path of this.#files()) boundLog(path);
    }, BOUND_EVERY_MS);
  }

  /** Gives every line of applications to `show`, until `stop`: not those of sidecars and other parts of the mesh. */
  show(show: (name: string, line: string) => void): void {
    this.#showing = setInterval(() => this.#showNew(show), SHOW_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#bounding);
    clearInterval(this.#showing);
  }

  #showNew(show: (name: string, line: string) => void): void {
    for (const path of this.#files()) {
      const name = basename(path, '.log');
      if (isOfTheMesh(name)) continue;
      const tail = this.#tails.get(path) ?? new LogTail(path, 0);
      this.#tails.set(path, tail);
      for (const line of tail.read()) show(name, line);
    }
  }

  #files(): string[] {
    return namesIn(this.#folder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => join(this.#folder, name));
  }
}

/** None where somebody has taken it away. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isOfTheMesh(name: string): boolean {
  return /(^control|^istio-ingressgateway|\.(sidecar|agent|envoy))$/.test(name);
}
