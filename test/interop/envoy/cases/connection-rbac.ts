/** The network filter rbac: before tcp_proxy, echo and connection managers, with and without TLS. */
import { onTcp } from '../backend/exchange.ts';
import { http1 as http1Backend } from '../backend/http1.ts';
import { tcp as tcpBackend } from '../backend/tcp.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  inline,
  listener,
  type Message,
  tcpLog,
  tcpProxy,
} from '../harness/bootstrap.ts';
import type { Case, Expectation, Group } from '../harness/case.ts';
import { get, http1, type Step } from '../wire/http1.ts';
import { h2Get, http2 } from '../wire/http2.ts';
import { https, type TcpOptions, tcp } from '../wire/tcp.ts';
import { permission, policy, principal, rules } from './rbac-rules.ts';

const row = (
  name: string,
  on: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> = {},
): Case => ({
  ...{ name: `rbac of connections: ${name}`, covers: 'rbac', on, expect, logLines: 1 },
  play: tcp(steps, { whole: true }),
  ...more,
});

const echoed: Step = { until: /echo hello/ };
const ask: readonly Step[] = ['hello', echoed, { end: true }];
const greeting = {
  a: onTcp(async (t) => {
    t.write('greeting');
    await t.until(/./);
    t.write('echo hello');
    await t.until(/never/);
    t.end();
  }),
};

