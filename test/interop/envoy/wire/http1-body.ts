/** The body of a HTTP/1 message, from text that may not be all there. */
import { brotliDecompressSync, constants, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { shown } from './volatile.ts';

export interface Body {
  readonly text: string;
  /** Of what it takes on the wire. */
  readonly length: number;
  readonly trailers: readonly string[];
  readonly framing: 'none' | 'length' | 'chunked' | 'close' | 'incomplete';
  /** Chunk extensions, which nobody should pass on. */
  readonly extensions: readonly string[];
}

export const noBody: Body = { text: '', length: 0, trailers: [], framing: 'none', extensions: [] };

/** Value of a header in lines as they came. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  return headers
    .find((header) => header.toLowerCase().startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim();
}

export function lengthBody(rest: string, length: number): Body | undefined {
  if (rest.length < length) return undefined;
  return { ...noBody, text: rest.slice(0, length), length, framing: 'length' };
}

/** Undefined while the last chunk is not there. */
export function chunkedBody(rest: string): Body | undefined {
  let text = '';
  const extensions: string[] = [];
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const [size = '', ...extension] = rest.slice(at, line).split(';');
    if (extension.length > 0) extensions.push(extension.join(';'));
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) {
      const last = /^[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest.slice(at));
      if (last === null) return undefined;
      const trailers = last[1]!.split('\r\n').filter((trailer) => trailer !== '');
      return { text, length: at + last[0].length, trailers, framing: 'chunked', extensions };
    }
    if (!(bytes > 0) || rest.length < line + 2 + bytes + 2) return undefined;
    text += rest.slice(line + 2, line + 2 + bytes);
    at = line + 2 + bytes + 2;
  }
}

/** What came of the content of chunks that do not end. */
export function chunksSoFar(rest: string): string {
  let text = '';
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at);
    const bytes = Number.parseInt(rest.slice(at, line), 16);
    if (line === -1 || !(bytes > 0)) return text;
    text += rest.slice(line + 2, line + 2 + bytes);
    at = line + 2 + bytes + 2;
  }
}

const decoders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }),
  br: (bytes) => brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH }),
  zstd: (bytes) => zstdDecompressSync(bytes, { finishFlush: constants.ZSTD_e_flush }),
};

/** What a body stands for, as far as it is there: how two libraries compress it differs. */
export function decodedBody(text: string, coding: string): string | undefined {
  const decode = Object.hasOwn(decoders, coding) ? decoders[coding] : undefined;
  if (decode === undefined) return undefined;
  try {
    return decode(Buffer.from(text, 'latin1')).toString('latin1');
  } catch {
    return undefined;
  }
}

/** A body in one line: what it stands for, where it is compressed. */
export function shownBody(text: string, headers: readonly string[]): string {
  const coding = headerOf(headers, 'content-encoding') ?? '';
  const decoded = decodedBody(text, coding);
  return decoded === undefined ? shown(text) : `${coding} of ${shown(decoded)}`;
}
