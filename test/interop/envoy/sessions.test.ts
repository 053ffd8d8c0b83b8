/** The filter stateful_session: which endpoint the requests of a session go to, and what clients are told of it. */
import { http1 as http1Backend } from './backend/http1.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const STATEFUL = 'type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3';
const byCookie = (fields: Message = {}): Message =>
  extension('envoy.http.stateful_session.cookie', 'http.stateful_session.cookie.v3.CookieBasedSessionState', {
    cookie: { name: 'session', ...fields },
  });
const byHeader: Message = extension(
  'envoy.http.stateful_session.header',
  'http.stateful_session.header.v3.HeaderBasedSessionState',
  {
    name: 'X-Session',
  },
);
const perRoute = (fields: Message): Message => ({
  typed_per_filter_config: { sessions: { '@type': `${STATEFUL}.StatefulSessionPerRoute`, ...fields } },
});
const stateful = (session_state: Message, more: Message = {}): Message =>
  perRoute({ stateful_session: { session_state, ...more } });

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const addressOf = (play: Play, name: string): string =>
  name === 'nobody' ? '127.0.0.1:9' : `127.0.0.1:${play.backend(name).port}`;
const ADDRESS = '\x0a';
const EXPIRES = '\x10';
/** A text shorter than 128 bytes, as protobuf has it. */
const told = (text: string): string => `${ADDRESS}${String.fromCharCode(text.length)}${text}`;

/** What a client knows of its session, by the address. */
const forms = {
  cookie: (to: string) => `cookie: x=1; session="${base64(told(to))}"`,
  bare: (to: string) => `cookie: session=${base64(told(to))}`,
  plain: (to: string) => `cookie: session=${base64(to)}`,
  expired: (to: string) => `cookie: session=${base64(`${told(to)}${EXPIRES}\x01`)}`,
  lasting: (to: string) => `cookie: session=${base64(`${told(to)}${EXPIRES}\xff\xff\xff\xff\xff\x07`)}`,
  unpadded: (to: string) => `cookie: session=${base64(told(to)).replace(/=*$/, '')}!`,
  empty: () => 'cookie: session=',
  header: (to: string) => `x-session: ${base64(to)}`,
  garbage: () => 'x-session: ???',
};
type Form = keyof typeof forms;

/** What stands in cookies and headers, in clear; a time as its length. */
const clear = (line: string): string =>
  /session/.test(line)
    ? line.replace(/[\w+/]{16,}={0,2}/, (text) => {
        const [address = '', ...time] = Buffer.from(text, 'base64').toString('latin1').split(EXPIRES);
        return time.length === 0 ? address : `${address} TIME of ${time.join(EXPIRES).length} bytes`;
      })
    : line;

const session =
  (path: string, form?: Form, to = 'b'): Script =>
  async (play) => {
    const headers = form === undefined ? [] : [forms[form](addressOf(play, to))];
    const view = await http1([get(path, ...headers)])(play);
    return { ...view, lines: view.lines.map(clear) };
  };

/** Compared where a case names it: it is called like a gauge. */
const COUNTED = 'http.main.stateful_session.counted.failed_open';
const row = (name: string, play: Script, expect: Expectation): Case => ({
  ...{ name, covers: 'sessions', play, expect },
});

