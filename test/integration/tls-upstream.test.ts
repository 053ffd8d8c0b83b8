/** TLS towards endpoints, as the endpoint sees it: who is believed, what is agreed on, what is resumed and renewed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import { expired, type Holder, TestRoot } from '../support/certificates.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { OpenWire } from '../support/open-wire.ts';
import { type RawClient, rawClient } from '../support/raw-tcp.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const OPTIONS = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** What the endpoint saw of the connection a request came by. */
interface Seen {
  readonly serverName: string | false | undefined;
  readonly version: string | null;
  readonly cipher: string;
  readonly reused: boolean;
  /** Names in the certificate of the proxy; '' without one. */
  readonly names: string;
  /** Of the connections. */
  readonly nth: number;
}

/** Answers each request with what it saw. @param keeps whether connections are kept, but for `/close` */
async function endpoint(
  t: TestContext,
  holder: Holder,
  options: tls.TlsOptions = {},
  keeps = false,
): Promise<number> {
  let connections = 0;
  const server = tls.createServer({ cert: holder.cert, key: holder.key, ...options }, (socket) => {
    const nth = ++connections;
    socket.on('error', () => {});
    socket.on('data', (request: Buffer) => {
      const seen: Seen = {
        serverName: socket.servername as string | false,
        version: socket.getProtocol(),
        cipher: socket.getCipher().standardName,
        reused: socket.isSessionReused(),
        names: socket.getPeerX509Certificate()?.subjectAltName ?? '',
        nth,
      };
      const body = JSON.stringify(seen);
      const head = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n`;
      const closes = !keeps || request.includes('GET /close');
      socket.write(`${head}${closes ? 'connection: close\r\n' : ''}\r\n${body}`);
    });
  });
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Path {
  readonly running: RunningDataPath;
  /** @returns what the endpoint saw, or the whole answer where it is none of the endpoint's. */
  ask(host?: string, target?: string): Promise<Seen | string>;
  stat(name: string): number;
}

type Files = Readonly<Record<string, string>>;

async function pathTo(
  t: TestContext,
  port: number,
  fields: string,
  files: Files,
  {
    more = '',
    secrets = createSecretStore(),
  }: { more?: string; secrets?: ReturnType<typeof createSecretStore> } = {},
): Promise<Path> {
  const context = `{ name: tls, typed_config: { '@type': ${TYPE}.UpstreamTlsContext, ${fields} } }`;
  const running = await startDataPath(
    t,
    bootstrap(
      [httpListener({ routes: '[{ match: { prefix: / }, route: { cluster: far } }]' })],
      [cluster('far', [port], `, transport_socket: ${context}${more}`)],
    ),
    secrets,
    undefined,
    { readFile: (name) => Buffer.from(files[name] ?? assert.fail(`no file ${name}`)) },
  );
  const client: RawClient = rawClient(t, running.port('web'));
  const ask = async (host = 'a.test', target = '/'): Promise<Seen | string> => {
    const skip = client.text().length;
    client.socket.write(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    const isWhole = (text: string): boolean => {
      const [head = '', body] = text.slice(skip).split('\r\n\r\n', 2);
      const length = Number(/content-length: (\d+)/.exec(head)?.[1]);
      return body !== undefined && body.length >= length;
    };
    const text = (await client.until(isWhole)).slice(skip);
    return text.startsWith('HTTP/1.1 200') ? (JSON.parse(text.slice(text.indexOf('{'))) as Seen) : text;
  };
  return { running, ask, stat: (name) => running.stat(`cluster.far.ssl.${name}`) };
}

describe('TLS towards an endpoint', () => {
  let root: TestRoot;
  let holder: Holder;
  let member: Holder;
  let files: Files;
  before(async () => {
    root = await TestRoot.create('root');
    holder = await root.issue({
      dns: ['a.test', '*.wild.test'],
      uris: ['spiffe://mesh.test/ns/a/sa/far'],
      ips: ['127.0.0.1'],
      emails: ['far@a.test'],
    });
    member = await root.issue({ uris: ['spiffe://mesh.test/ns/a/sa/near'] });
    const crl = await root.revocationList([holder]);
    const other = (await TestRoot.create('elsewhere')).pem;
    files = { root: root.pem, other, crl, 'near.cert': member.cert, 'near.key': member.key };
  });

  const trusting = (more = '', ca = 'root'): string =>
    `common_tls_context: { validation_context: { trusted_ca: { filename: ${ca} }${more} } }`;
  const naming = (type: string, matcher: string): string =>
    trusting(`, match_typed_subject_alt_names: [{ san_type: ${type}, matcher: ${matcher} }]`);

  const names: readonly (readonly [type: string, matcher: string, isGood: boolean])[] = [
    ['DNS', '{ exact: a.test }', true],
    ['DNS', '{ exact: b.wild.test }', true],
    ['DNS', '{ exact: b.c.wild.test }', false],
    ['DNS', '{ suffix: .test }', true],
    ['DNS', '{ exact: b.test }', false],
    ['URI', '{ prefix: spiffe://mesh.test/ns/a/ }', true],
    ['URI', '{ safe_regex: { regex: "spiffe://mesh.test/.*/far" } }', true],
    ['URI', '{ exact: spiffe://mesh.test/ns/a/sa/near }', false],
    ['URI', '{ exact: a.test }', false],
    ['IP_ADDRESS', '{ exact: 127.0.0.1 }', true],
    ['IP_ADDRESS', '{ exact: 127.0.0.2 }', false],
    ['EMAIL', '{ contains: "@a." }', true],
  ];
  for (const [type, matcher, isGood] of names) {
    test(`${type} ${matcher} is ${isGood ? '' : 'not '}among its names`, async (t) => {
      const path = await pathTo(t, await endpoint(t, holder), naming(type, matcher), files);
      const answer = await path.ask();
      assert.equal(typeof answer === 'string', !isGood);
      assert.equal(path.stat('handshake'), isGood ? 1 : 0);
      assert.equal(path.stat('fail_verify_san'), isGood ? 0 : 1);
    });
  }

  const faults: Readonly<Record<string, () => Promise<readonly [Holder, string]>>> = {
    'that nobody we know vouches for': async () => [holder, trusting('', 'other')],
    'of yesterday': async () => [await root.issue({ dns: ['a.test'], ...expired }), trusting()],
    'that was revoked': async () => [holder, trusting(', crl: { filename: crl }')],
  };
  for (const [what, make] of Object.entries(faults)) {
    test(`a certificate ${what} is not believed`, async (t) => {
      const [shown, fields] = await make();
      const path = await pathTo(t, await endpoint(t, shown), fields, files);
      assert.match(String(await path.ask()), /^HTTP\/1\.1 503 .*remote connection failure$/s);
      assert.equal(path.stat('fail_verify_error'), 1);
      assert.equal(path.stat('handshake'), 0);
    });
  }

  test('without rules everybody is believed, as in Envoy', async (t) => {
    const path = await pathTo(t, await endpoint(t, holder), 'common_tls_context: {}', files);
    assert.equal(((await path.ask()) as Seen).version, 'TLSv1.2');
  });

  const parameters = (text: string): string => `common_tls_context: { tls_params: { ${text} } }`;
  const agreements: readonly (readonly [
    why: string,
    fields: string,
    server: tls.TlsOptions,
    version: string,
  ])[] = [
    ['TLS 1.2 unless it is told otherwise', 'common_tls_context: {}', {}, 'TLSv1.2'],
    ['TLS 1.3 where that is allowed', parameters('tls_maximum_protocol_version: TLSv1_3'), {}, 'TLSv1.3'],
    ['nothing with a server of TLS 1.3', 'common_tls_context: {}', { minVersion: 'TLSv1.3' }, ''],
    [
      'nothing with a server of TLS 1.2 where 1.3 is the least',
      parameters('tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3'),
      { maxVersion: 'TLSv1.2' },
      '',
    ],
    [
      'nothing without a cipher in common',
      parameters('cipher_suites: [ECDHE-ECDSA-AES128-GCM-SHA256]'),
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
      '',
    ],
  ];
  for (const [why, fields, server, version] of agreements) {
    test(`it speaks ${why}`, async (t) => {
      const path = await pathTo(t, await endpoint(t, holder, server), fields, files);
      const answer = await path.ask();
      assert.equal(typeof answer === 'string' ? '' : answer.version, version);
      assert.equal(path.stat('connection_error'), version === '' ? 1 : 0);
      if (version !== '') assert.equal(path.stat(`versions.${version}`), 1);
    });
  }

  test('its cipher is the one that was asked for', async (t) => {
    const fields = parameters('cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384]');
    const path = await pathTo(t, await endpoint(t, holder), fields, files);
    assert.equal(((await path.ask()) as Seen).cipher, 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384');
    assert.equal(path.stat('ciphers.ECDHE-ECDSA-AES256-GCM-SHA384'), 1);
  });

  test('the server is named as configured, or as the request names it', async (t) => {
    const port = await endpoint(t, holder);
    const fixed = await pathTo(t, port, `sni: far.test, ${trusting()}`, files);
    assert.equal(((await fixed.ask()) as Seen).serverName, 'far.test');
    const none = await pathTo(t, port, trusting(), files);
    assert.equal(((await none.ask()) as Seen).serverName, false);
    const more = `, typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { '@type': ${OPTIONS}, upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true }, explicit_http_config: { http_protocol_options: {} } } }`;
    const auto = await pathTo(t, port, trusting(), files, { more });
    assert.equal(((await auto.ask('a.test')) as Seen).serverName, 'a.test');
    assert.match(String(await auto.ask('b.test')), /^HTTP\/1\.1 503 /);
    assert.equal(auto.stat('fail_verify_san'), 1);
  });

  for (const version of ['TLSv1_2', 'TLSv1_3']) {
    const limits = `tls_params: { tls_minimum_protocol_version: ${version}, tls_maximum_protocol_version: ${version} }`;
    const validation = 'validation_context: { trusted_ca: { filename: root } }';
    for (const [more, reused] of [
      ['', true],
      ['max_session_keys: 0, ', false],
    ] as const) {
      test(`${version}: ${more === '' ? 'the session is' : 'no session is'} resumed`, async (t) => {
        const fields = `${more}common_tls_context: { ${limits}, ${validation} }`;
        const path = await pathTo(t, await endpoint(t, holder), fields, files);
        assert.deepEqual(
          [((await path.ask()) as Seen).reused, ((await path.ask()) as Seen).reused],
          [false, reused],
        );
        assert.equal(path.stat('session_reused'), reused ? 1 : 0);
        assert.equal(path.stat('handshake'), 2);
      });
    }
  }

  test('a record that nobody sealed ends the connection, and counts as an error twice', async (t) => {
    const raws: Socket[] = [];
    const server = createServer((raw) => {
      raws.push(raw);
      const secured = new tls.TLSSocket(new OpenWire(raw), { isServer: true, ...holder });
      secured.on('error', () => {});
      secured.on('data', () => secured.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const path = await pathTo(t, (server.address() as AddressInfo).port, trusting(), files);
    assert.deepEqual(await path.ask(), {});
    raws[0]!.write(Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32, 'x')]));
    await eventually(() => {
      assert.equal(path.stat('connection_error'), 2);
      assert.equal(path.running.stat('cluster.far.upstream_cx_active'), 0);
    });
    assert.equal(path.stat('handshake'), 1);
  });

  test('secrets that change are for new connections; those that are there go on', async (t) => {
    const secrets = createSecretStore();
    const show = ({ cert, key }: Holder): void =>
      secrets.set('near', { certificateChainPem: cert, privateKeyPem: key });
    show(member);
    secrets.set('roots', { trustedCaPem: root.pem });
    const sds = 'sds_config: { ads: {}, resource_api_version: V3 }';
    const fields = `common_tls_context: { tls_certificate_sds_secret_configs: [{ name: near, ${sds} }], validation_context_sds_secret_config: { name: roots, ${sds} } }`;
    const options = { requestCert: true, ca: root.pem };
    const port = await endpoint(t, holder, options, true);
    const path = await pathTo(t, port, fields, files, { secrets });
    const first = (await path.ask()) as Seen;
    assert.match(first.names, /sa\/near/);
    show(await root.issue({ uris: ['spiffe://mesh.test/ns/a/sa/renewed'] }));
    assert.deepEqual(await path.ask(), first);
    assert.deepEqual(await path.ask('a.test', '/close'), first);
    const second = (await path.ask()) as Seen;
    assert.match(second.names, /sa\/renewed/);
    assert.equal(second.nth, 2);
    assert.equal(path.running.stat('cluster.far.client_ssl_socket_factory.ssl_context_update_by_sds'), 3);
    assert.ok(path.stat('certificate.near.expiration_unix_time_seconds') > Date.now() / 1000);
    secrets.set('roots', { trustedCaPem: files.other! });
    assert.deepEqual(await path.ask('a.test', '/close'), second);
    assert.match(String(await path.ask()), /^HTTP\/1\.1 503 /);
    assert.equal(path.stat('fail_verify_error'), 1);
  });
});
