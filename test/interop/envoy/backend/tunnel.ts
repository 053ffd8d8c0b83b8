/** Bytes of a connection without HTTP, as a backend has them. */
import type { Socket } from 'node:net';

export class Tunnel {
  text = '';
  ended = false;
  readonly socket: Socket;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket, rest = '') {
    this.socket = socket;
    this.text = rest;
  }

  /** Called by who owns the socket. */
  take(text: string): void {
    this.text += text;
    this.#wake();
  }

  /** Likewise. */
  finish(): void {
    this.ended = true;
    this.#wake();
  }

  /** Resolves when the text so far matches, or nothing more comes. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text) && !this.ended) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    return this.text;
  }

  /** latin1 */
  write(text: string): void {
    if (!this.socket.destroyed) this.socket.write(text, 'latin1');
  }

  end(): void {
    this.socket.end();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
