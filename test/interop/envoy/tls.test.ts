/** TLS as listeners end it, as clusters begin it, and as it passes by its name: who is let in, and what is agreed. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  inline,
  listener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Places, Play } from './harness/case.ts';
import type { Certificates, Leaf } from './harness/certificates.ts';
import { compare } from './harness/compare.ts';
import type { Topic } from './harness/topics.ts';
import { Channel } from './wire/channel.ts';
import { get, http1, type Step } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';
import { https, type TcpOptions } from './wire/tcp.ts';

type Tls = NonNullable<TcpOptions['tls']>;
type Kind = 'client' | 'stranger' | 'revoked' | 'expired' | 'rogue';

/** A client that trusts the authority, with this name and more. */
const as =
  (
    servername = 'server.example',
    more: Parameters<typeof createSecureContext>[0] & { ALPNProtocols?: string[] } = {},
    who?: Kind,
  ): Tls =>
  ({ certificates }) => ({
    ...{ servername, ca: certificates.ca, checkServerIdentity: () => undefined },
    ...(who === undefined ? {} : { cert: certificates[who].cert, key: certificates[who].key }),
    ...more,
  });

const row = (
  covers: Topic,
  on: string,
  name: string,
  tls: Tls,
  expect: Expectation,
  steps: readonly Step[] = [get('/echo')],
): Case => ({
  ...{ name: `tls: ${name}`, covers, on, expect },
  play: https(steps, { tls }),
});

const agreed: readonly Case[] = [
  row('tls', 'main', 'TLS 1.3', as(), {
    status: 200,
    client: /^tls TLSv1\.3 /,
    upstream: /x-forwarded-proto: https/,
  }),
  row('tls', 'main', 'TLS 1.2', as('server.example', { maxVersion: 'TLSv1.2' }), {
    status: 200,
    client: /^tls TLSv1\.2 /,
  }),
  row(
    'tls',
    'main',
    'TLS 1.1',
    as('server.example', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    { client: /^tls refused/, log: 'nothing' },
  ),
  row('tls', 'main', 'http/1.1 by ALPN', as('server.example', { ALPNProtocols: ['http/1.1'] }), {
    status: 200,
    client: /alpn=http\/1\.1/,
  }),
  row('tls', 'main', 'an ALPN that nobody offers', as('server.example', { ALPNProtocols: ['what'] }), {
    status: 200,
    client: /alpn=-/,
  }),
  row('tls', 'main', 'no ALPN', as(), { client: /alpn=-/ }),
  row('tls', 'main', 'no name', as(''), { status: 200 }),
  row('tls', 'old-only', 'TLS 1.2 at most', as(), { status: 200, client: /^tls TLSv1\.2 / }),
  row('tls', 'new-only', 'TLS 1.3 at least', as('server.example', { maxVersion: 'TLSv1.2' }), {
    client: /^tls refused/,
  }),
  row('tls-settings', 'ciphers', 'a cipher that both have', as('server.example', { maxVersion: 'TLSv1.2' }), {
    client: /ECDHE-ECDSA-AES256-GCM-SHA384/,
  }),
  row(
    'tls-settings',
    'ciphers',
    'no cipher that both have',
    as('server.example', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }),
    { client: /^tls refused/ },
  ),
  row('tls-settings', 'main', 'no group that both have', as('server.example', { ecdhCurve: 'secp521r1' }), {
    client: /^tls refused/,
  }),
  row('tls-settings', 'rsa', 'an RSA certificate', as(), { status: 200, client: /server=rsa/ }),
  row(
    'tls-settings',
    'both',
    'an ECDSA certificate before an RSA one',
    as('server.example', { maxVersion: 'TLSv1.2' }),
    { client: /server=server/ },
  ),
  row(
    'tls-settings',
    'both',
    'an RSA certificate for who wants it',
    as('server.example', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }),
    { client: /server=rsa/ },
  ),
  {
    name: 'tls: h2 by ALPN',
    covers: 'tls',
    on: 'main',
    play: async (play: Play) =>
      http2([h2Get('/echo')], {
        tls: { ...as('server.example', { ALPNProtocols: ['h2', 'http/1.1'] })(play) },
      })(play),
    expect: { status: 200, upstream: /^a\| GET \/echo HTTP\/1\.1/, log: /HTTP\/2"/ },
  },
];

