/** Following a log file that others write to, and that may start again from empty when it has grown too large. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

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
