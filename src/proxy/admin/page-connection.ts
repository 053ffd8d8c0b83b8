/**
 * One connection to a small server: requests in, pages out, one after the other. On the codec of the
 * data path, which is there in any case: Node's own HTTP server would cost every proxy half a megabyte.
 */
import type { Socket } from 'node:net';
import { timeSlices } from '#core/time-slice.ts';
import { type DecoderEvents, defaultLimits } from '#http/codec/h1/decoder.ts';
import type { Fault } from '#http/codec/h1/fault.ts';
import { RequestDecoder } from '#http/codec/h1/request-decoder.ts';
import { headerOf } from '#http/header-list.ts';
import { phraseOf } from '#http/status.ts';
import { type AdminReply, textReply } from './contract.ts';

/** @param form what the body says, where it is one */
export type Answer = (method: string, target: string, form: string) => Promise<AdminReply>;

/** A connection on which nothing happens is closed after this. */
const IDLE_MS = 60_000;
const nothing: Buffer = Buffer.alloc(0);
const lineEnd: Buffer = Buffer.from('\r\n');
const MAX_FORM_BYTES = 65_536;
/** What is gathered of a long page before it is written. */
const CHUNK_CHARACTERS = 16_384;

export class PageConnection implements DecoderEvents {
  readonly #socket: Socket;
  readonly #answer: Answer;
  readonly #decoder: RequestDecoder;
  /** What came behind the request being answered. */
  #rest: Buffer = nothing;
  #answering = false;
  /** Of the body of a form. */
  #form = '';
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

  onData(data: Buffer): void {
    const isForm = headerOf(this.#decoder.headers, 'content-type') === 'application/x-www-form-urlencoded';
    if (!isForm) return;
    this.#form += data.toString('latin1');
    if (this.#form.length > MAX_FORM_BYTES) this.#refuse(textReply('the form is too large\n', 413));
  }

  onTrailers(): void {}

  onEnd(): void {
    const { method, target, keepAlive } = this.#decoder;
    this.#answering = true;
    this.#socket.pause();
    const form = this.#form;
    this.#form = '';
    this.#answer(method, target, form)
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

  #send(reply: AdminReply, withBody: boolean, keepAlive: boolean): void {
    const { body } = reply;
    if (typeof body === 'string') {
      const bytes = Buffer.from(body);
      const close = !keepAlive || this.#ended;
      this.#writeHead(reply, close, [`content-length: ${bytes.length}`]);
      if (withBody) this.#socket.write(bytes);
      this.#sent(close);
      return;
    }
    // Who cannot take chunks knows the end of the body by that of the connection.
    const chunked = this.#decoder.minor > 0;
    const close = !keepAlive || this.#ended || !chunked;
    this.#writeHead(reply, close, chunked ? ['transfer-encoding: chunked'] : []);
    if (!withBody) {
      this.#sent(close);
      return;
    }
    this.#sendPieces(body, chunked).then(
      () => this.#sent(close),
      // Too late for a status.
      () => this.#socket.destroy(),
    );
  }

  #writeHead({ status, contentType }: AdminReply, close: boolean, framing: readonly string[]): void {
    const head = [
      `HTTP/1.1 ${status} ${phraseOf(status)}`,
      `content-type: ${contentType}`,
      'cache-control: no-cache, max-age=0',
      'x-content-type-options: nosniff',
      `date: ${new Date().toUTCString()}`,
      ...framing,
      ...(close ? ['connection: close'] : []),
    ];
    this.#socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1');
  }

  /** Makes no more than the other side takes, and lets others run meanwhile. */
  async #sendPieces(pieces: Iterable<string> | AsyncIterable<string>, chunked: boolean): Promise<void> {
    const socket = this.#socket;
    const breathe = timeSlices();
    let text = '';
    for await (const piece of pieces) {
      text += piece;
      if (text.length >= CHUNK_CHARACTERS) {
        this.#writeChunk(text, chunked);
        text = '';
        if (socket.writableNeedDrain && !socket.destroyed) await drained(socket);
      }
      if (socket.destroyed) return;
      const pause = breathe();
      if (pause !== undefined) await pause;
    }
    if (text !== '') this.#writeChunk(text, chunked);
    if (chunked) socket.write('0\r\n\r\n');
  }

  #writeChunk(text: string, chunked: boolean): void {
    const bytes = Buffer.from(text);
    if (!chunked) {
      this.#socket.write(bytes);
      return;
    }
    this.#socket.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, lineEnd]));
  }

  #sent(close: boolean): void {
    const socket = this.#socket;
    if (close) {
      socket.end();
      return;
    }
    this.#answering = false;
    socket.resume();
    this.#read();
  }
}

/** Or closed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      socket.off('drain', go);
      socket.off('close', go);
      resolve();
    };
    socket.on('drain', go);
    socket.on('close', go);
  });
}
