/**
 * What a child writes goes straight into its file, without passing through the runner: a busy
 * application costs the runner nothing, and a stuck runner never stalls an application.
 */
import { closeSync, copyFileSync, mkdirSync, openSync, readSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';

/** A file may grow to this, and its predecessor `.1` is kept beside it. */
export const LOG_BOUND_BYTES: number = 16 * 1024 * 1024;

/** The file that `name` writes to in a mesh's state folder. */
export function logPath(stateDirectory: string, name: string): string {
  return join(stateDirectory, 'logs', `${name}.log`);
}

/** Opens the file for a child's stdout and stderr; the caller closes the descriptor after the spawn. */
export function openLog(path: string): number {
  mkdirSync(join(path, '..'), { recursive: true });
  return openSync(path, 'a', 0o600);
}

/**
 * Keeps a file within the bound: what is there is copied to `.1`, and the file starts again empty.
 * Writers append, so they need not be told. A line written between the two steps is lost.
 */
export function boundLog(path: string, boundBytes: number = LOG_BOUND_BYTES): void {
  try {
    if (statSync(path).size <= boundBytes) return;
    copyFileSync(path, `${path}.1`);
    truncateSync(path, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Follows a file line by line. */
export class LogTail {
  readonly #path: string;
  #offset: number;
  #rest = '';
  #decoder = new StringDecoder('utf8');

  /** @param from byte to begin at; past what is there already by default */
  constructor(path: string, from?: number) {
    this.#path = path;
    this.#offset = from ?? sizeOf(path);
  }

  /** Whole lines written since the last call; the last, unfinished one waits for its end. */
  read(): string[] {
    const size = sizeOf(this.#path);
    if (size < this.#offset) this.#startAgain();
    if (size <= this.#offset) return [];
    const lines = (this.#rest + this.#readTo(size)).split('\n');
    this.#rest = lines.pop()!;
    return lines;
  }

  #startAgain(): void {
    this.#offset = 0;
    this.#rest = '';
    this.#decoder = new StringDecoder('utf8');
  }

  #readTo(size: number): string {
    const fd = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(size - this.#offset);
      const read = readSync(fd, bytes, 0, bytes.length, this.#offset);
      this.#offset += read;
      return this.#decoder.write(bytes.subarray(0, read));
    } finally {
      closeSync(fd);
    }
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