const clients: readonly Case[] = [
  row('tls-settings', 'mutual', 'a client without certificate', as(), {
    status: [],
    connection: 'closed',
    log: 'nothing',
    stats: { 'listener.mutual.ssl.fail_verify_no_cert': 1 },
  }),
  row('tls-settings', 'mutual', 'a client with one', as('server.example', {}, 'client'), {
    status: 200,
    upstream: /x-forwarded-client-cert: .*URI=spiffe:\/\/mesh\.example\/client/,
  }),
  row('tls-settings', 'mutual', 'one of another authority', as('server.example', {}, 'rogue'), {
    status: [],
    connection: 'closed',
    stats: { 'listener.mutual.ssl.fail_verify_error': 1 },
  }),
  row('tls-settings', 'mutual', 'one that is over', as('server.example', {}, 'expired'), {
    status: [],
    connection: 'closed',
    stats: { 'listener.mutual.ssl.fail_verify_error': 1 },
  }),
  row(
    'tls-settings',
    'mutual',
    'TLS 1.2 without certificate',
    as('server.example', { maxVersion: 'TLSv1.2' }),
    { client: /^tls refused/ },
  ),
  row('tls-settings', 'optional', 'none where it is optional', as(), { status: 200, never: /client-cert/ }),
  row('tls-settings', 'optional', 'a bad one where it is optional', as('server.example', {}, 'rogue'), {
    status: [],
    connection: 'closed',
  }),
  row('tls-settings', 'untrusted', 'one that need not be trusted', as('server.example', {}, 'rogue'), {
    status: 200,
  }),
  row('tls-settings', 'san', 'a SAN that matches', as('server.example', {}, 'client'), { status: 200 }),
  row('tls-settings', 'san', 'a SAN that does not', as('server.example', {}, 'stranger'), {
    status: [],
    connection: 'closed',
    stats: { 'listener.san.ssl.fail_verify_san': 1 },
  }),
  row('tls-settings', 'dns-san', 'a SAN of another type', as('server.example', {}, 'client'), {
    status: 200,
  }),
  row('tls-settings', 'hash', 'a hash of the certificate', as('server.example', {}, 'client'), {
    status: 200,
  }),
  row('tls-settings', 'hash', 'another hash', as('server.example', {}, 'stranger'), {
    status: [],
    connection: 'closed',
    stats: { 'listener.hash.ssl.fail_verify_cert_hash': 1 },
  }),
  row('tls-settings', 'crl', 'one that is not revoked', as('server.example', {}, 'client'), { status: 200 }),
  row('tls-settings', 'crl', 'one that is revoked', as('server.example', {}, 'revoked'), {
    status: [],
    connection: 'closed',
    stats: { 'listener.crl.ssl.fail_verify_error': 1 },
  }),
];

/** Headers about the certificate of a client. */
const xfcc: readonly Case[] = (
  [
    ['sanitize', { never: /x-forwarded-client-cert/ }],
    ['forward-only', { upstream: /client-cert: By=them$/ }],
    ['append', { upstream: /client-cert: By=them,Hash=[0-9a-f]{64};Subject="O=Heddle,CN=client";URI=/ }],
    ['sanitize-set', { upstream: /client-cert: Hash=[0-9a-f]{64};Subject=/, never: /By=them/ }],
    ['always', { upstream: /client-cert: By=them$/ }],
  ] as const
).map(([on, expect]): Case => {
  const steps = [get('/echo', 'x-forwarded-client-cert: By=them')];
  return row(
    'headers',
    on,
    `x-forwarded-client-cert: ${on}`,
    as('server.example', {}, 'client'),
    expect,
    steps,
  );
});

const resumed = (name: string, maxVersion: 'TLSv1.2' | 'TLSv1.3', on: string, expect: Expectation): Case => ({
  ...{ name: `tls: ${name}`, covers: 'tls-settings', on, expect },
  play: async (play) => {
    const tls = as('server.example', { maxVersion })(play);
    const first = new Channel(play, { tls });
    let session: Buffer | undefined;
    first.socket.on('session', (latest: Buffer) => {
      session = latest;
    });
    await first.until(() => first.secured, 'the handshake');
    await first.write('GET /status/200 HTTP/1.1\r\nhost: a\r\nx-test: probe\r\n\r\n');
    await first.until((text) => text.includes('status 200'), 'the answer');
    first.socket.destroy();
    return https([get('/echo')], {
      tls: () => ({ ...tls, ...(session === undefined ? {} : { session }) }),
    })(play);
  },
});

