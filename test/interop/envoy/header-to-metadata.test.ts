/** The filter header_to_metadata. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1, type Step } from './wire/http1.ts';

const row = (name: string, step: Step, expect: Expectation): Case => ({
  ...{ name: `header_to_metadata: ${name}`, covers: 'header-to-metadata', on: 'main', expect },
  play: http1([step]),
});

const TYPE = 'envoy.extensions.filters.http.header_to_metadata.v3.Config';
const NUMBER = 'IgNvbmU=';

const requestRules: readonly Message[] = [
  {
    header: 'x-version',
    on_header_present: { metadata_namespace: 'm', key: 'version' },
    on_header_missing: { metadata_namespace: 'm', key: 'version', value: 'none' },
  },
  { header: 'x-gone', on_header_present: { metadata_namespace: 'm', key: 'gone' }, remove: true },
  { header: 'x-number', on_header_present: { metadata_namespace: 'm', key: 'number', type: 'NUMBER' } },
  { header: 'x-base64', on_header_present: { metadata_namespace: 'm', key: 'decoded', encode: 'BASE64' } },
  {
    header: 'x-proto',
    on_header_present: { metadata_namespace: 'm', key: 'proto', encode: 'BASE64', type: 'PROTOBUF_VALUE' },
  },
  { header: 'x-fixed', on_header_present: { metadata_namespace: 'm', key: 'fixed', value: 'set' } },
  { cookie: 'session', on_header_present: { metadata_namespace: 'm', key: 'session' } },
  { header: 'x-default', on_header_present: { key: 'ns' } },
  {
    header: ':path',
    on_header_present: {
      metadata_namespace: 'm',
      key: 'first',
      regex_value_rewrite: { pattern: { regex: '^/([^/?]+).*$' }, substitution: '\\1' },
    },
  },
];

const cases: readonly Case[] = [
  row('a text', get('/x', 'x-version: v1'), { log: / version=v1 / }),
  row('a header that is missing', get('/x'), { log: / version=none / }),
  row('an empty header', get('/x', 'x-version:'), { log: / version=/ }),
  row('several values', get('/x', 'x-version: a', 'x-other: c', 'x-version: b'), { log: / version=a,b / }),
  row('removed', get('/x', 'x-gone: here'), { log: / gone=here /, never: /x-gone/ }),
  row('a number', get('/x', 'x-number: 12'), { log: / number=12 / }),
  row('a number with a fraction', get('/x', 'x-number: 1.5'), { log: / number=1\.5 / }),
  row('no number', get('/x', 'x-number: twelve'), { log: / number=- / }),
  row('base64', get('/x', 'x-base64: aGVsbG8='), { log: / decoded=hello / }),
  row('no base64', get('/x', 'x-base64: ***'), { log: / decoded=- / }),
  row(
    'a protobuf value',
    get('/x', `x-proto: ${Buffer.from([0x1a, 3, 0x6f, 0x6e, 0x65]).toString('base64')}`),
    { log: / proto=one / },
  ),
  row('no protobuf value', get('/x', `x-proto: ${NUMBER}`), { log: / proto=/ }),
  row('a value of its own', get('/x', 'x-fixed: anything'), { log: / fixed=set / }),
  row('a cookie', get('/x', 'cookie: a=b; session=s1'), { log: / session=s1 / }),
  row('the namespace of the filter', get('/x', 'x-default: d'), { log: / ns=d / }),
  row('a part of the path', get('/part/of/it'), { log: / first=part / }),
  row('a response', get('/echo'), { log: / upstream=here / }),
  row('of the route', get('/route', 'x-version: v1', 'x-route: r'), { log: / version=- .* route=r / }),
  row('without a route', 'GET /x HTTP/1.1\r\nhost: nobody.example\r\nx-test: @ID@\r\nx-version: v2\r\n\r\n', {
    status: 404,
    log: / version=v2 /,
  }),
];

const seen = (key: string, namespace = 'm'): string => `%DYNAMIC_METADATA(${namespace}:${key})%`;

export const groups: readonly Group[] = [
  {
    name: 'header to metadata',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            filters: [
              extension('headers', 'filters.http.header_to_metadata.v3.Config', {
                request_rules: requestRules,
                response_rules: [
                  { header: 'x-upstream', on_header_present: { metadata_namespace: 'm', key: 'upstream' } },
                ],
              }),
            ],
            hosts: [
              {
                name: 'all',
                domains: ['test.example'],
                routes: [
                  route(
                    '/route',
                    {},
                    {
                      typed_per_filter_config: {
                        headers: {
                          '@type': `type.googleapis.com/${TYPE}`,
                          request_rules: [
                            {
                              header: 'x-route',
                              on_header_present: { metadata_namespace: 'm', key: 'route' },
                            },
                          ],
                        },
                      },
                    },
                  ),
                  route('/'),
                ],
              },
            ],
            log: [
              ...[
                'version',
                'gone',
                'number',
                'decoded',
                'proto',
                'fixed',
                'session',
                'first',
                'upstream',
                'route',
              ].map((key) => `${key}=${seen(key)}`),
              `ns=${seen('ns', 'envoy.filters.http.header_to_metadata')}`,
              '.',
            ],
          }),
        ],
        [cluster('a', [ports.a!])],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
