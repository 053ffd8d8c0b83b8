/** The filter compressor, with each of its libraries. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import {
  AS_IT_IS,
  answer,
  buffer,
  COMPRESSED,
  chunked,
  compressor,
  library,
  log,
  PLAIN,
  row,
  TEXT,
} from './cases/compressed-bodies.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Channel } from './wire/channel.ts';
import { answersOn, request, takeStep } from './wire/http1.ts';
import { chunksSoFar, decodedBody } from './wire/http1-body.ts';
import { h2Get, http2 } from './wire/http2.ts';

const STAT = 'http.gzip.compressor.lib.gzip';
const told = (status: string): Expectation => ({
  client: new RegExp(`^x-envoy-compression-status: gzip;${status}$`),
});
const untold: Expectation = { status: 200, never: /compression-status/ };

const choices: readonly (readonly [accept: string, expect: Expectation])[] = [
  ['gzip', { ...COMPRESSED, stats: { [`${STAT}.header_compressor_used`]: 1, [`${STAT}.compressed`]: 1 } }],
  ['deflate, gzip', COMPRESSED],
  ['GZIP', AS_IT_IS],
  ['gzip;q=0', { ...AS_IT_IS, stats: { [`${STAT}.header_not_valid`]: 1 } }],
  ['gzip;q=0.5', COMPRESSED],
  ['gzip ; Q = 0.5', COMPRESSED],
  ['gzip;q=0.5, identity', { ...AS_IT_IS, stats: { [`${STAT}.header_identity`]: 1 } }],
  ['gzip, identity;q=0.5', COMPRESSED],
  ['identity', AS_IT_IS],
  ['*', { ...COMPRESSED, stats: { [`${STAT}.header_wildcard`]: 1 } }],
  ['*;q=0', AS_IT_IS],
  ['*, gzip;q=0', AS_IT_IS],
  ['deflate', AS_IT_IS],
  ['deflate;q=1, gzip;q=0.2', COMPRESSED],
  ['gzip;q=x', AS_IT_IS],
  ['gzip;q=', AS_IT_IS],
  [',,', AS_IT_IS],
  ['gzip;level=1', COMPRESSED],
  ['gzip;level=1;q=0', COMPRESSED],
];

const compressedTypes = [
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
  'application/grpc-web+proto',
];
const otherTypes = [
  'image/png',
  'text/event-stream',
  'application/octet-stream',
  'application/grpc',
  'application/wasm',
];

const responses: readonly Case[] = [
  ...choices.map(([accept, expect]) => row(`accept-encoding: ${accept}`, expect, { accept })),
  row('no accept-encoding', { ...AS_IT_IS, stats: { [`${STAT}.no_accept_header`]: 1 } }),
  row('two lines of accept-encoding', COMPRESSED, {
    headers: ['accept-encoding: deflate', 'accept-encoding: gzip'],
  }),
  ...compressedTypes.map((type) =>
    row(`type ${type}`, COMPRESSED, { accept: 'gzip', says: answer([`content-type: ${type}`]) }),
  ),
  ...otherTypes.map((type) =>
    row(`type ${type}`, AS_IT_IS, { accept: 'gzip', says: answer([`content-type: ${type}`]) }),
  ),
  row('no type', COMPRESSED, { accept: 'gzip', says: answer([]) }),
  row(
    'short',
    { client: /^body by length: "short"/, stats: { [`${STAT}.content_length_too_small`]: 1 } },
    { accept: 'gzip', says: answer([PLAIN], 'short') },
  ),
  row(
    '29 bytes',
    { client: /^body by length: "xxx/ },
    { accept: 'gzip', says: answer([PLAIN], 'x'.repeat(29)) },
  ),
  row(
    '30 bytes',
    { client: /^body by chunked: gzip of "xxx/ },
    { accept: 'gzip', says: answer([PLAIN], 'x'.repeat(30)) },
  ),
  row(
    'of no told length',
    { client: /gzip of "short"/ },
    { accept: 'gzip', says: chunked([PLAIN], ['short']) },
  ),
  row('nothing', { client: /^body by length: ""/ }, { accept: 'gzip', says: answer([PLAIN], '') }),
  row(
    'no chunks',
    { client: /^body by chunked: gzip of ""/ },
    { accept: 'gzip', says: chunked([PLAIN], []) },
  ),
  row(
    'trailers',
    { client: /gzip of "piecepiece"/ },
    { accept: 'gzip', says: chunked([PLAIN], ['piece', 'piece'], 'x-sum: 1\r\n') },
  ),
  row(
    'HEAD',
    { status: 200, never: /content-encoding/ },
    { accept: 'gzip', method: 'HEAD', says: answer([PLAIN], '') },
  ),
  row(
    'encoded already',
    { client: [/^content-encoding: br$/, /^body by length: "all work/] },
    { accept: 'gzip', says: answer([PLAIN, 'content-encoding: br']) },
  ),
  row('no-transform', AS_IT_IS, {
    accept: 'gzip',
    says: answer([PLAIN, 'cache-control: max-age=1, No-Transform']),
  }),
  row('no-cache', COMPRESSED, { accept: 'gzip', says: answer([PLAIN, 'cache-control: no-cache']) }),
  row('a strong etag', { never: /etag/ }, { accept: 'gzip', says: answer([PLAIN, 'etag: "1"']) }),
  row('a weak etag', { client: /^etag: W\/"1"$/ }, { accept: 'gzip', says: answer([PLAIN, 'etag: W/"1"']) }),
  row(
    'a weak etag, w',
    { client: /^etag: w\/"1"$/ },
    { accept: 'gzip', says: answer([PLAIN, 'etag: w/"1"']) },
  ),
  row(
    'vary',
    { client: /^vary: Accept, Accept-Encoding$/ },
    { accept: 'gzip', says: answer([PLAIN, 'vary: Accept']) },
  ),
  row(
    'vary by it already',
    { client: /^vary: accept-encoding, Accept-Encoding$/ },
    { accept: 'gzip', says: answer([PLAIN, 'vary: accept-encoding']) },
  ),
  row(
    'vary by all',
    { client: /^vary: \*, Accept-Encoding$/ },
    { accept: 'gzip', says: answer([PLAIN, 'vary: *']) },
  ),
  row(
    'vary of what is not compressed',
    { client: [/^vary: Accept-Encoding$/, /^body by length: "all work/] },
    { accept: 'deflate', says: answer([PLAIN]) },
  ),
  row('an error', COMPRESSED, { accept: 'gzip', says: answer([PLAIN], TEXT, '404 Not Found') }),
  row(
    'much',
    { client: /^body by chunked: gzip of 300000 bytes/ },
    { accept: 'gzip', says: answer([PLAIN], 'abc'.repeat(100_000)) },
  ),
  row(
    'in many pieces',
    { client: /^body by chunked: gzip of "piece 0 piece 1/ },
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
  row('a direct response', COMPRESSED, { path: '/direct', accept: 'gzip' }),
  row('off on a route', AS_IT_IS, { path: '/off', accept: 'gzip' }),
  row('on a route of a listener where it is off', AS_IT_IS, { on: 'off', path: '/on', accept: 'gzip' }),
  row('on by a route of a listener where it is off', COMPRESSED, {
    on: 'off',
    path: '/really-on',
    accept: 'gzip',
  }),
  row('off', AS_IT_IS, { on: 'off', accept: 'gzip' }),
  row('off by the runtime', AS_IT_IS, { on: 'key-off', accept: 'gzip' }),
  row('on by the runtime', COMPRESSED, { on: 'key-on', accept: 'gzip' }),
  row(
    'accept-encoding removed by a route',
    { never: /a\| accept-encoding/ },
    { path: '/remove', accept: 'gzip' },
  ),
  row(
    'another library on a route',
    { client: /^body by chunked: br of "all work/ },
    { path: '/library', accept: 'gzip, br' },
  ),
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
  row('a type of its own', COMPRESSED, {
    on: 'strict',
    accept: 'gzip',
    says: answer(['content-type: application/own']),
  }),
  row('a type by its matcher', COMPRESSED, {
    on: 'matched',
    accept: 'gzip',
    says: answer(['content-type: application/problem+json;x=y']),
  }),
  row('a type by default, where others are named', AS_IT_IS, {
    on: 'strict',
    accept: 'gzip',
    says: answer(['content-type: text/css']),
  }),
  row(
    'a short one that is long enough',
    { client: /^body by chunked: gzip of "short"/ },
    { on: 'strict', accept: 'gzip', says: answer([PLAIN], 'short') },
  ),
  row(
    'an etag made weak',
    { client: /^etag: W\/"1"$/ },
    { on: 'weak', accept: 'gzip', says: answer([PLAIN, 'etag: "1"']) },
  ),
  ...(
    [
      ['compressed', told('Compressed;OriginalLength=210'), answer()],
      ['too short', told('ContentLengthTooSmall'), answer([PLAIN], 'short')],
      ['of a wrong type', told('ContentTypeNotAllowed'), answer(['content-type: image/png'])],
      ['of a wrong status', told('StatusCodeNotAllowed'), answer([PLAIN], TEXT, '206 Partial')],
      ['encoded', untold, answer([PLAIN, 'content-encoding: br'])],
      ['no-transform', untold, answer([PLAIN, 'cache-control: no-transform'])],
      ['of no length', told('Compressed;OriginalLength='), chunked([PLAIN], ['piece'])],
      ['empty', untold, answer([PLAIN], '')],
    ] as const
  ).map(([name, expect, says]) =>
    row(`the status told: ${name}`, expect, { on: 'weak', accept: 'gzip', says }),
  ),
  row(
    'the status told: not accepted',
    { client: /^vary: Accept-Encoding$/, never: /compression-status/ },
    { on: 'weak', accept: 'deflate' },
  ),
  row('the status told: not accepted and short', told('ContentLengthTooSmall'), {
    on: 'weak',
    accept: 'deflate',
    says: answer([PLAIN], 'short'),
  }),
  row('the status told: short, of a wrong type and status', told('ContentLengthTooSmall'), {
    on: 'weak',
    accept: 'gzip',
    says: answer(['content-type: image/png'], 'short', '206 Partial'),
  }),
  row('the status told: of a wrong type and status', told('ContentTypeNotAllowed'), {
    on: 'weak',
    accept: 'gzip',
    says: answer(['content-type: image/png'], TEXT, '206 Partial'),
  }),
  row('a type where only a matcher counts', AS_IT_IS, { on: 'matched', accept: 'gzip' }),
  row('the status told: an etag', told('EtagNotAllowed'), {
    on: 'told',
    accept: 'gzip',
    says: answer([PLAIN, 'etag: "1"']),
  }),
];

/** What comes of gzip and Brotli, and of gzip, Brotli that is to be first, and Zstandard; '': nothing. */
const winners: readonly (readonly [accept: string, ofTwo: string, ofThree: string])[] = [
  ['gzip', 'gzip', 'gzip'],
  ['br', 'br', 'br'],
  ['zstd', '', 'zstd'],
  ['gzip, br', 'gzip', 'br'],
  ['br;q=0.5, gzip;q=0.4', 'br', 'br'],
  ['zstd, gzip, br', 'gzip', 'br'],
  ['*', 'gzip', 'gzip'],
  ['deflate', '', ''],
];
const winner = (coding: string): Expectation =>
  coding === '' ? AS_IT_IS : { client: new RegExp(`^body by chunked: ${coding} of "all work`) };
