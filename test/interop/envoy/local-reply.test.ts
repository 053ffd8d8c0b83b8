/** Replies of the proxy itself, as local_reply_config rewrites them, and what the access log says of them. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1, type Step } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const row = (name: string, on: string, step: Step, expect: Expectation): Case => ({
  ...{ name: `local reply: ${name}`, covers: 'headers', on, expect },
  play: http1([step]),
});

const mapped: readonly Case[] = [
  row('a status is mapped', 'main', get('/nowhere'), {
    status: 450,
    client: [/^x-mapped: status/, /"mapped body"/],
    log: / 450 NR /,
  }),
  row('a flag is mapped', 'main', get('/refused'), { status: 503, client: [/^x-mapped: flag/, /UF/] }),
  row('the first mapper that matches', 'main', get('/direct'), { status: 451, client: /^x-mapped: first/ }),
  row('no mapper matches: the format of all', 'main', get('/empty'), {
    status: 503,
    client: /no healthy upstream.*503/,
  }),
  row('an answer of the upstream is no local reply', 'main', get('/status/404'), {
    status: 404,
    client: /"status 404"/,
    never: /x-mapped/,
  }),
  row('by a header of the request', 'main', get('/nowhere', 'x-json: yes'), {
    status: 404,
    client: [/content-type: application\/json/, /404.*\/nowhere/],
  }),
  row('a request that is no HTTP', 'main', head('nonsense'), { status: 400, client: /code/ }),
  row('the body of a direct response is kept as %LOCAL_REPLY_BODY%', 'text', get('/direct'), {
    client: /"403 no way/,
  }),
  row('the content-type of a text format', 'text', get('/nowhere'), { client: /^content-type: text\/html/ }),
  {
    name: 'local reply: over HTTP/2',
    covers: 'headers',
    on: 'main',
    play: http2([h2Get('/nowhere')]),
    expect: { status: 450, client: /"mapped body"/ },
  },
];

const logs: readonly Case[] = [
  row('logged by its status', 'logged', get('/status/500'), { log: /^only-5xx 500/ }),
  row('not logged by its status', 'logged', get('/status/200'), { log: 'nothing' }),
  row('logged by a header', 'logged', get('/status/200', 'x-log: yes'), { log: /^only-header 200/ }),
  row('logged by a flag', 'logged', get('/refused'), { log: [/^only-5xx 503/, /^only-flag 503 UF/] }),
].map((made) => ({ ...made, logLines: made.expect.log === 'nothing' ? 0 : 1 }));

const fileLog = (name: string, filter: Message): Message => ({
  ...extension(name, 'access_loggers.file.v3.FileAccessLog', {
    path: '@LOG@',
    log_format: { text_format_source: { inline_string: `${name} %RESPONSE_CODE% %RESPONSE_FLAGS%\n` } },
  }),
  filter,
});
const by = (value: number, op = 'EQ'): Message => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: 'none' } } },
});

export const groups: readonly Group[] = [
  {
    name: 'local replies',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) => {
      const routes = [
        { match: { path: '/direct' }, direct_response: { status: 403, body: { inline_string: 'no way' } } },
        route('/refused', { cluster: 'refused' }),
        route('/empty', { cluster: 'empty' }),
        route('/status/'),
      ];
      const header = (name: string): Message => ({
        header_filter: { header: { name, string_match: { exact: 'yes' } } },
      });
      const add = (value: string): Message => ({ headers_to_add: [{ header: { key: 'x-mapped', value } }] });
      const reply: Message = {
        mappers: [
          {
            filter: header('x-json'),
            body_format_override: { json_format: { path: '%REQ(:PATH)%', code: '%RESPONSE_CODE%' } },
          },
          { filter: by(403), status_code: 451, ...add('first') },
          { filter: by(403), status_code: 452, ...add('second') },
          {
            filter: { response_flag_filter: { flags: ['UF'] } },
            ...add('flag'),
            body_format_override: { text_format_source: { inline_string: '%RESPONSE_FLAGS%' } },
          },
          {
            filter: by(404),
            status_code: 450,
            body: { inline_string: 'mapped body' },
            body_format_override: { text_format_source: { inline_string: '%LOCAL_REPLY_BODY%' } },
            ...add('status'),
          },
        ],
        body_format: { json_format: { code: '%RESPONSE_CODE%', body: '%LOCAL_REPLY_BODY%' } },
      };
      const text: Message = {
        body_format: {
          text_format_source: { inline_string: '%RESPONSE_CODE% %LOCAL_REPLY_BODY% %REQ(:METHOD)%' },
          content_type: 'text/html; charset=UTF-8',
        },
      };
      return bootstrap(
        [
          httpListener('main', { routes, hcm: { local_reply_config: reply } }),
          httpListener('text', { routes, hcm: { local_reply_config: text } }),
          httpListener('logged', {
            routes,
            hcm: {
              access_log: [
                fileLog('only-5xx', by(500, 'GE')),
                fileLog('only-header', { header_filter: { header: { name: 'x-log', present_match: true } } }),
                fileLog('only-flag', { response_flag_filter: { flags: ['UF'] } }),
              ],
            },
          }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('empty', []),
          cluster('refused', [
            { endpoint: { address: { socket_address: { address: '127.255.255.253', port_value: 1 } } } },
          ]),
        ],
      );
    },
    cases: [...mapped, ...logs],
  },
];

if (import.meta.main) compare(groups);
