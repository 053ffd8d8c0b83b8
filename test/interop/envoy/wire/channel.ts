/** A client's connection: bytes as told, cut where the draw says, and what comes back. */
import { connect, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Play } from '../harness/case.ts';

/** How long a client waits for what a case says comes. */
const DEADLINE_MS = 5000;

export interface ChannelOptions {
  /** Absent: 127.0.0.1; with a slash: the path of a Unix socket. */
  readonly host?: string;
  /** Absent: that of the case. */
  readonly listener?: string;
  /** Absent: plaintext. */
  readonly tls?: tls.ConnectionOptions;
  /** Written before everything else, before a TLS handshake too. */
  readonly preamble?: Buffer;
  readonly allowHalfOpen?: boolean;
}

export class Channel {
  /** latin1 */
  text = '';
  closed = false;
  /** The other side reset it, or the handshake failed: the name of the error. */
  error = '';
  /** The TLS handshake is over. */
  secured = false;
  readonly socket: Socket;
  readonly #draw: Play['draw'];
  #changed: () => void = () => {};

  constructor(
    play: Play,
    { host = '127.0.0.1', listener, tls: secure, preamble, ...more }: ChannelOptions = {},
  ) {
    this.#draw = play.draw;
    const raw = host.startsWith('/')
      ? connect({ path: host })
      : connect({ port: play.port(listener), host, allowHalfOpen: more.allowHalfOpen ?? true });
    raw.setNoDelay(true);
    raw.on('connect', () => play.portName(raw.localPort ?? 0, 'CLIENT'));
    if (preamble !== undefined) raw.write(preamble);
    this.socket = secure === undefined ? raw : tls.connect({ socket: raw, ...secure });
    const close = (): void => {
      this.closed = true;
      this.#changed();
    };
    this.socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.#changed();
    });
    for (const event of ['end', 'close']) this.socket.on(event, close);
    raw.on('error', () => {});
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error ||= error.code ?? error.message;
      close();
    });
    this.socket.on('secureConnect', () => {
      this.secured = true;
      this.#changed();
    });
    play.after(() => this.socket.destroy());
  }

  /** Cut at random places, unless `whole`. */
  async write(bytes: Buffer | string, whole = false): Promise<void> {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    for (const piece of whole ? [buffer] : this.#draw.pieces(buffer)) {
      if (this.socket.destroyed || this.socket.writableEnded) return;
      this.socket.write(piece);
      await new Promise(setImmediate);
    }
  }

  /** Says that nothing more is written. */
  end(): void {
    this.socket.end();
  }

  /** Resolves when `done` says so or the connection ended. */
  async until(done: (text: string) => boolean, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (!done(this.text) && !this.closed) {
      await new Promise<void>((resolve, reject) => {
        const late = (): void => reject(new Error(`no ${what}; so far: ${JSON.stringify(this.text)}`));
        deadline.addEventListener('abort', late, { once: true });
        this.#changed = () => {
          deadline.removeEventListener('abort', late);
          resolve();
        };
      });
    }
  }

  /** Resolves when the other side has ended it. */
  untilClosed(): Promise<void> {
    return this.until(() => this.closed, 'end of the connection');
  }
}