const NEW = { client: /^set-cookie: session=".*BACKEND_a"; HttpOnly$/, upstream: /a\| GET/, status: 200 };
const KEPT = { status: 200, upstream: /b\| GET/, never: /session=".*BACKEND/ };

const cases: readonly Case[] = [
  row('a new session is told in a cookie', session('/one'), NEW),
  row('a cookie names the endpoint', session('/all', 'cookie'), KEPT),
  row('a cookie without quotes', session('/all', 'bare'), KEPT),
  row('a cookie with the address alone', session('/all', 'plain'), KEPT),
  row('a cookie that has expired', session('/one', 'expired', 'a'), NEW),
  row('a cookie that will expire', session('/all', 'lasting'), KEPT),
  row('a cookie that is not base64', session('/one', 'unpadded', 'a'), NEW),
  row('a cookie that is empty', session('/one', 'empty'), NEW),
  row('a cookie names an endpoint that is gone', session('/one', 'cookie', 'nobody'), NEW),
  row('a cookie names an endpoint that is not healthy', session('/sick', 'cookie', 'c'), NEW),
  row('a cookie names an endpoint that is degraded', session('/worn', 'cookie', 'b'), KEPT),
  row('a cookie names an endpoint of a later priority', session('/later', 'cookie'), KEPT),
  row('strict: the endpoint', session('/strict/all', 'cookie'), KEPT),
  row('strict: an endpoint that is gone', session('/strict/one', 'cookie', 'nobody'), {
    status: 503,
    upstream: 'nothing',
    never: /session=/,
    log: / UH no_healthy_upstream /,
    stats: { 'cluster.one.upstream_cx_none_healthy': 1 },
  }),
  row('strict: an endpoint that is gone, with a status for it', session('/status/one', 'cookie', 'nobody'), {
    status: 410,
    upstream: 'nothing',
    log: / 410 UH no_healthy_upstream /,
  }),
  row('strict: an endpoint that is not healthy, with a status', session('/status/sick', 'cookie', 'c'), {
    status: 503,
    upstream: 'nothing',
    log: / 503 UH no_healthy_upstream /,
  }),
  row('strict: a new session', session('/strict/one'), NEW),
  row('an endpoint that cannot be reached is told', session('/dead'), {
    status: 503,
    client: /^set-cookie: session=/,
  }),
  row('a retry goes to any', session('/again', 'cookie', 'b'), {
    status: 500,
    upstream: [/b\| GET/, /a\| GET/],
    client: /^set-cookie: session=".*BACKEND_a"/,
  }),
  row('a cookie for a path', session('/path/one'), {
    status: 200,
    client:
      /^set-cookie: session=".* TIME of 5 bytes"; Max-Age=60; Path=\/path; SameSite=Strict; Secure; HttpOnly$/,
  }),
  row('a path that begins like that of the cookie', session('/paths/one'), {
    status: 200,
    never: /set-cookie/,
  }),
  row('the path of a cookie and a query', session('/path?q'), { status: 200, client: /^set-cookie/ }),
  row('a new session is told in a header', session('/header/one'), {
    status: 200,
    client: /^x-session: 127.0.0.1:BACKEND_a$/,
  }),
  row('a header names the endpoint', session('/header/all', 'header'), {
    status: 200,
    upstream: /b\| GET/,
    never: /^x-session: 127/,
  }),
  row('a header that is not base64', session('/header/one', 'garbage'), {
    status: 200,
    client: /^x-session: 127.0.0.1:BACKEND_a$/,
  }),
  row('no session on a route without', session('/off/one', 'cookie'), { status: 200, never: /set-cookie/ }),
  row('a route whose sessions have no state', session('/none/one'), { status: 200, never: /set-cookie/ }),
  ...(
    [
      // With that of the request that looks whether the connection lives.
      ['a new session', 'main', '/one', undefined, { [COUNTED]: 2 }],
      ['another endpoint', 'main', '/one', 'cookie', { [COUNTED]: 2 }],
      ['no endpoint', 'main', '/none-there', 'cookie', { [COUNTED]: 1 }],
      ['the endpoint', 'main', '/all', 'cookie', { [COUNTED]: 1 }],
      ['strict: a new session', 'counted', '/one', undefined, {}],
      ['strict: the endpoint', 'counted', '/all', 'cookie', {}],
      ['strict: another endpoint', 'counted', '/one', 'cookie', {}],
      ['strict: not healthy', 'counted', '/sick', 'cookie', {}],
      ['strict: not reached', 'counted', '/dead', undefined, {}],
      ['strict: an answer from here', 'counted', '/here', 'cookie', {}],
      ['strict: an answer from here without a session', 'counted', '/here', undefined, {}],
      ['no path of a session', 'pathed', '/one', 'cookie', {}],
      ['no state', 'stateless', '/one', 'cookie', {}],
      ['no state, an answer from here', 'stateless', '/here', 'cookie', {}],
      ['no state, no endpoint', 'stateless', '/empty', 'cookie', {}],
    ] as const
  ).map(
    ([name, on, path, form, stats]): Case => ({
      ...row(`counted: ${name}`, session(path, form, path === '/sick' ? 'c' : 'b'), { stats }),
      on,
    }),
  ),
];

const to = (name: string): Message => ({ cluster: name, prefix_rewrite: '/echo' });

export const groups: readonly Group[] = [
  {
    name: 'sessions',
    backends: { a: http1Backend(), b: http1Backend(), c: http1Backend() },
    bootstrap: ({ ports: { a = 0, b = 0, c = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            filters: [
              extension('sessions', 'filters.http.stateful_session.v3.StatefulSession', {
                session_state: byCookie(),
                stat_prefix: 'counted',
              }),
            ],
            // Ports in base64 are not seen to be ports.
            host: { request_headers_to_remove: ['cookie', 'x-session'] },
            routes: [
              ...['one', 'all'].flatMap((name) => [
                route(`/strict/${name}`, to(name), stateful(byCookie(), { strict: true })),
                route(`/header/${name}`, to(name), stateful(byHeader)),
              ]),
              ...['one', 'sick'].map((name) =>
                route(
                  `/status/${name}`,
                  to(name),
                  stateful(byCookie(), { strict: true, status_on_strict_destination_not_found: 410 }),
                ),
              ),
              route(
                '/path',
                to('one'),
                stateful(
                  byCookie({
                    path: '/path',
                    ttl: '60s',
                    attributes: [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }],
                  }),
                ),
              ),
              route('/off/one', to('one'), perRoute({ disabled: true })),
              route('/none/one', to('one'), perRoute({ stateful_session: {} })),
              route('/again', {
                cluster: 'later',
                prefix_rewrite: '/status/500',
                retry_policy: {
                  retry_on: '5xx',
                  num_retries: 1,
                  retry_back_off: { base_interval: '0.001s' },
                },
              }),
              route('/none-there', to('empty')),
              ...['one', 'all', 'sick', 'worn', 'later', 'dead'].map((name) => route(`/${name}`, to(name))),
              route('/'),
            ],
          }),
          httpListener('counted', {
            filters: [
              extension('sessions', 'filters.http.stateful_session.v3.StatefulSession', {
                session_state: byCookie(),
                strict: true,
                stat_prefix: 'strict',
                status_on_strict_destination_not_found: 421,
              }),
            ],
            host: { request_headers_to_remove: ['cookie'] },
            routes: [
              { match: { prefix: '/here' }, direct_response: { status: 200 } },
              ...['one', 'all', 'sick', 'dead'].map((name) => route(`/${name}`, to(name))),
            ],
          }),
          ...(
            [
              ['pathed', byCookie({ path: '/path' })],
              ['stateless', undefined],
            ] as const
          ).map(([name, state]) =>
            httpListener(name, {
              filters: [
                extension('sessions', 'filters.http.stateful_session.v3.StatefulSession', {
                  ...(state && { session_state: state }),
                  stat_prefix: name,
                }),
              ],
              host: { request_headers_to_remove: ['cookie'] },
              routes: [
                { match: { prefix: '/here' }, direct_response: { status: 200 } },
                route('/one', to('one')),
                route('/empty', to('empty')),
              ],
            }),
          ),
        ],
        [
          cluster('a', [a]),
          cluster('one', [a]),
          cluster('all', [a, b]),
          cluster('dead', [1]),
          cluster('empty', []),
          cluster('sick', [a, { endpoint: address(c), health_status: 'UNHEALTHY' }]),
          cluster('worn', [a, { endpoint: address(b), health_status: 'DEGRADED' }]),
          {
            ...cluster('later', []),
            load_assignment: {
              cluster_name: 'later',
              endpoints: [a, b].map((port, priority) => ({
                priority,
                lb_endpoints: [{ endpoint: address(port) }],
              })),
            },
          },
        ],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
