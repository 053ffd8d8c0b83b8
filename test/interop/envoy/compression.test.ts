/** The filters compressor and decompressor, with each of their libraries. */
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Channel } from './wire/channel.ts';
import { answersOn, http1, request, type Step, takeStep } from './wire/http1.ts';
import { chunksSoFar, decodedBody } from './wire/http1-body.ts';
import { h2Get, http2 } from './wire/http2.ts';

const TEXT = 'all work and no play '.repeat(10);
const PLAIN = 'content-type: text/plain';

const answer = (headers: readonly string[] = [PLAIN], body = TEXT, status = '200 OK'): string =>
  `${[`HTTP/1.1 ${status}`, `content-length: ${body.length}`, ...headers].join('\r\n')}\r\n\r\n${body}`;
const chunked = (headers: readonly string[], pieces: readonly string[], trailers = ''): string =>
  `${['HTTP/1.1 200 OK', 'transfer-encoding: chunked', ...headers].join('\r\n')}\r\n\r\n${[...pieces, '']
    .map((piece) => `${piece.length.toString(16)}\r\n${piece === '' ? trailers : `${piece}\r\n`}`)
    .join('')}\r\n`;

interface Row {
  readonly on?: string;
  readonly path?: string;
  readonly accept?: string;
  readonly headers?: readonly string[];
  readonly method?: string;
  readonly body?: string;
  readonly says?: string;
}
const row = (name: string, expect: Expectation, options: Row = {}): Case => {
  const { on = 'gzip', path = '/x', headers = [], method = 'GET', body, says = answer() } = options;
  const accept = options.accept === undefined ? [] : [`accept-encoding: ${options.accept}`];
  const length = body === undefined ? [] : [`content-length: ${body.length}`];
  const step: Step = request(method, path, [...accept, ...length, ...headers], body ?? '');
  return {
    ...{ name: `compression: ${name}`, covers: 'compression', on, expect, answers: { a: says } },
    play: http1([step], { methods: [method], noProbe: true }),
  };
};