const cases: readonly Case[] = [
  row('let in', 'in', ask, { client: /echo hello/, stats: { 'tcp.in.rbac.allowed': 1 } }),
  row('kept out', 'out', ['hello'], {
    never: /echo/,
    log: /rbac_access_denied_matched_policy\[none\]/,
    stats: { 'tcp.out.rbac.denied': 1 },
  }),
  row('kept out by a policy', 'named', ['hello'], { log: /matched_policy\[bad_one\]/ }),
  // Whether the upstream is connected when a client ends at once is a race.
  row(
    'kept out when it ends without a word',
    'out',
    [{ until: /greeting/ }, { end: true }],
    { client: /greeting/, stats: { 'tcp.out.rbac.denied': 1 } },
    { answers: greeting },
  ),
  row(
    'what the upstream says first comes through',
    'out',
    [{ until: /greeting/ }, 'hello'],
    { client: /greeting/, never: /echo/, stats: { 'tcp.out.rbac.denied': 1 } },
    { answers: greeting },
  ),
  row('decided once', 'in', ['hello', echoed, 'hello', { until: /echo hellohello/ }, { end: true }], {
    stats: { 'tcp.in.rbac.allowed': 1 },
  }),
  row(
    'decided whenever something comes',
    'continuous',
    ['hello', echoed, 'hello', { until: /echo hellohello/ }, { end: true }],
    { client: /echo hello/, stats: { 'tcp.continuous.rbac.allowed': 3 } },
  ),
  row('held before it ends', 'delayed', ['hello'], {
    never: /echo/,
    log: /rbac_access_denied_matched_policy/,
    stats: { 'tcp.delayed.rbac.denied': 1 },
  }),
  row('shadow rules', 'shadow', ask, {
    client: /echo hello/,
    stats: { 'tcp.shadow.rbac.shade.shadow_denied': 1 },
  }),
  row('rules logged', 'logged', ask, { log: /access_log_hint":true/ }),
  row('before echo', 'echo', ['hello'], { never: /tunnel: "hello/ }, { logLines: 0 }),
  row('two in a row', 'both', ['hello'], {
    stats: { 'tcp.both.rbac.allowed': 1, 'tcp.second.rbac.denied': 1 },
  }),
  row('a note that another filter left', 'noted', ask, { client: /echo hello/ }),
];

const web = (name: string, on: string, play: Case['play'], expect: Expectation, logLines: number): Case => ({
  ...{ name: `rbac of connections: ${name}`, covers: 'rbac', on, expect, play, logLines },
});
const webCases: readonly Case[] = [
  web(
    'HTTP let in',
    'web-in',
    http1([get('/x')], {}),
    { status: 200, stats: { 'tcp.web-in.rbac.allowed': 1 } },
    1,
  ),
  web('HTTP kept out', 'web-out', http1([get('/x')], { raw: true }), { upstream: 'nothing' }, 0),
  web('HTTP/2 let in', 'web-in', http2([h2Get('/x')]), { status: 200 }, 1),
  web(
    'shadow rules before HTTP',
    'web-shadow',
    http1([get('/x')], { noProbe: true }),
    { status: 200, log: /meta=- / },
    1,
  ),
];

type Tls = NonNullable<TcpOptions['tls']>;
const as =
  (who?: 'client' | 'stranger' | 'rogue', servername = 'server.example'): Tls =>
  ({ certificates }) => ({
    ...{ servername, ca: certificates.ca, checkServerIdentity: () => undefined },
    ...(who === undefined ? {} : { cert: certificates[who].cert, key: certificates[who].key }),
  });
const tls = (name: string, on: string, how: Tls, expect: Expectation): Case => ({
  ...{ name: `rbac, TLS: ${name}`, covers: 'rbac', on, expect },
  play: https([get('/x')], { tls: how }),
});
const IN: Expectation = { status: 200 };
const OUT: Expectation = { status: 403, upstream: 'nothing' };
const named = (matcher: Message): Message => ({ authenticated: { principal_name: matcher } });
const CLIENT = { exact: 'spiffe://mesh.example/client' };
const mtls = (fields: Message): Message => ({
  custom: extension('mtls', 'rbac.principals.mtls_authenticated.v3.Config', fields),
});
const byTls: readonly (readonly [
  name: string,
  who: Message,
  verdicts: readonly (readonly [Tls, boolean])[],
])[] = [
  [
    'anybody',
    { authenticated: {} },
    [
      [as(), true],
      [as('client'), true],
    ],
  ],
  [
    'uri',
    named(CLIENT),
    [
      [as('client'), true],
      [as('stranger'), false],
      [as(), false],
    ],
  ],
  [
    'dns',
    named({ exact: 'client.example' }),
    [
      [as('client'), true],
      [as('stranger'), false],
    ],
  ],
  [
    'subject',
    named({ exact: 'O=Heddle,CN=client' }),
    [
      [as('client'), true],
      [as('stranger'), false],
    ],
  ],
  [
    'part of the subject',
    named({ contains: 'stranger' }),
    [
      [as('client'), false],
      [as('stranger'), true],
    ],
  ],
  [
    'nothing',
    named({ exact: '' }),
    [
      [as('client'), false],
      [as(), true],
    ],
  ],
  [
    'any certificate',
    mtls({ any_validated_client_certificate: true }),
    [
      [as('client'), true],
      [as(), false],
    ],
  ],
  [
    'a name of a certificate',
    mtls({ san_matcher: { san_type: 'URI', matcher: CLIENT } }),
    [
      [as('client'), true],
      [as('stranger'), false],
      [as(), false],
    ],
  ],
  [
    'a DNS name of a certificate',
    mtls({ san_matcher: { san_type: 'DNS', matcher: { suffix: '.example' } } }),
    [
      [as('client'), true],
      [as('stranger'), false],
    ],
  ],
];
const nameOf = (who: string): string => `tls-${who.replaceAll(' ', '-')}`;
const tlsCases: readonly Case[] = [
  ...byTls.flatMap(([name, , verdicts]) =>
    verdicts.map(([how, isIn], i) => tls(`${name}, ${i}`, nameOf(name), how, isIn ? IN : OUT)),
  ),
  tls('the name asked for', 'tls-sni', as(undefined, 'a.wild.example'), IN),
  tls('another name asked for', 'tls-sni', as(), OUT),
  tls('no name asked for', 'tls-sni', as(undefined, ''), OUT),
  tls('a certificate that is not trusted', 'tls-untrusted', as('rogue'), OUT),
  tls('a certificate that is not trusted, by its name', 'tls-untrusted-name', as('rogue'), IN),
];

const rbac = (statPrefix: string, fields: Message): Message =>
  extension('rbac', 'filters.network.rbac.v3.RBAC', { stat_prefix: `tcp.${statPrefix}.`, ...fields });
const all = { all: policy([permission.any], [principal.any]) };
const nobody = { elsewhere: policy([{ destination_port: 1 }], [principal.any]) };
const everybody = (action: 'ALLOW' | 'DENY' | 'LOG'): Message => rules(action, all);
const meta = ['meta=%DYNAMIC_METADATA(envoy.filters.network.rbac)%', 'hint=%DYNAMIC_METADATA(envoy.common)%'];
const onTcpProxy = (name: string, ...filters: readonly Message[]): Message =>
  listener(
    name,
    {},
    {
      filter_chains: [
        {
          filters: [
            ...filters,
            tcpProxy(name, {
              cluster: 'a',
              access_log: [
                tcpLog(
                  ...[
                    '%RESPONSE_FLAGS%',
                    '%CONNECTION_TERMINATION_DETAILS%',
                    '%DOWNSTREAM_LOCAL_CLOSE_REASON%',
                  ],
                  ...['in=%BYTES_RECEIVED%', 'out=%BYTES_SENT%', ...meta],
                ),
              ],
            }),
          ],
        },
      ],
    },
  );
const chain = (name: string, ...filters: readonly Message[]): Message =>
  listener(name, {}, { filter_chains: [{ filters }] });
const note = extension('note', 'filters.network.set_filter_state.v3.Config', {
  on_new_connection: [
    {
      object_key: 'test.note',
      factory_key: 'envoy.string',
      format_string: { text_format_source: { inline_string: 'red' } },
    },
  ],
});

const connections: Group = {
  name: 'rbac of connections',
  backends: { a: tcpBackend(), web: http1Backend() },
  bootstrap: ({ ports }) =>
    bootstrap(
      [
        onTcpProxy('in', rbac('in', everybody('ALLOW'))),
        onTcpProxy('out', rbac('out', rules('ALLOW', nobody))),
        onTcpProxy(
          'named',
          rbac('named', rules('DENY', { 'bad one': policy([permission.any], [principal.any]) })),
        ),
        onTcpProxy(
          'continuous',
          rbac('continuous', { ...everybody('ALLOW'), enforcement_type: 'CONTINUOUS' }),
        ),
        onTcpProxy('delayed', rbac('delayed', { ...rules('ALLOW', nobody), delay_deny: '0.1s' })),
        onTcpProxy(
          'shadow',
          rbac('shadow', { shadow_rules: { policies: nobody }, shadow_rules_stat_prefix: 'shade' }),
        ),
        onTcpProxy('logged', rbac('logged', everybody('LOG'))),
        onTcpProxy('both', rbac('both', everybody('ALLOW')), rbac('second', everybody('DENY'))),
        onTcpProxy(
          'noted',
          note,
          rbac(
            'noted',
            rules('ALLOW', {
              red: policy(
                [permission.any],
                [{ filter_state: { key: 'test.note', string_match: { exact: 'red' } } }],
              ),
            }),
          ),
        ),
        chain('echo', rbac('echo', everybody('DENY')), extension('echo', 'filters.network.echo.v3.Echo')),
        chain(
          'web-in',
          extension('rbac', 'filters.network.rbac.v3.RBAC', {
            stat_prefix: 'tcp.web-in',
            ...everybody('ALLOW'),
          }),
          http('web-in', { routes: [webRoute] }),
        ),
        chain('web-out', rbac('web-out', everybody('DENY')), http('web-out', { routes: [webRoute] })),
        chain(
          'web-shadow',
          rbac('web-shadow', { shadow_rules: { policies: all } }),
          http('web-shadow', { routes: [webRoute], log: meta }),
        ),
      ],
      [cluster('a', [ports.a!]), cluster('web', [ports.web!])],
    ),
  cases: [...cases, ...webCases],
};
const webRoute: Message = { match: { prefix: '/' }, route: { cluster: 'web' } };

const secured: Group = {
  name: 'rbac by certificates',
  backends: { a: http1Backend() },
  bootstrap({ ports, certificates: { ca, server } }) {
    const web = (name: string, one: Message, validation: Message = {}): Message =>
      listener(
        name,
        {},
        {
          listener_filters: [extension('tls', 'filters.listener.tls_inspector.v3.TlsInspector')],
          filter_chains: [
            {
              filters: [
                http(name, {
                  filters: [extension('rbac', 'filters.http.rbac.v3.RBAC', rules('ALLOW', { one }))],
                }),
              ],
              transport_socket: extension('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
                common_tls_context: {
                  tls_certificates: [
                    { certificate_chain: inline(server.cert), private_key: inline(server.key) },
                  ],
                  validation_context: { trusted_ca: inline(ca), ...validation },
                },
              }),
            },
          ],
        },
      );
    const anyWhat = (who: Message): Message => policy([permission.any], [who]);
    const untrusted = { trust_chain_verification: 'ACCEPT_UNTRUSTED' };
    return bootstrap(
      [
        ...byTls.map(([name, who]) => web(nameOf(name), anyWhat(who))),
        web('tls-sni', policy([{ requested_server_name: { suffix: '.wild.example' } }], [principal.any])),
        web('tls-untrusted', anyWhat(mtls({ any_validated_client_certificate: true })), untrusted),
        web('tls-untrusted-name', anyWhat(named(CLIENT)), untrusted),
      ],
      [cluster('a', [ports.a!])],
    );
  },
  cases: tlsCases,
};

export const connectionRbac: readonly Group[] = [connections, secured];
