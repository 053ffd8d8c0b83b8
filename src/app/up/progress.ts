/** What a person sees while a mesh starts and runs: lines with a mark, and at a terminal one line of what is awaited. */
import type { Terminal } from '#cli/terminal.ts';

/** Erase the line and go to its start (ECMA-48 EL, CR). */
const CLEAR = '\r\u001b[2K';
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 120;
/** Columns where the terminal does not say, or says 0. */
const UNKNOWN_WIDTH = 80;

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
}

export class Progress {
  readonly #terminal: Terminal;
  readonly #stream: ProgressStream;
  #waitingFor = '';
  #shown = false;
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param stream the one that `terminal.err` writes to */
  constructor(terminal: Terminal, stream: ProgressStream) {
    this.#terminal = terminal;
    this.#stream = stream;
  }

  done(text: string): void {
    this.#line(`${this.#terminal.errColour.good('✔')} ${text}`);
  }

  warn(text: string, more: readonly string[] = []): void {
    this.#line(`${this.#terminal.errColour.warn('‼')} ${text}`);
    for (const line of more) this.#line(`    ${line}`);
  }

  fail(text: string): void {
    this.#line(`${this.#terminal.errColour.bad('✘')} ${text}`);
  }

  plain(text: string): void {
    this.#line(text);
  }

  /** Shows what is awaited, until `done` of it or another is awaited; nothing where no person looks. */
  waitFor(text: string): void {
    this.#waitingFor = text;
    if (this.#stream.isTTY !== true) return;
    if (text === '') {
      this.#hide();
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS).unref();
    this.#draw();
  }

  #line(text: string): void {
    this.#hide();
    this.#terminal.err(text);
    if (this.#timer !== undefined) this.#draw();
  }

  #draw(): void {
    const frame = frames[this.#frame++ % frames.length]!;
    const width = (this.#stream.columns || UNKNOWN_WIDTH) - 1;
    this.#stream.write(`${CLEAR}${`${frame} ${this.#waitingFor}`.slice(0, width)}`);
    this.#shown = true;
  }

  #hide(): void {
    if (this.#shown) this.#stream.write(CLEAR);
    this.#shown = false;
  }
}
