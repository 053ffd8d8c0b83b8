/** Responses as HTTP/1.1 on a downstream connection: one after the other, each framed as the client can read it. */
import type { HeaderList } from '#http/header-list.ts';
import { statusLine } from '#http/status.ts';

/** Where bytes go; the connection. */
export interface ResponseOutput {
  writeText(text: string): void;
  writeData(data: Buffer): void;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: HeaderList;
  readonly requestMethod: string;
  /** Minor version of the request. */
  readonly minor: number;
  /** -1: not known. */
  readonly contentLength: number;
  /** Whether no body follows and the list says nothing about that. */
  readonly empty: boolean;
  /** Whether bytes without framing follow (CONNECT). */
  readonly opaque: boolean;
  readonly close: boolean;
}

const NONE = 0;
const PLAIN = 1;
const CHUNKED = 2;

const CHUNK_END = '\r\n';
const LAST_CHUNK = '0\r\n\r\n';

export class ResponseWriter {
  readonly #output: ResponseOutput;
  #framing = NONE;

  constructor(output: ResponseOutput) {
    this.#output = output;
  }

  /** @returns whether the connection has to be closed after this response. */
  head({
    status,
    headers,
    requestMethod,
    minor,
    contentLength,
    empty,
    opaque,
    close,
  }: ResponseHead): boolean {
    let text = statusLine(status);
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]!}: ${headers[i + 1]!}\r\n`;
    if (close) text += 'connection: close\r\n';
    else if (minor === 0) text += 'connection: keep-alive\r\n';
    let mustClose = close;
    this.#framing = PLAIN;
    if (opaque) this.#framing = PLAIN;
    else if (requestMethod === 'HEAD' || status === 204 || status === 304) this.#framing = NONE;
    else if (empty) {
      this.#framing = NONE;
      if (contentLength === 0) text += 'content-length: 0\r\n';
    } else if (contentLength === -1 && minor === 1) {
      this.#framing = CHUNKED;
      text += 'transfer-encoding: chunked\r\n';
    } else if (contentLength === -1) mustClose = true;
    this.#output.writeText(`${text}\r\n`);
    return mustClose;
  }

  /** Whether data is part of this response. */
  get hasBody(): boolean {
    return this.#framing !== NONE;
  }

  data(data: Buffer): void {
    const output = this.#output;
    if (this.#framing !== CHUNKED) {
      output.writeData(data);
      return;
    }
    output.writeText(`${data.length.toString(16)}\r\n`);
    output.writeData(data);
    output.writeText(CHUNK_END);
  }

  /** The end of a chunked body, with trailers; nothing where the framing has no place for them. */
  trailers(trailers: HeaderList): void {
    if (this.#framing !== CHUNKED) return;
    let text = '0\r\n';
    for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]!}: ${trailers[i + 1]!}\r\n`;
    this.#output.writeText(`${text}\r\n`);
    this.#framing = PLAIN;
  }

  end(): void {
    if (this.#framing === CHUNKED) this.#output.writeText(LAST_CHUNK);
  }
}
