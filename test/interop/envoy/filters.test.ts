/** HTTP filters: what they see, what the route table says of them, and the small ones. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { dataFrame } from './wire/h2-frames.ts';
import { get, http1, request, type Step } from './wire/http1.ts';
import { h2Get, h2Post, http2 } from './wire/http2.ts';

const row = (
  name: string,
  on: string,
  steps: readonly Step[],
  expect: Expectation,
  methods: readonly string[] = ['GET'],
): Case => ({ ...{ name, covers: 'filters', on, expect }, play: http1(steps, { methods }) });

const type = (name: string): Message => ({
  '@type': `type.googleapis.com/envoy.extensions.filters.http.${name}`,
});
const perFilter = (configs: Message): Message => ({ typed_per_filter_config: configs });
const FILTER_CONFIG = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig' };

// --- CORS

const exact = (...origins: readonly string[]): Message => ({
  allow_origin_string_match: origins.map((origin) => ({ exact: origin })),
});
const policy = (fields: Message): Message =>
  perFilter({ cors: { ...type('cors.v3.CorsPolicy'), ...fields } });
const corsFilter = extension('cors', 'filters.http.cors.v3.Cors');
const GOOD = 'origin: https://good.example';
const BAD = 'origin: https://bad.example';
const preflight = (path: string, origin: string, ...more: readonly string[]): Step =>
  request('OPTIONS', path, [origin, 'access-control-request-method: PUT', ...more]);

const percent = (numerator: number): Message => ({ default_value: { numerator, denominator: 'HUNDRED' } });

const corsRoutes: readonly Message[] = [
  route(
    '/refuse-full',
    {},
    policy({
      ...exact('https://good.example'),
      allow_methods: 'GET,PUT',
      expose_headers: 'x-seen',
      max_age: '600',
      allow_credentials: true,
      allow_private_network_access: true,
      forward_not_matching_preflights: false,
    }),
  ),
  route(
    '/full',
    {},
    policy({
      ...exact('https://good.example'),
      allow_methods: 'GET,PUT',
      allow_headers: 'x-one,x-two',
      expose_headers: 'x-seen',
      max_age: '600',
      allow_credentials: true,
      allow_private_network_access: true,
    }),
  ),
  route('/any', {}, policy({ ...exact('*') })),
  route('/suffix', {}, policy({ allow_origin_string_match: [{ suffix: '.good.example' }] })),
  route('/refuse', {}, policy({ ...exact('https://good.example'), forward_not_matching_preflights: false })),
  route('/off', {}, policy({ ...exact('https://good.example'), filter_enabled: percent(0) })),
  route(
    '/shadow',
    {},
    policy({
      ...exact('https://good.example'),
      filter_enabled: percent(0),
      shadow_enabled: percent(100),
    }),
  ),
  route('/methods', {}, policy({ allow_methods: 'DELETE', max_age: '1' })),
  {
    match: { prefix: '/direct' },
    direct_response: { status: 418, body: { inline_string: 'short' } },
    ...policy(exact('https://good.example')),
  },
  {
    match: { prefix: '/weighted' },
    route: {
      weighted_clusters: {
        clusters: [{ name: 'a', weight: 1, ...policy({ expose_headers: 'x-weighted' }) }],
      },
    },
    ...policy({ ...exact('https://good.example'), expose_headers: 'x-route' }),
  },
  route('/'),
];

const cors: readonly Case[] = [
  row(
    'cors: a preflight',
    'cors',
    [preflight('/full', GOOD)],
    {
      status: 200,
      client: [
        /^access-control-allow-methods: GET,PUT$/,
        /^access-control-allow-credentials: true$/,
        /^access-control-max-age: 600$/,
      ],
      upstream: 'nothing',
      log: / 200 - cors_response /,
      stats: { 'http.cors.cors.origin_valid': 1 },
    },
    ['OPTIONS'],
  ),
  row(
    'cors: a preflight of a private network',
    'cors',
    [preflight('/full', GOOD, 'access-control-request-private-network: true')],
    {
      client: /^access-control-allow-private-network: true$/,
    },
    ['OPTIONS'],
  ),
  row('cors: a request', 'cors', [get('/full', GOOD)], {
    status: 200,
    client: [
      /^access-control-allow-origin: https:\/\/good\.example$/,
      /^access-control-expose-headers: x-seen$/,
    ],
    upstream: /GET \/full/,
  }),
  row('cors: a request of another origin', 'cors', [get('/full', BAD)], {
    status: 200,
    never: /access-control/,
    stats: { 'http.cors.cors.origin_invalid': 1 },
  }),
  row(
    'cors: a preflight of another origin goes on',
    'cors',
    [preflight('/full', BAD)],
    {
      upstream: /OPTIONS \/full/,
      stats: { 'http.cors.cors.origin_invalid': 1 },
    },
    ['OPTIONS'],
  ),
  row(
    'cors: a preflight of another origin is answered',
    'cors',
    [preflight('/refuse', BAD)],
    {
      status: 200,
      upstream: 'nothing',
      client: /^access-control-allow-headers: x-host$/,
      never: /access-control-allow-origin/,
    },
    ['OPTIONS'],
  ),
  row(
    'cors: a preflight of another origin is answered with all that is allowed',
    'cors',
    [preflight('/refuse-full', BAD, 'access-control-request-private-network: true')],
    { status: 200, upstream: 'nothing', never: /access-control-allow-origin/ },
    ['OPTIONS'],
  ),
  row('cors: a request of another origin where preflights are answered', 'cors', [get('/refuse', BAD)], {
    upstream: /GET/,
  }),
  row(
    'cors: OPTIONS that is no preflight',
    'cors',
    [request('OPTIONS', '/full', [GOOD])],
    { upstream: /OPTIONS/ },
    ['OPTIONS'],
  ),
  row('cors: no origin', 'cors', [get('/full')], { status: 200, never: /access-control/ }),
  row('cors: an empty origin', 'cors', [get('/full', 'origin:')], { status: 200, never: /access-control/ }),
  row('cors: every origin', 'cors', [get('/any', BAD)], {
    client: /^access-control-allow-origin: https:\/\/bad\.example$/,
  }),
  row('cors: a suffix', 'cors', [get('/suffix', 'origin: https://very.good.example')], {
    client: /very\.good/,
  }),
  row(
    'cors: off',
    'cors',
    [preflight('/off', GOOD)],
    { upstream: /OPTIONS/, never: /access-control-allow/ },
    ['OPTIONS'],
  ),
  row('cors: in the shadow', 'cors', [get('/shadow', GOOD)], {
    never: /access-control/,
    stats: { 'http.cors.cors.origin_valid': 1 },
  }),
  row(
    'cors: what the route does not say, the host does',
    'cors',
    [preflight('/methods', 'origin: https://host.example')],
    {
      status: 200,
      client: [/^access-control-allow-methods: DELETE$/, /^access-control-allow-headers: x-host$/],
    },
    ['OPTIONS'],
  ),
  row('cors: of the host', 'cors', [get('/plain', 'origin: https://host.example')], {
    client: /^access-control-expose-headers: x-host-seen$/,
  }),
  row('cors: a direct response', 'cors', [get('/direct', GOOD)], {
    status: 418,
    never: /access-control/,
  }),
  row('cors: of a weighted cluster', 'cors', [get('/weighted', GOOD)], {
    client: /^access-control-expose-headers: x-weighted$/,
  }),
  row('cors: an upstream that says it itself', 'cors', [get('/full/own', GOOD)], { status: 200 }),
  {
    name: 'cors: over HTTP/2',
    covers: 'filters',
    on: 'cors',
    play: http2([h2Get('/full', [['origin', 'https://good.example']])]),
    expect: { status: 200, client: /access-control-allow-origin/ },
  },
];

// --- buffer

const bufferRoutes: readonly Message[] = [
  route('/off', {}, perFilter({ buffer: { ...type('buffer.v3.BufferPerRoute'), disabled: true } })),
  route(
    '/more',
    {},
    perFilter({ buffer: { ...type('buffer.v3.BufferPerRoute'), buffer: { max_request_bytes: 64 } } }),
  ),
  { match: { prefix: '/direct' }, direct_response: { status: 418 } },
  route('/'),
];

const chunked = (path: string, ...chunks: readonly string[]): Step =>
  request(
    'POST',
    path,
    ['transfer-encoding: chunked'],
    [...chunks, ''].map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join(''),
  );
const sized = (path: string, body: string): Step =>
  request('POST', path, [`content-length: ${body.length}`], body);
const ten = '0123456789';

const buffered: readonly Case[] = [
  row(
    'buffer: chunks get a length',
    'buffer',
    [chunked('/echo', ten, 'abc')],
    {
      status: 200,
      upstream: [/content-length: 13$/, /0123456789abc/],
      never: /transfer-encoding/,
    },
    ['POST'],
  ),
  row(
    'buffer: a length stays',
    'buffer',
    [sized('/echo', ten)],
    { status: 200, upstream: /content-length: 10$/ },
    ['POST'],
  ),
  row('buffer: as much as is allowed', 'buffer', [chunked('/echo', ten, ten)], { status: 200 }, ['POST']),
  row(
    'buffer: too much',
    'buffer',
    [chunked('/echo', ten, ten, 'x')],
    {
      status: 413,
      client: /Payload Too Large/,
      upstream: 'nothing',
      log: / 413 - request_payload_too_large /,
      stats: { 'http.buffer.downstream_rq_too_large': 1 },
    },
    ['POST'],
  ),
  row('buffer: too much of a length', 'buffer', [sized('/echo', ten + ten + ten)], { status: 413 }, ['POST']),
  row(
    'buffer: off on the route',
    'buffer',
    [chunked('/off', ten, ten, ten)],
    { status: 200, upstream: /transfer-encoding: chunked/ },
    ['POST'],
  ),
  row(
    'buffer: more on the route',
    'buffer',
    [chunked('/more', ten, ten, ten)],
    { status: 200, upstream: /content-length: 30$/ },
    ['POST'],
  ),
  row('buffer: no body', 'buffer', [get('/echo')], { status: 200, never: /content-length: 0/ }),
  row('buffer: an empty body', 'buffer', [chunked('/echo')], { status: 200 }, ['POST']),
  row(
    'buffer: a direct response waits for the body',
    'buffer',
    [chunked('/direct', ten)],
    { status: 418, connection: 'open' },
    ['POST'],
  ),
  {
    name: 'buffer: over HTTP/2',
    covers: 'filters',
    on: 'buffer',
    play: http2([h2Post('/echo'), dataFrame(1, ten, true)]),
    expect: { status: 200, upstream: /content-length: 10$/ },
  },
];

// --- set_metadata

const setMetadata = (fields: Message): Message =>
  extension('set_metadata', 'filters.http.set_metadata.v3.Config', fields);
const seen = (namespace: string): string => `%DYNAMIC_METADATA(${namespace})%`;

const metadata: readonly Case[] = [
  row('set_metadata: texts, numbers and objects', 'metadata', [get('/echo')], {
    log: /one=\{.*"b":\{"c":"d"\}.*\} b=\{"c":"d"\} c=d n=1 none=- /,
  }),
  row('set_metadata: merged and denied', 'metadata', [get('/echo')], {
    log: / two=.*denied=1/,
    stats: { 'http.metadata.set_metadata.overwrite_denied': 2 },
  }),
  row('set_metadata: without a route', 'metadata', [get('/nowhere')], { status: 404, log: / c=d / }),
  row('set_metadata: into a header', 'metadata', [get('/header')], { client: /^x-from-metadata: d$/ }),
  row('set_metadata: an answer of our own', 'metadata', [get('/direct')], { status: 418, log: / c=d / }),
];

// --- what the route table says of filters as such

const tag = (name: string, value: string, disabled = false): Message => ({
  ...extension(name, 'filters.http.set_metadata.v3.Config', {
    metadata: [{ metadata_namespace: name, value: { k: value } }],
  }),
  ...(disabled && { disabled }),
});
const off = (...names: readonly string[]): Message =>
  perFilter(Object.fromEntries(names.map((name) => [name, { ...FILTER_CONFIG, disabled: true }])));
const on = (...names: readonly string[]): Message =>
  perFilter(Object.fromEntries(names.map((name) => [name, { ...FILTER_CONFIG, config: {} }])));

const chains: readonly Case[] = [
  row('filters: as the listener says', 'chains', [get('/plain')], { log: / on=yes off=- / }),
  row('filters: off by the route', 'chains', [get('/off')], { log: / on=- off=- / }),
  row('filters: on by the route', 'chains', [get('/on')], { log: / on=yes off=yes / }),
  row('filters: a cluster says otherwise than its route', 'chains', [get('/weighted')], {
    log: / on=yes off=- /,
  }),
  row('filters: optional ones that nobody knows', 'chains', [get('/optional')], {
    status: 200,
    log: / on=yes /,
  }),
  row('filters: without a route', 'chains', [get('/nowhere')], { status: 404, log: / on=yes off=- / }),
  row(
    'filters: off by the host, for a request without a route',
    'chains',
    ['GET /nowhere HTTP/1.1\r\nhost: quiet.example\r\nx-test: @ID@\r\n\r\n'],
    { status: 404, log: / on=yes / },
  ),
  row(
    'filters: off by the host',
    'chains',
    ['GET /quiet HTTP/1.1\r\nhost: quiet.example\r\nx-test: @ID@\r\n\r\n'],
    { log: / on=- / },
  ),
  row(
    'filters: on by the route, off by the host',
    'chains',
    ['GET /loud HTTP/1.1\r\nhost: quiet.example\r\nx-test: @ID@\r\n\r\n'],
    { log: / on=yes / },
  ),
  row('filters: a cluster that is not there', 'chains', [get('/gone')], {
    status: 503,
    log: / 503 NC .* on=yes /,
  }),
  row(
    'filters: a redirect to TLS',
    'chains',
    ['GET /x HTTP/1.1\r\nhost: secure.example\r\nx-test: @ID@\r\n\r\n'],
    { status: 301, log: / on=yes / },
  ),
  row(
    'filters: an upgrade that is refused',
    'chains',
    [get('/plain', 'upgrade: websocket', 'connection: upgrade')],
    { status: 403, log: / 403 .* on=- / },
  ),
];

export const groups: readonly Group[] = [
  {
    name: 'filters',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('cors', {
            filters: [corsFilter],
            routes: corsRoutes,
            host: policy({
              ...exact('https://host.example'),
              allow_headers: 'x-host',
              expose_headers: 'x-host-seen',
            }),
          }),
          httpListener('buffer', {
            filters: [extension('buffer', 'filters.http.buffer.v3.Buffer', { max_request_bytes: 20 })],
            routes: bufferRoutes,
          }),
          httpListener('metadata', {
            filters: [
              setMetadata({
                metadata: [
                  { metadata_namespace: 'one', value: { b: { c: 'd' }, n: 1 } },
                  { metadata_namespace: 'two', value: { list: [1], kept: true } },
                  { metadata_namespace: 'two', allow_overwrite: true, value: { list: ['x'] } },
                  { metadata_namespace: 'two', value: { kept: false } },
                ],
              }),
            ],
            routes: [
              { match: { prefix: '/direct' }, direct_response: { status: 418 } },
              route(
                '/header',
                {},
                {
                  response_headers_to_add: [
                    { header: { key: 'x-from-metadata', value: '%DYNAMIC_METADATA(one:b:c)%' } },
                  ],
                },
              ),
              route('/echo'),
            ],
            log: [
              `one=${seen('one')}`,
              `b=${seen('one:b')}`,
              `c=${seen('one:b:c')}`,
              `n=${seen('one:n')}`,
              `none=${seen('none:x')}`,
              `two=${seen('two:list')} denied=1`,
            ],
          }),
          httpListener('chains', {
            filters: [tag('on', 'yes'), tag('off', 'yes', true)],
            hosts: [
              {
                name: 'quiet',
                domains: ['quiet.example'],
                ...off('on'),
                routes: [route('/quiet'), route('/loud', {}, on('on'))],
              },
              { name: 'secure', domains: ['secure.example'], require_tls: 'ALL', routes: [route('/')] },
              {
                name: 'all',
                domains: ['*'],
                routes: [
                  route('/off', {}, off('on')),
                  route('/on', {}, on('off')),
                  route('/gone', { cluster: 'gone' }),
                  {
                    match: { prefix: '/weighted' },
                    route: { weighted_clusters: { clusters: [{ name: 'a', weight: 1, ...on('on') }] } },
                    ...off('on'),
                  },
                  route(
                    '/optional',
                    {},
                    perFilter({
                      strange: {
                        ...FILTER_CONFIG,
                        is_optional: true,
                        config: { '@type': 'type.googleapis.com/google.protobuf.Struct' },
                      },
                    }),
                  ),
                  route('/plain'),
                ],
              },
            ],
            log: [`on=${seen('on:k')}`, `off=${seen('off:k')}`, '.'],
          }),
        ],
        [cluster('a', [ports.a!])],
      ),
    cases: [...cors, ...buffered, ...metadata, ...chains],
  },
];

if (import.meta.main) compare(groups);
