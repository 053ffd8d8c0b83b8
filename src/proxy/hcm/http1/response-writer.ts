/** Responses as HTTP/1.1 on a downstream connection: one after the other, each framed as the client can read it. */

import { writeFields, writtenName } from '#http/codec/h1/header-case.ts';
import type { HeaderList } from '#http/header-list.ts';
import { statusLine } from '#http/status.ts';
import type { ResponseHead } from '../downstream-stream.ts';

/** Where bytes go; the connection. */
export interface ResponseOutput {
  writeText(text: string): void;
  writeData(data: Buffer): void;
}

const NONE = 0;
const PLAIN = 1;
const CHUNKED = 2;
const OPAQUE = 3;

const CHUNK_END = '\r\n';
const LAST_CHUNK = '0\r\n\r\n';

export class ResponseWriter {
  readonly #output: ResponseOutput;
  readonly #properCase: boolean;
  /** Whether only the end of the connection ends the response, or the tunnel. */
  endsByClosing = false;
  #framing = NONE;

  constructor(output: ResponseOutput, properCase: boolean) {
    this.#output = output;
    this.#properCase = properCase;
  }

  head(head: ResponseHead): void {
    const { status, headers, minor } = head;
    let text = statusLine(status, minor);
    text += writeFields(headers, head.rawNames, this.#properCase);
    if (head.opaque) {
      this.#framing = OPAQUE;
      this.endsByClosing = true;
      this.#output.writeText(`${text}\r\n`);
      return;
    }
    text += this.#frame(head);
    const hasLength = head.contentLength !== -1 || (this.#framing === NONE && !isBodyless(head));
    // To HTTP/1.0 only a length tells where a response ends.
    this.endsByClosing = minor === 0 && !hasLength;
    if (head.close || this.endsByClosing) text += `${this.#own('connection', head)}: close\r\n`;
    else if (minor === 0) text += `${this.#own('connection', head)}: keep-alive\r\n`;
    this.#output.writeText(`${text}\r\n`);
  }

  /** Sets the framing. @returns the field that tells it, where the head has none */
  #frame(head: ResponseHead): string {
    const { contentLength, minor, requestMethod } = head;
    this.#framing = NONE;
    if (isBodyless(head)) {
      // The client is told how the response to GET would be framed.
      if (requestMethod !== 'HEAD' || contentLength !== -1 || minor === 0 || isLengthless(head.status))
        return '';
      return `${this.#own('transfer-encoding', head)}: chunked\r\n`;
    }
    if (head.endStream) return contentLength === -1 ? `${this.#own('content-length', head)}: 0\r\n` : '';
    this.#framing = contentLength === -1 && minor === 1 ? CHUNKED : PLAIN;
    return this.#framing === CHUNKED ? `${this.#own('transfer-encoding', head)}: chunked\r\n` : '';
  }

  /** A name of ours, in the case of the others. */
  #own(name: string, { rawNames }: ResponseHead): string {
    if (rawNames === undefined && !this.#properCase) return name;
    return writtenName(name, rawNames, this.#properCase);
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

  /** The end, with trailers; nothing of them where the framing has no place for them. */
  end(trailers: HeaderList): void {
    if (this.#framing !== CHUNKED) return;
    if (trailers.length === 0) {
      this.#output.writeText(LAST_CHUNK);
      return;
    }
    let text = '0\r\n';
    for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]!}: ${trailers[i + 1]!}\r\n`;
    this.#output.writeText(`${text}\r\n`);
  }
}

function isLengthless(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}

function isBodyless({ requestMethod, status }: ResponseHead): boolean {
  return requestMethod === 'HEAD' || isLengthless(status);
}