const sessions: readonly Case[] = [
  resumed('a session is resumed, TLS 1.2', 'TLSv1.2', 'main', { status: 200, client: /resumed=true/ }),
  resumed('a session is resumed, TLS 1.3', 'TLSv1.3', 'main', { status: 200, client: /resumed=true/ }),
  resumed('without tickets', 'TLSv1.3', 'stateless', { status: 200, client: /resumed=false/ }),
];

const origination: readonly Case[] = (
  [
    ['/tls/ok', { status: 200, upstream: /^tls\| GET/ }],
    ['/tls/unverified', { status: 200 }],
    ['/tls/wrong-ca', { status: 503, log: / 503 UF / }],
    ['/tls/wrong-san', { status: 503, log: / 503 UF / }],
    ['/tls/right-san', { status: 200 }],
    ['/tls/plain', { status: 503 }],
    ['/tls/mutual', { status: 200 }],
    ['/tls/mutual-without', { status: 503, log: / 503 UF / }],
    ['/tls/auto-h2', { status: 200, upstream: /^tls-h2\| :method: GET/ }],
    ['/tls/auto-sni', { status: 200 }],
    ['/tls/auto-san', { status: 200 }],
    ['/tls/auto-san-other', { status: 503, log: / 503 UF / }],
    ['/tls/auto-san-and-rules', { status: 503, log: / 503 UF .*SAN_matcher/ }],
    ['/tls/auto-name', { status: 200 }],
    ['/tls/auto-h1', { status: 200, upstream: /^tls\| GET/ }],
  ] as const
).map(
  ([path, expect]): Case => ({
    ...row('tls', 'plain', `origination: ${path}`, as(), expect),
    play: http1([get(path, 'x-name: server.example')]),
  }),
);

const pem = ({ cert, key }: Leaf): Message => ({ certificate_chain: inline(cert), private_key: inline(key) });

const downstream = (fields: Message): Message => ({
  transport_socket: extension('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', fields),
});
const upstream = (fields: Message): Message => ({
  transport_socket: extension('tls', 'transport_sockets.tls.v3.UpstreamTlsContext', fields),
});

function listeners({ server, rsa, ca, crl, client }: Certificates): readonly Message[] {
  const routes = [
    'ok',
    'unverified',
    'wrong-ca',
    'wrong-san',
    'right-san',
    'plain',
    'mutual',
    'mutual-without',
    'auto-h2',
    'auto-h1',
    'auto-san-other',
    'auto-name',
  ].map((name): Message => ({ match: { path: `/tls/${name}` }, route: { cluster: name } }));
  // What the host is by then is what TLS is told.
  const named = (name: string, host: string): Message => ({
    match: { path: `/tls/${name}` },
    route: { cluster: name, host_rewrite_literal: host },
  });
  routes.push(named('auto-sni', 'a.wild.example:443'));
  for (const name of ['auto-san', 'auto-san-and-rules']) routes.push(named(name, 'server.example'));
  const web = (name: string, tls: Message | undefined, hcm: Message = {}): Message => ({
    ...listener(name, {}),
    filter_chains: [
      {
        filters: [http(name, { hcm, routes: [...routes, route('/')] })],
        ...(tls === undefined ? {} : downstream(tls)),
      },
    ],
  });
  const common = (more: Message = {}, leaves: readonly Leaf[] = [server]): Message => ({
    common_tls_context: { tls_certificates: leaves.map(pem), alpn_protocols: ['h2', 'http/1.1'], ...more },
  });
  const trusting = (more: Message = {}): Message =>
    common({ validation_context: { trusted_ca: inline(ca), ...more } });
  const required = (more: Message = {}): Message => ({ ...trusting(more), require_client_certificate: true });
  const params = (tls_params: Message): Message => common({ tls_params });
  const cert = (forward: string): Message => ({
    forward_client_cert_details: forward,
    set_current_client_cert_details: { subject: true, uri: true, dns: true, issuer: true },
  });
  return [
    web('plain', undefined),
    web('main', common()),
    web('old-only', params({ tls_maximum_protocol_version: 'TLSv1_2' })),
    web('new-only', params({ tls_minimum_protocol_version: 'TLSv1_3' })),
    web(
      'ciphers',
      params({ tls_maximum_protocol_version: 'TLSv1_2', cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] }),
    ),
    web('rsa', common({}, [rsa])),
    web('both', common({}, [server, rsa])),
    web('mutual', required(), cert('SANITIZE_SET')),
    web('optional', trusting(), cert('SANITIZE_SET')),
    web('untrusted', required({ trust_chain_verification: 'ACCEPT_UNTRUSTED' })),
    web(
      'san',
      required({
        match_typed_subject_alt_names: [
          { san_type: 'URI', matcher: { exact: 'spiffe://mesh.example/client' } },
        ],
      }),
    ),
    web(
      'dns-san',
      required({ match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { suffix: '.example' } }] }),
    ),
    web('hash', required({ verify_certificate_hash: [hashOf(client)] })),
    web('crl', required({ crl: inline(crl) })),
    web('stateless', { ...common(), disable_stateless_session_resumption: true }),
    web('sanitize', required(), cert('SANITIZE')),
    web('forward-only', required(), cert('FORWARD_ONLY')),
    web('append', required(), cert('APPEND_FORWARD')),
    web('sanitize-set', required(), cert('SANITIZE_SET')),
    web('always', required(), cert('ALWAYS_FORWARD_ONLY')),
  ];
}

