/**
 * One connection to a small server: requests in, pages out, one after the other. On the codec of the
 * data path, which is there in any case: Node's own HTTP server would cost every proxy half a megabyte.
 */
import type { Socket } from 'node:net';
import { type DecoderEvents, defaultLimits } from '#http/codec/h1/decoder.ts';
import type { Fault } from '#http/codec/h1/fault.ts';
import { RequestDecoder } from '#http/codec/h1/request-decoder.ts';
import { phraseOf } from '#http/status.ts';
import { type AdminReply, textReply } from './contract.ts';

export type Answer = (method: string, target: string) => Promise<AdminReply>;

/** A connection on which nothing happens is closed after this. */
const IDLE_MS = 60_000;
const nothing: Buffer = Buffer.alloc(0);

export class PageConnection implements DecoderEvents {
  readonly #socket: Socket;
  readonly #answer: Answer;
  readonly #decoder: RequestDecoder;
  /** What came behind the request being answered. */
  #rest: Buffer = nothing;
  #answering = false;
  /** The other side sends no more. */
  #ended = false;

  constructor(socket: Socket, answer: Answer) {
    this.#socket = socket;
    this.#answer = answer;
    this.#decoder = new RequestDecoder(this, { ...defaultLimits, takesHttp10: true });
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      this.#read();
    });
    socket.on('end', () => {
      this.#ended = true;
      if (!this.#answering) socket.end();
    });
  }

  onHead(): void {
    // Nothing ends it, so nothing would answer it.
    if (this.#decoder.method === 'CONNECT') this.#refuse(textReply('no tunnels here\n', 405));
  }

  onData(): void {}

  onTrailers(): void {}

  onEnd(): void {
    const { method, target, keepAlive } = this.#decoder;
    this.#answering = true;
    this.#socket.pause();
    this.#answer(method, target)
      .catch((error: unknown) =>
        textReply(`${error instanceof Error ? error.message : String(error)}\n`, 500),
      )
      .then((reply) => this.#send(reply, method !== 'HEAD', keepAlive));
  }

  onFault({ status, reason }: Fault): void {
    this.#refuse(textReply(`${reason}\n`, status));
  }

  #read(): void {
    while (!this.#answering && this.#rest.length > 0) {
      this.#rest = this.#rest.subarray(this.#decoder.decode(this.#rest, 0));
    }
  }

  #refuse(reply: AdminReply): void {
    this.#answering = true;
    this.#decoder.stop();
    this.#send(reply, true, false);
  }

  #send({ status, contentType, body }: AdminReply, withBody: boolean, keepAlive: boolean): void {
    const socket = this.#socket;
    const bytes = Buffer.from(body);
    const close = !keepAlive || this.#ended;
    const head = [
      `HTTP/1.1 ${status} ${phraseOf(status)}`,
      `content-type: ${contentType}`,
      'cache-control: no-cache, max-age=0',
      'x-content-type-options: nosniff',
      `date: ${new Date().toUTCString()}`,
      `content-length: ${bytes.length}`,
      ...(close ? ['connection: close'] : []),
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1');
    if (withBody) socket.write(bytes);
    if (close) {
      socket.end();
      return;
    }
    this.#answering = false;
    socket.resume();
    this.#read();
  }
}