const several: readonly Case[] = winners.flatMap(([accept, ofTwo, ofThree]) => [
  row(`two compressors: ${accept}`, winner(ofTwo), { on: 'two', accept }),
  row(`three compressors: ${accept}`, winner(ofThree), { on: 'first', accept }),
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
    { upstream: /a\| body by length: "all work/ },
    { on: 'requests', method: 'POST', body: TEXT, headers: ['content-type: image/png'] },
  ),
  row(
    'a request that is encoded',
    { upstream: /a\| body by length: "all work/ },
    { on: 'requests', method: 'POST', body: TEXT, headers: [PLAIN, 'content-encoding: br'] },
  ),
  row(
    'a request without a body',
    { stats: { 'http.requests.compressor.lib.gzip.request.not_compressed': 1 } },
    { on: 'requests' },
  ),
  row(
    'a request of a route where it is off',
    { upstream: /a\| body by chunked: gzip of "all work/ },
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

const overHttp2: readonly Case[] = [
  {
    ...{ name: 'compression: over HTTP/2, refused', covers: 'compression', on: 'gzip' },
    expect: { client: /vary: Accept-Encoding/ },
    play: http2([h2Get('/x', [['accept-encoding', 'deflate']])]),
    answers: { a: answer() },
  },
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
const streams: readonly Case[] = ['gzip', 'br'].map((coding) => ({
  ...{ name: `compression: events are not held, ${coding}`, covers: 'compression', on: `events-${coding}` },
  expect: { client: new RegExp(`${coding} of "data: 1`) },
  play: flushed(coding),
  answers: { a: events },
}));

const perRoute = (fields: Message): Message => ({
  typed_per_filter_config: {
    compressor: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.compressor.v3.CompressorPerRoute',
      ...fields,
    },
  },
});
const eventTypes = { response_direction_config: { common_config: { content_type: ['text/event-stream'] } } };

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
          hcm: log,
        });
      return bootstrap(
        [
          on('gzip', compressor('gzip')),
          on('br', compressor('brotli')),
          on('zstd', compressor('zstd')),
          on('off', compressor('gzip', { runtime_enabled: { default_value: false } })),
          on('key-off', compressor('gzip', { runtime_enabled: { default_value: true, runtime_key: 'off' } })),
          on('key-on', compressor('gzip', { runtime_enabled: { default_value: false, runtime_key: 'on' } })),
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
          on('held-requests', buffer, compressor('gzip', { request_direction_config: {} })),
          on('events-gzip', compressor('gzip', eventTypes)),
          on('events-br', compressor('brotli', eventTypes)),
        ],
        [cluster('a', [ports.a!])],
        { layered_runtime: { layers: [{ name: 'static', static_layer: { off: false, on: true } }] } },
      );
    },
    cases: [...responses, ...strict, ...several, ...requests, ...overHttp2, ...streams],
  },
];

if (import.meta.main) compare(groups);