function clusters({ ports, certificates: { ca, otherCa, client } }: Places): readonly Message[] {
  const trusted = (more: Message = {}, ownCa: string = ca): Message => ({
    validation_context: { trusted_ca: inline(ownCa), ...more },
  });
  const to = (name: string, common: Message, port = ports.tls!, more: Message = {}): Message =>
    cluster(name, [port], { ...upstream({ sni: 'server.example', common_tls_context: common }), ...more });
  const auto = protocolOptions({ auto_config: {} });
  const byRequest = (fields: Message): Message =>
    protocolOptions({
      upstream_http_protocol_options: fields,
      explicit_http_config: { http_protocol_options: {} },
    });
  return [
    cluster('a', [ports.a!]),
    to('ok', trusted()),
    to('unverified', {}),
    to('wrong-ca', trusted({}, otherCa)),
    to(
      'wrong-san',
      trusted({ match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'other.example' } }] }),
    ),
    to(
      'right-san',
      trusted({ match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'server.example' } }] }),
    ),
    to('plain', trusted(), ports.a!),
    to('mutual', { ...trusted(), tls_certificates: [pem(client)] }, ports['tls-mutual']!),
    to('mutual-without', trusted(), ports['tls-mutual']!),
    to('auto-h2', trusted(), ports['tls-h2']!, auto),
    to('auto-h1', trusted(), ports.tls!, auto),
    to('auto-sni', trusted(), ports['tls-named']!, byRequest({ auto_sni: true, auto_san_validation: true })),
    to('auto-san', trusted(), ports.tls!, byRequest({ auto_san_validation: true })),
    to(
      'auto-san-and-rules',
      trusted({ match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'other.example' } }] }),
      ports.tls!,
      byRequest({ auto_san_validation: true }),
    ),
    to('auto-san-other', trusted(), ports.tls!, byRequest({ auto_sni: true, auto_san_validation: true })),
    to(
      'auto-name',
      trusted(),
      ports.tls!,
      byRequest({ auto_san_validation: true, override_auto_sni_header: 'X-Name' }),
    ),
  ];
}

function hashOf({ cert }: Leaf): string {
  return new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
}

const serverSide = ({ server }: Certificates): { cert: string; key: string } => ({
  cert: server.cert,
  key: server.key,
});

export const groups: readonly Group[] = [
  {
    name: 'tls',
    backends: {
      a: http1Backend(),
      tls: http1Backend({ tls: (made) => ({ ...serverSide(made), ALPNProtocols: ['http/1.1'] }) }),
      'tls-mutual': http1Backend({
        tls: (made) => ({ ...serverSide(made), ca: made.ca, requestCert: true, rejectUnauthorized: true }),
      }),
      // Nobody may be sent here but by the name of one host.
      'tls-named': http1Backend({
        tls: (made) => ({
          ...serverSide(made),
          SNICallback: (name, done) =>
            done(null, createSecureContext(name === 'a.wild.example' ? made.server : made.other)),
        }),
      }),
      'tls-h2': http2Backend({ tls: (made) => ({ ...serverSide(made), ALPNProtocols: ['h2'] }) }),
    },
    bootstrap: (places) => bootstrap(listeners(places.certificates), clusters(places)),
    cases: [...agreed, ...clients, ...xfcc, ...sessions, ...origination],
  },
];

if (import.meta.main) compare(groups);
