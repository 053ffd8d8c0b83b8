/** The filter decompressor, with each of its libraries. */
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { http1 as http1Backend } from './backend/http1.ts';
import {
  AS_IT_IS,
  answer,
  buffer,
  chunked,
  compressor,
  decompressor,
  log,
  PLAIN,
  type Row,
  row,
  TEXT,
} from './cases/compressed-bodies.ts';
import { bootstrap, cluster, httpListener, type Message } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { h2Get, http2 } from './wire/http2.ts';

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
  un(
    'another coding',
    { client: /^body by length: br of "all work/ },
    { says: coded('br', binary(brotliCompressSync(TEXT))) },
  ),
  un('GZIP', { client: /^body by chunked: "all work/ }, { says: coded('GZIP', GZIP) }),
  un(
    'two codings',
    { client: [/^content-encoding: br$/, /^body by chunked: "all work/] },
    { says: coded('gzip, br', GZIP) },
  ),
  un(
    'two codings, the other first',
    { client: /^content-encoding: br, gzip$/ },
    { says: coded('br, gzip', GZIP) },
  ),
  un(
    'no-transform',
    { client: /^body by length: gzip of "all work/ },
    { says: coded('gzip', GZIP, 'cache-control: no-transform') },
  ),
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
  un(
    'no gzip at all',
    {
      client: /^body by chunked: ""/,
      stats: { 'http.un-gzip.decompressor.lib.gzip.decompressor_library.zlib_data_error': 1 },
    },
    { says: coded('gzip', TEXT) },
  ),
  un('cut short', { client: /^body by chunked: "all work/ }, { says: coded('gzip', GZIP.slice(0, -12)) }),
  un(
    'a request to a buffer behind',
    { upstream: /"all work/ },
    { on: 'un-held', method: 'POST', body: GZIP, headers: ['content-encoding: gzip'] },
  ),
  un('nothing', { client: /^content-encoding: gzip$/ }, { says: coded('gzip', '') }),
  un(
    'a request',
    { upstream: /"all work/ },
    { method: 'POST', body: GZIP, headers: ['content-encoding: gzip'] },
  ),
  un('a plain request', { upstream: /a\| body by length: "all work/ }, { method: 'POST', body: TEXT }),
  un(
    'a request where it is off',
    { upstream: /a\| body by length: gzip of "all work/ },
    { on: 'un-strict', method: 'POST', body: GZIP, headers: ['content-encoding: gzip'] },
  ),
  un(
    'off by the runtime, and not advertised',
    { client: /^body by length: gzip of "all work/, never: /accept-encoding/ },
    { on: 'un-key', says: coded('gzip', GZIP) },
  ),
  un(
    'compressed anew',
    { client: /^body by chunked: br of "all work/ },
    { on: 'anew', accept: 'br', says: coded('gzip', GZIP) },
  ),
];

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
];

export const groups: readonly Group[] = [
  {
    name: 'decompression',
    backends: { a: http1Backend() },
    bootstrap({ ports }) {
      const on = (name: string, ...filters: readonly Message[]): Message =>
        httpListener(name, { filters, hcm: log });
      return bootstrap(
        [
          on('un-held', decompressor('gzip'), buffer),
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
          on(
            'un-key',
            decompressor('gzip', {
              response_direction_config: {
                common_config: { enabled: { default_value: true, runtime_key: 'off' } },
              },
            }),
          ),
          on('anew', compressor('brotli'), decompressor('gzip')),
        ],
        [cluster('a', [ports.a!])],
        { layered_runtime: { layers: [{ name: 'static', static_layer: { off: false } }] } },
      );
    },
    cases: [...decompressed, ...overHttp2],
  },
];

if (import.meta.main) compare(groups);
