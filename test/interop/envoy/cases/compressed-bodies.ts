/** Bodies that are compressed, the filters that do that, and rows of what becomes of one message. */
import { extension, type Message } from '../harness/bootstrap.ts';
import type { Case, Expectation } from '../harness/case.ts';
import { http1, request, type Step } from '../wire/http1.ts';

export const TEXT: string = 'all work and no play '.repeat(10);
export const PLAIN: string = 'content-type: text/plain';

export const answer = (
  headers: readonly string[] = [PLAIN],
  body: string = TEXT,
  status = '200 OK',
): string =>
  `${[`HTTP/1.1 ${status}`, `content-length: ${body.length}`, ...headers].join('\r\n')}\r\n\r\n${body}`;
export const chunked = (headers: readonly string[], pieces: readonly string[], trailers = ''): string =>
  `${['HTTP/1.1 200 OK', 'transfer-encoding: chunked', ...headers].join('\r\n')}\r\n\r\n${[...pieces, '']
    .map((piece) => `${piece.length.toString(16)}\r\n${piece === '' ? trailers : `${piece}\r\n`}`)
    .join('')}\r\n`;

export interface Row {
  readonly on?: string;
  readonly path?: string;
  readonly accept?: string;
  readonly headers?: readonly string[];
  readonly method?: string;
  readonly body?: string;
  readonly says?: string;
}
export const row = (name: string, expect: Expectation, options: Row = {}): Case => {
  const { on = 'gzip', path = '/x', headers = [], method = 'GET', body, says = answer() } = options;
  const accept = options.accept === undefined ? [] : [`accept-encoding: ${options.accept}`];
  const length = body === undefined ? [] : [`content-length: ${body.length}`];
  const step: Step = request(method, path, [...accept, ...length, ...headers], body ?? '');
  return {
    ...{ name: `compression: ${name}`, covers: 'compression', on, expect, answers: { a: says } },
    play: http1([step], { methods: [method], noProbe: true }),
  };
};

export const COMPRESSED: Expectation = { client: /^body by chunked: (?:gzip|br|zstd) of "all work/ };
export const AS_IT_IS: Expectation = { client: /^body by length: "all work/ };

export const library = (
  which: string,
  kind: 'compressor' | 'decompressor' = 'compressor',
  fields: Message = {},
): Message =>
  extension(
    'lib',
    `compression.${which}.${kind}.v3.${which.slice(0, 1).toUpperCase()}${which.slice(1)}`,
    fields,
  );
export const compressor = (which: string, fields: Message = {}): Message =>
  extension('compressor', 'filters.http.compressor.v3.Compressor', {
    compressor_library: library(which),
    ...fields,
  });
export const decompressor = (which: string, fields: Message = {}): Message =>
  extension('decompressor', 'filters.http.decompressor.v3.Decompressor', {
    decompressor_library: library(which, 'decompressor'),
    ...fields,
  });

/** Without the lengths, which are those of two libraries. */
export const log: Message = {
  access_log: [
    extension('log', 'access_loggers.file.v3.FileAccessLog', {
      path: '@LOG@',
      log_format: {
        text_format_source: {
          inline_string: '%REQ(X-TEST)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n',
        },
      },
    }),
  ],
};

export const buffer: Message = extension('buffer', 'filters.http.buffer.v3.Buffer', {
  max_request_bytes: 1_000_000,
});