const STAT = 'http.gzip.compressor.lib.gzip';
const COMPRESSED: Expectation = { client: /^body by chunked: (?:gzip|br|zstd) of "all work/ };
const AS_IT_IS: Expectation = { client: /^body by length: "all work/ };

const choices: readonly (readonly [accept: string, expect: Expectation])[] = [
  ['gzip', { ...COMPRESSED, stats: { [`${STAT}.header_compressor_used`]: 1, [`${STAT}.compressed`]: 1 } }],
  ['deflate, gzip', COMPRESSED],
  ['GZIP', {}],
  ['gzip;q=0', { ...AS_IT_IS, stats: { [`${STAT}.header_not_valid`]: 1 } }],
  ['gzip;q=0.5', COMPRESSED],
  ['gzip ; Q = 0.5', {}],
  ['gzip;q=0.5, identity', { ...AS_IT_IS, stats: { [`${STAT}.header_identity`]: 1 } }],
  ['gzip, identity;q=0.5', COMPRESSED],
  ['identity', AS_IT_IS],
  ['*', { ...COMPRESSED, stats: { [`${STAT}.header_wildcard`]: 1 } }],
  ['*;q=0', {}],
  ['*, gzip;q=0', {}],
  ['deflate', AS_IT_IS],
  ['deflate;q=1, gzip;q=0.2', COMPRESSED],
  ['gzip;q=x', {}],
  ['gzip;q=', {}],
  [',,', {}],
  ['gzip;level=1', {}],
  ['gzip;level=1;q=0', {}],
];

const responses: readonly Case[] = [
  ...choices.map(([accept, expect]) => row(`accept-encoding: ${accept}`, expect, { accept })),
  row('no accept-encoding', { ...AS_IT_IS, stats: { [`${STAT}.no_accept_header`]: 1 } }),
  row('two lines of accept-encoding', {}, { headers: ['accept-encoding: deflate', 'accept-encoding: gzip'] }),
  ...[
    'text/html',
    'text/html; charset=utf-8',
    'TEXT/HTML',
    'application/json',
    'application/xhtml+xml',
    'image/svg+xml',
    'text/xml',
    'application/javascript',
    'text/javascript',
    'text/css',
    'application/xml',
    'application/x-javascript',
    'text/x-js',
    'text/ecmascript',
    'application/ecmascript',
    'application/x-json',
    'text/js',
    'text/jscript',
    'text/x-javascript',
    'image/png',
    'text/event-stream',
    'application/octet-stream',
    'application/grpc',
    'application/grpc-web+proto',
    'application/wasm',
  ].map((type) => row(`type ${type}`, {}, { accept: 'gzip', says: answer([`content-type: ${type}`]) })),
  row('no type', COMPRESSED, { accept: 'gzip', says: answer([]) }),
  row(
    'short',
    { client: /^body by length: "short"/, stats: { [`${STAT}.content_length_too_small`]: 1 } },
    { accept: 'gzip', says: answer([PLAIN], 'short') },
  ),
  row('29 bytes', {}, { accept: 'gzip', says: answer([PLAIN], 'x'.repeat(29)) }),
  row('30 bytes', {}, { accept: 'gzip', says: answer([PLAIN], 'x'.repeat(30)) }),
  row(
    'of no told length',
    { client: /gzip of "short"/ },
    { accept: 'gzip', says: chunked([PLAIN], ['short']) },
  ),
  row('nothing', {}, { accept: 'gzip', says: answer([PLAIN], '') }),
  row('no chunks', {}, { accept: 'gzip', says: chunked([PLAIN], []) }),
  row(
    'trailers',
    { client: /gzip of "piecepiece"/ },
    { accept: 'gzip', says: chunked([PLAIN], ['piece', 'piece'], 'x-sum: 1\r\n') },
  ),
  row('HEAD', {}, { accept: 'gzip', method: 'HEAD', says: answer([PLAIN], '') }),
  row('encoded already', {}, { accept: 'gzip', says: answer([PLAIN, 'content-encoding: br']) }),
  row(
    'no-transform',
    {},
    { accept: 'gzip', says: answer([PLAIN, 'cache-control: max-age=1, No-Transform']) },
  ),
  row('no-cache', COMPRESSED, { accept: 'gzip', says: answer([PLAIN, 'cache-control: no-cache']) }),
  row('a strong etag', { never: /etag/ }, { accept: 'gzip', says: answer([PLAIN, 'etag: "1"']) }),
  row('a weak etag', { client: /^etag: W\/"1"$/ }, { accept: 'gzip', says: answer([PLAIN, 'etag: W/"1"']) }),
  row('a weak etag, w', {}, { accept: 'gzip', says: answer([PLAIN, 'etag: w/"1"']) }),
  row(
    'vary',
    { client: /^vary: Accept, Accept-Encoding$/ },
    { accept: 'gzip', says: answer([PLAIN, 'vary: Accept']) },
  ),
  row('vary by it already', {}, { accept: 'gzip', says: answer([PLAIN, 'vary: accept-encoding']) }),
  row('vary by all', {}, { accept: 'gzip', says: answer([PLAIN, 'vary: *']) }),
  row('vary of what is not compressed', {}, { accept: 'deflate', says: answer([PLAIN]) }),
  row('an error', COMPRESSED, { accept: 'gzip', says: answer([PLAIN], TEXT, '404 Not Found') }),
  row(
    'much',
    { client: /^body by chunked: gzip of 300000 bytes/ },
    { accept: 'gzip', says: answer([PLAIN], 'abc'.repeat(100_000)) },
  ),
  row(
    'in many pieces',
    {},
    {
      accept: 'gzip',
      says: chunked(
        [PLAIN],
        Array.from({ length: 50 }, (_, i) => `piece ${i} `),
      ),
    },
  ),
  row('Brotli', { client: /br of "all work/ }, { on: 'br', accept: 'br' }),
  row('Zstandard', { client: /zstd of "all work/ }, { on: 'zstd', accept: 'zstd' }),
  row('a direct response', {}, { path: '/direct', accept: 'gzip' }),
  row('off on a route', AS_IT_IS, { path: '/off', accept: 'gzip' }),
  row('on a route of a listener where it is off', {}, { on: 'off', path: '/on', accept: 'gzip' }),
  row('on by a route of a listener where it is off', COMPRESSED, {
    on: 'off',
    path: '/really-on',
    accept: 'gzip',
  }),
  row('off', AS_IT_IS, { on: 'off', accept: 'gzip' }),
  row(
    'accept-encoding removed by a route',
    { never: /a\| accept-encoding/ },
    { path: '/remove', accept: 'gzip' },
  ),
  row('another library on a route', {}, { path: '/library', accept: 'gzip, br' }),
];

const STRICT = 'http.strict.compressor.lib.gzip';
const strict: readonly Case[] = [
  row(
    'an etag refused',
    { ...AS_IT_IS, stats: { [`${STRICT}.not_compressed_etag`]: 1 } },
    { on: 'strict', accept: 'gzip', says: answer([PLAIN, 'etag: "1"']) },
  ),
  row(
    'accept-encoding removed',
    { ...COMPRESSED, never: /a\| accept-encoding/ },
    { on: 'strict', accept: 'gzip' },
  ),
  row('a status that is not compressed', AS_IT_IS, {
    on: 'strict',
    accept: 'gzip',
    says: answer([PLAIN], TEXT, '206 Partial'),
  }),
  row(
    'a type of its own',
    {},
    { on: 'strict', accept: 'gzip', says: answer(['content-type: application/own']) },
  ),
  row(
    'a type by its matcher',
    {},
    { on: 'matched', accept: 'gzip', says: answer(['content-type: application/problem+json;x=y']) },
  ),
  row(
    'a type by default, where others are named',
    {},
    { on: 'strict', accept: 'gzip', says: answer(['content-type: text/css']) },
  ),
  row(
    'a short one that is long enough',
    {},
    { on: 'strict', accept: 'gzip', says: answer([PLAIN], 'short') },
  ),
  row(
    'an etag made weak',
    { client: /^etag: W\/"1"$/ },
    { on: 'weak', accept: 'gzip', says: answer([PLAIN, 'etag: "1"']) },
  ),
  ...(
    [
      ['compressed', {}, answer()],
      ['too short', {}, answer([PLAIN], 'short')],
      ['of a wrong type', {}, answer(['content-type: image/png'])],
      ['of a wrong status', {}, answer([PLAIN], TEXT, '206 Partial')],
      ['encoded', {}, answer([PLAIN, 'content-encoding: br'])],
      ['no-transform', {}, answer([PLAIN, 'cache-control: no-transform'])],
      ['of no length', {}, chunked([PLAIN], ['piece'])],
      ['empty', {}, answer([PLAIN], '')],
    ] as const
  ).map(([name, expect, says]) =>
    row(`the status told: ${name}`, expect, { on: 'weak', accept: 'gzip', says }),
  ),
  row('the status told: not accepted', {}, { on: 'weak', accept: 'deflate' }),
  row(
    'the status told: not accepted and short',
    {},
    { on: 'weak', accept: 'deflate', says: answer([PLAIN], 'short') },
  ),
  row(
    'the status told: short, of a wrong type and status',
    {},
    {
      on: 'weak',
      accept: 'gzip',
      says: answer(['content-type: image/png'], 'short', '206 Partial'),
    },
  ),
  row(
    'the status told: of a wrong type and status',
    {},
    {
      on: 'weak',
      accept: 'gzip',
      says: answer(['content-type: image/png'], TEXT, '206 Partial'),
    },
  ),
  row('a type where only a matcher counts', AS_IT_IS, { on: 'matched', accept: 'gzip' }),
  row('the status told: an etag', {}, { on: 'told', accept: 'gzip', says: answer([PLAIN, 'etag: "1"']) }),
];

const several: readonly Case[] = [
  'gzip',
  'br',
  'zstd',
  'gzip, br',
  'br;q=0.5, gzip;q=0.4',
  'zstd, gzip, br',
  '*',
  'deflate',
].flatMap((accept) => [
  row(`two compressors: ${accept}`, {}, { on: 'two', accept }),
  row(`the first of two: ${accept}`, {}, { on: 'first', accept }),
]);

const requests: readonly Case[] = [
  row(
    'a request',
    { upstream: /a\| body by chunked: gzip of "all work/ },
    { on: 'requests', method: 'POST', body: TEXT, headers: [PLAIN] },
  ),
  row(
    'a short request',
    { upstream: /a\| body by length: "short"/ },
    { on: 'requests', method: 'POST', body: 'short', headers: [PLAIN] },
  ),
  row(
    'a request of another type',
    {},
    { on: 'requests', method: 'POST', body: TEXT, headers: ['content-type: image/png'] },
  ),
  row(
    'a request that is encoded',
    {},
    { on: 'requests', method: 'POST', body: TEXT, headers: [PLAIN, 'content-encoding: br'] },
  ),
  row('a request without a body', {}, { on: 'requests' }),
  row(
    'a request of a route where it is off',
    {},
    { on: 'requests', path: '/off', method: 'POST', body: TEXT, headers: [PLAIN] },
  ),
  row(
    'a request from a buffer before',
    { upstream: /gzip of "all work/ },
    { on: 'held-requests', method: 'POST', body: TEXT, headers: [PLAIN] },
  ),
  row(
    'a long request',
    { upstream: /gzip of 300000 bytes/ },
    { on: 'requests', method: 'POST', body: 'abc'.repeat(100_000), headers: [PLAIN] },
  ),
];

const binary = (bytes: Buffer): string => bytes.toString('latin1');
const GZIP = binary(gzipSync(TEXT));
const un = (name: string, expect: Expectation, options: Row = {}): Case =>
  row(`decompressor: ${name}`, expect, { on: 'un-gzip', ...options });
const coded = (coding: string, body: string, ...more: readonly string[]): string =>
  answer([PLAIN, `content-encoding: ${coding}`, ...more], body);
const GUNZIPPED: Expectation = { client: /^body by chunked: "all work/ };
const decompressed: readonly Case[] = [
  un(
    'gzip',
    { ...GUNZIPPED, stats: { 'http.un-gzip.decompressor.lib.gzip.response.decompressed': 1 } },
    { says: coded('gzip', GZIP) },
  ),
  un('Brotli', GUNZIPPED, { on: 'un-br', says: coded('br', binary(brotliCompressSync(TEXT))) }),
  un('Zstandard', GUNZIPPED, { on: 'un-zstd', says: coded('zstd', binary(zstdCompressSync(TEXT))) }),
  un('plain', AS_IT_IS),
  un('another coding', {}, { says: coded('br', binary(brotliCompressSync(TEXT))) }),
  un('GZIP', {}, { says: coded('GZIP', GZIP) }),
  un('two codings', {}, { says: coded('gzip, br', GZIP) }),
  un('two codings, the other first', {}, { says: coded('br, gzip', GZIP) }),
  un('no-transform', {}, { says: coded('gzip', GZIP, 'cache-control: no-transform') }),
  un('no-transform that does not count', GUNZIPPED, {
    on: 'un-strict',
    says: coded('gzip', GZIP, 'cache-control: no-transform'),
  }),
  un('not advertised', { never: /accept-encoding/ }, { on: 'un-strict', says: coded('gzip', GZIP) }),
  un(
    'advertised beside',
    { upstream: /accept-encoding: br,gzip/ },
    { accept: 'br', says: coded('gzip', GZIP) },
  ),
  un('no gzip at all', {}, { says: coded('gzip', TEXT) }),
  un('cut short', {}, { says: coded('gzip', GZIP.slice(0, -12)) }),
  un(
    'a request to a buffer behind',
    { upstream: /"all work/ },
    { on: 'un-held', method: 'POST', body: GZIP, headers: ['content-encoding: gzip'] },
  ),
  un('nothing', {}, { says: coded('gzip', '') }),
  un(
    'a request',
    { upstream: /"all work/ },
    { method: 'POST', body: GZIP, headers: ['content-encoding: gzip'] },
  ),
  un('a plain request', {}, { method: 'POST', body: TEXT }),
  un(
    'a request where it is off',
    {},
    { on: 'un-strict', method: 'POST', body: GZIP, headers: ['content-encoding: gzip'] },
  ),
  un(
    'compressed anew',
    { client: /^body by chunked: br of "all work/ },
    { on: 'anew', accept: 'br', says: coded('gzip', GZIP) },
  ),
];

/** Shows that what was sent has come before the upstream goes on. */
const flushed =
  (coding: string): Script =>
  async (play) => {
    const channel = new Channel(play);
    await takeStep(channel, play, request('GET', '/x', [`accept-encoding: ${coding}`]));
    const so = (): string => {
      const [, ...rest] = channel.text.split('\r\n\r\n');
      return decodedBody(chunksSoFar(rest.join('\r\n\r\n')), coding) ?? '';
    };
    await channel.until(() => so() === 'data: 1\n\n', 'the first event');
    play.backend('a').cue();
    await channel.until(() => so() === 'data: 1\n\ndata: 2\n\n', 'the second event');
    play.backend('a').cue();
    return answersOn(channel, { noProbe: true });
  };
const events = onHttp1(async (x) => {
  x.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n');
  x.write('9\r\ndata: 1\n\n\r\n');
  await x.cue();
  x.write('9\r\ndata: 2\n\n\r\n');
  await x.cue();
  x.write('0\r\n\r\n');
});
const overHttp2: readonly Case[] = [
  {
    ...{ name: 'decompressor: over HTTP/2 it tells how much', covers: 'compression', on: 'un-gzip' },
    expect: {
      client: [/x-envoy-decompressor-lib-compressed-bytes/, /x-envoy-decompressor-lib-uncompressed-bytes/],
    },
    play: http2([h2Get('/x')]),
    answers: { a: coded('gzip', GZIP) },
  },
  {
    ...{ name: 'decompressor: over HTTP/2 it adds to trailers', covers: 'compression', on: 'un-gzip' },
    expect: { client: /x-envoy-decompressor-lib-compressed-bytes/ },
    play: http2([h2Get('/x')]),
    answers: { a: chunked(['content-encoding: gzip'], [GZIP], 'x-sum: 1\r\n') },
  },
  {
    ...{ name: 'compression: over HTTP/2, refused', covers: 'compression', on: 'gzip' },
    expect: {},
    play: http2([h2Get('/x', [['accept-encoding', 'deflate']])]),
    answers: { a: answer() },
  },
];
const streams: readonly Case[] = ['gzip', 'br'].map((coding) => ({
  ...{ name: `compression: events are not held, ${coding}`, covers: 'compression', on: `events-${coding}` },
  expect: { client: new RegExp(`${coding} of "data: 1`) },
  play: flushed(coding),
  answers: { a: events },
}));

const library = (
  which: string,
  kind: 'compressor' | 'decompressor' = 'compressor',
  fields: Message = {},
): Message =>
  extension(
    'lib',
    `compression.${which}.${kind}.v3.${which.slice(0, 1).toUpperCase()}${which.slice(1)}`,
    fields,
  );
const compressor = (which: string, fields: Message = {}): Message =>
  extension('compressor', 'filters.http.compressor.v3.Compressor', {
    compressor_library: library(which),
    ...fields,
  });
const decompressor = (which: string, fields: Message = {}): Message =>
  extension('decompressor', 'filters.http.decompressor.v3.Decompressor', {
    decompressor_library: library(which, 'decompressor'),
    ...fields,
  });
const perRoute = (fields: Message): Message => ({
  typed_per_filter_config: {
    compressor: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.compressor.v3.CompressorPerRoute',
      ...fields,
    },
  },
});
const eventTypes = { response_direction_config: { common_config: { content_type: ['text/event-stream'] } } };
const buffer = extension('buffer', 'filters.http.buffer.v3.Buffer', { max_request_bytes: 1_000_000 });

export const groups: readonly Group[] = [
  {
    name: 'compression',
    backends: { a: http1Backend() },
    bootstrap({ ports }) {
      const on = (name: string, ...filters: readonly Message[]): Message =>
        httpListener(name, {
          filters,
          routes: [
            { match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: TEXT } } },
            route('/off', {}, perRoute({ disabled: true })),
            route('/on', {}, perRoute({ overrides: {} })),
            route('/really-on', {}, perRoute({ overrides: { response_direction_config: {} } })),
            route(
              '/remove',
              {},
              perRoute({ overrides: { response_direction_config: { remove_accept_encoding_header: true } } }),
            ),
            route('/library', {}, perRoute({ overrides: { compressor_library: library('brotli') } })),
            route('/'),
          ],
          hcm: {
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
          },
        });
      return bootstrap(
        [
          on('gzip', compressor('gzip')),
          on('br', compressor('brotli')),
          on('zstd', compressor('zstd')),
          on('off', compressor('gzip', { runtime_enabled: { default_value: false } })),
          on(
            'strict',
            compressor('gzip', {
              response_direction_config: {
                common_config: {
                  content_type: ['text/plain', 'application/own'],
                  min_content_length: 5,
                },
                disable_on_etag_header: true,
                remove_accept_encoding_header: true,
                uncompressible_response_codes: [206],
              },
            }),
          ),
          on(
            'matched',
            compressor('gzip', {
              response_direction_config: {
                common_config: { content_type: ['text/plain'], content_type_matcher: [{ suffix: '+json' }] },
              },
            }),
          ),
          on(
            'weak',
            compressor('gzip', {
              response_direction_config: {
                weaken_etag_on_compress: true,
                status_header_enabled: true,
                uncompressible_response_codes: [206],
              },
            }),
          ),
          on(
            'told',
            compressor('gzip', {
              response_direction_config: { disable_on_etag_header: true, status_header_enabled: true },
            }),
          ),
          on('two', compressor('gzip'), compressor('brotli')),
          on('first', compressor('gzip'), compressor('brotli', { choose_first: true }), compressor('zstd')),
          on('requests', compressor('gzip', { request_direction_config: {} })),
          on('un-held', decompressor('gzip'), buffer),
          on('held-requests', buffer, compressor('gzip', { request_direction_config: {} })),
          on('events-gzip', compressor('gzip', eventTypes)),
          on('events-br', compressor('brotli', eventTypes)),
          on('un-gzip', decompressor('gzip')),
          on('un-br', decompressor('brotli')),
          on('un-zstd', decompressor('zstd')),
          on(
            'un-strict',
            decompressor('gzip', {
              request_direction_config: {
                advertise_accept_encoding: false,
                common_config: { enabled: { default_value: false, runtime_key: 'none' } },
              },
              response_direction_config: { common_config: { ignore_no_transform_header: true } },
            }),
          ),
          on('anew', compressor('brotli'), decompressor('gzip')),
        ],
        [cluster('a', [ports.a!])],
      );
    },
    cases: [...responses, ...strict, ...several, ...requests, ...decompressed, ...overHttp2, ...streams],
  },
];

if (import.meta.main) compare(groups);
