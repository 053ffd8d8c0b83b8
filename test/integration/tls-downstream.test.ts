/** TLS of a listener before outsiders: which certificate is shown, which protocol is agreed on, who comes back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { fakeClock, systemClock } from '#core/clock.ts';
import { type Holder, TestRoot } from '../support/certificates.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { clientOf, httpServer, ok } from '../support/raw-tcp.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const routes = '[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: hello } } }]';

/** Texts of a context stand in files of these names. */
type Files = Readonly<Record<string, string | Uint8Array>>;

function context(fields: string): string {
  return `{ name: tls, typed_config: { '@type': ${TYPE}.DownstreamTlsContext, ${fields} } }`;
}

const certificate = (name: string, more = ''): string =>
  `{ certificate_chain: { filename: ${name}.cert }, private_key: { filename: ${name}.key }${more} }`;

function filesOf(holders: Readonly<Record<string, Holder>>, more: Files = {}): Files {
  const entries = Object.entries(holders).flatMap(([name, { cert, key }]) => [
    [`${name}.cert`, cert],
    [`${name}.key`, key],
  ]);
  return { ...Object.fromEntries(entries), ...more };
}

const reading = (files: Files): { readFile(path: string): Uint8Array } => ({
  readFile(path) {
    const content = files[path];
    assert.ok(content !== undefined, `no file ${path}`);
    return Buffer.from(content as string);
  },
});

/** Who seals the records after the handshake; both must do everything. */
const modes = { OpenSSL: Number.POSITIVE_INFINITY, 'a lean connection': 0 } as const;

type Serve = (t: TestContext, fields: string, files: Files, more?: object) => Promise<RunningDataPath>;

const servedBy =
  (leanTlsAfter: number): Serve =>
  (t, fields, files, more = {}) => {
    const listener = httpListener({ routes, transportSocket: context(fields) });
    const deps = { ...reading(files), leanTlsAfter, ...more };
    return startDataPath(t, bootstrap([listener], []), undefined, undefined, deps);
  };

function connect(t: TestContext, path: RunningDataPath, options: tls.ConnectionOptions = {}): tls.TLSSocket {
  const socket = tls.connect({
    port: path.port('web'),
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...options,
  });
  t.after(() => socket.destroy());
  return socket;
}

/** The connection after its handshake and one answer, which comes after the tickets. */
async function ask(
  t: TestContext,
  path: RunningDataPath,
  options: tls.ConnectionOptions = {},
): Promise<{ readonly socket: tls.TLSSocket; readonly session: Buffer | undefined }> {
  const socket = connect(t, path, options);
  let session: Buffer | undefined;
  socket.on('session', (offered: Buffer) => {
    session = offered;
  });
  const client = clientOf(t, socket);
  socket.write(get);
  await client.until((text) => text.endsWith('hello'));
  return { socket, session };
}

const namesOf = (socket: tls.TLSSocket): string => socket.getPeerX509Certificate()?.subjectAltName ?? '';
const stat = (path: RunningDataPath, name: string): number => path.stat(`listener.127.0.0.1_0.ssl.${name}`);

for (const [mode, leanTlsAfter] of Object.entries(modes)) {
  describe(mode, () => listenerTests(servedBy(leanTlsAfter), leanTlsAfter));
}

function listenerTests(serve: Serve, leanTlsAfter: number): void {
  describe('certificates', () => {
    let root: TestRoot;
    let files: Files;
    before(async () => {
      root = await TestRoot.create('root');
      files = filesOf({
        first: await root.issue({ dns: ['first.test'], keyKind: 'rsa' }),
        rsa: await root.issue({ dns: ['both.test', 'rsa.both.test'], keyKind: 'rsa' }),
        ec: await root.issue({ dns: ['both.test', 'ec.both.test', '*.wild.test'] }),
      });
    });
    const three = `common_tls_context: { tls_certificates: [${['first', 'rsa', 'ec'].map((name) => certificate(name)).join(', ')}] }`;

    const rows: readonly (readonly [options: tls.ConnectionOptions, shown: RegExp, why: string])[] = [
      [{ servername: 'first.test' }, /first/, 'the name decides'],
      [{ servername: 'both.test' }, /ec\.both/, 'ECDSA where the client reads it'],
      [
        { servername: 'both.test', sigalgs: 'rsa_pss_rsae_sha256:rsa_pkcs1_sha256' },
        /rsa\.both/,
        'RSA where it does not',
      ],
      [
        { servername: 'both.test', maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
        /rsa\.both/,
        'or its ciphers are for RSA',
      ],
      [{ servername: 'a.wild.test' }, /wild/, 'a wildcard'],
      [{ servername: 'other.test' }, /first/, 'the first for a name nobody has'],
      [{}, /ec\.both/, 'the one liked best where there is no name'],
    ];
    for (const [options, shown, why] of rows) {
      test(`${options.servername ?? 'no name'}: ${why}`, async (t) => {
        const path = await serve(t, three, files);
        const { socket } = await ask(t, path, { ca: root.pem, ...options });
        assert.match(namesOf(socket), shown);
      });
    }

    test('all are looked at where that is asked for', async (t) => {
      const path = await serve(t, `full_scan_certs_on_sni_mismatch: true, ${three}`, files);
      const { socket } = await ask(t, path, { servername: 'other.test' });
      assert.match(namesOf(socket), /ec\.both/);
    });

    test('tell when they are over', async (t) => {
      const over = new Date(Math.floor(Date.now() / 1000 + 1800) * 1000);
      const holder = await root.issue({ dns: ['a.test'], notAfter: over });
      const validation = `validation_context: { trusted_ca: { filename: root } }`;
      const fields = `common_tls_context: { tls_certificates: [${certificate('short')}], ${validation} }`;
      const path = await serve(t, fields, filesOf({ short: holder }, { root: root.pem }));
      const expiry = (name: string): number => stat(path, `certificate.${name}.expiration_unix_time_seconds`);
      assert.equal(expiry('unnamed_cert_e3b0c442'), over.getTime() / 1000);
      assert.equal(
        expiry('unnamed_ca_cert_e3b0c442'),
        Math.floor(root.certificate.notAfter.getTime() / 1000),
      );
    });

    test('a client that names no server is sent away where a name is required', async (t) => {
      const path = await serve(t, `require_sni: true, ${three}`, files);
      await ask(t, path, { servername: 'first.test' });
      assert.equal(await clientOf(t, connect(t, path)).ended(), '');
      assert.equal(stat(path, 'connection_error'), 1);
    });
  });

  describe('ALPN', () => {
    let files: Files;
    before(async () => {
      files = filesOf({ web: await (await TestRoot.create('root')).issue({ dns: ['web.test'] }) });
    });
    const fields = `common_tls_context: { alpn_protocols: [http/1.1, h2], tls_certificates: [${certificate('web')}] }`;
    const rows: readonly (readonly [offered: readonly string[], agreed: string | false])[] = [
      [['h2', 'http/1.1'], 'http/1.1'],
      [['h2'], 'h2'],
      [['foo', 'bar'], false],
      [[], false],
    ];
    for (const [offered, agreed] of rows) {
      test(`${offered.join() || 'nothing'} offered: ${agreed || 'served without'}`, async (t) => {
        const path = await serve(t, fields, files);
        const socket = connect(t, path, { ALPNProtocols: [...offered] });
        await once(socket, 'secureConnect');
        assert.equal(socket.alpnProtocol, agreed);
        if (agreed === 'h2') return;
        const client = clientOf(t, socket);
        socket.write(get);
        await client.until((text) => text.endsWith('hello'));
      });
    }

    test('a ClientHello that comes a byte at a time is read all the same', async (t) => {
      const path = await serve(t, fields, files);
      const { Duplex } = await import('node:stream');
      const { connect: connectTcp } = await import('node:net');
      const raw = connectTcp({ port: path.port('web'), host: '127.0.0.1', noDelay: true });
      t.after(() => raw.destroy());
      const slow = new Duplex({
        read() {},
        write(bytes: Buffer, _encoding, done) {
          for (const byte of bytes) raw.write(Buffer.from([byte]));
          done();
        },
      });
      raw.on('data', (data) => slow.push(data));
      const socket = tls.connect({ socket: slow, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
      await once(socket, 'secureConnect');
      assert.equal(socket.alpnProtocol, 'http/1.1');
    });
  });

  describe('sessions', () => {
    let root: TestRoot;
    let rogue: TestRoot;
    let files: Files;
    let member: tls.ConnectionOptions;
    before(async () => {
      [root, rogue] = await Promise.all([TestRoot.create('root'), TestRoot.create('rogue')]);
      const [web, other, client] = await Promise.all([
        root.issue({ dns: ['web.test'] }),
        root.issue({ dns: ['other.test'] }),
        root.issue({ uris: ['spiffe://cluster.local/ns/default/sa/client'] }),
      ]);
      files = filesOf(
        { web, other },
        { root: root.pem, rogue: rogue.pem, one: 'a'.repeat(80), two: 'b'.repeat(80) },
      );
      member = { cert: client.cert, key: client.key };
    });
    const keys = (...names: string[]): string =>
      `session_ticket_keys: { keys: [${names.map((name) => `{ filename: ${name} }`).join(', ')}] }`;
    const mutual = (trusted = 'root', shown = 'web', more = ''): string =>
      `require_client_certificate: true, common_tls_context: { tls_certificates: [${certificate(shown)}], validation_context: { trusted_ca: { filename: ${trusted} }${more} } }`;

    const resumed = async (
      t: TestContext,
      path: RunningDataPath,
      session: Buffer | undefined,
      options: tls.ConnectionOptions,
    ): Promise<boolean> => {
      assert.ok(session, 'a session was offered');
      return (await ask(t, path, { ...options, session })).socket.isSessionReused();
    };

    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const only = { minVersion: version, maxVersion: version };

      test(`${version}: is resumed, and counted, also without the protocols it began with`, async (t) => {
        const path = await serve(
          t,
          mutual().replace('tls_certificates', 'alpn_protocols: [http/1.1], tls_certificates'),
          files,
        );
        const { session } = await ask(t, path, { ...member, ...only, ALPNProtocols: ['http/1.1'] });
        assert.equal(await resumed(t, path, session, { ...only, ALPNProtocols: ['foo'] }), true);
        assert.equal(stat(path, 'session_reused'), 1);
        assert.equal(stat(path, 'handshake'), 2);
        assert.equal(stat(path, `versions.${version}`), 2);
      });

      test(`${version}: listeners with the same keys take each other's sessions if they ask the same`, async (t) => {
        const here = await serve(t, `${keys('one')}, ${mutual()}`, files);
        const same = await serve(t, `${keys('one')}, ${mutual()}`, files);
        const { session } = await ask(t, here, { ...member, ...only });
        assert.equal(await resumed(t, same, session, only), true);
        const others = {
          'another root': `${keys('one')}, ${mutual('rogue')}`,
          'another name asked for': `${keys('one')}, ${mutual('root', 'web', ', match_typed_subject_alt_names: [{ san_type: URI, matcher: { exact: a } }]')}`,
          'another certificate shown': `${keys('one')}, ${mutual('root', 'other')}`,
          'another key': `${keys('two')}, ${mutual()}`,
        };
        for (const [why, fields] of Object.entries(others)) {
          const path = await serve(t, fields, files);
          const client = clientOf(t, connect(t, path, { ...only, ...(session ? { session } : {}) }));
          client.socket.write(get);
          assert.equal(await client.ended(), '', why);
          assert.equal(stat(path, 'session_reused'), 0, why);
          assert.equal(stat(path, 'fail_verify_no_cert'), 1, why);
        }
      });

      test(`${version}: an older key opens tickets and makes none`, async (t) => {
        const before = await serve(t, `${keys('one')}, ${mutual()}`, files);
        const both = await serve(t, `${keys('two', 'one')}, ${mutual()}`, files);
        const after = await serve(t, `${keys('two')}, ${mutual()}`, files);
        const { session } = await ask(t, before, { ...member, ...only });
        const second = await ask(t, both, { ...only, ...(session ? { session } : {}) });
        assert.equal(second.socket.isSessionReused(), true);
        const { session: fresh } = await ask(t, both, { ...member, ...only });
        assert.equal(await resumed(t, after, fresh, only), true);
      });
    }

    test('without tickets, sessions of TLS 1.2 are kept here; without those there are none', async (t) => {
      const only = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
      const kept = await serve(t, `disable_stateless_session_resumption: true, ${mutual()}`, files);
      const first = await ask(t, kept, { ...member, ...only });
      assert.equal(first.socket.getTLSTicket(), undefined);
      assert.equal(await resumed(t, kept, first.session, only), true);
      const none = await serve(
        t,
        `disable_stateless_session_resumption: true, disable_stateful_session_resumption: true, ${mutual()}`,
        files,
      );
      const { session } = await ask(t, none, { ...member, ...only });
      assert.equal(await resumed(t, none, session, { ...member, ...only }), false);
    });

    test('tickets of yesterday are worth nothing', async (t) => {
      const winding = fakeClock(Date.now());
      const clock = { ...systemClock, wallMs: () => winding.wallMs() };
      const path = await serve(t, mutual(), files, { clock });
      const { session } = await ask(t, path, member);
      assert.equal(await resumed(t, path, session, member), true);
      winding.advance(24 * 60 * 60 * 1000);
      // The certificates of this test are over by then, as far as OpenSSL does not say otherwise.
      const { session: next, socket } = await ask(t, path, { ...member, ...(session ? { session } : {}) });
      assert.equal(socket.isSessionReused(), false);
      assert.equal(await resumed(t, path, next, member), true);
    });
  });

  describe('a chain of certificates', () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      test(`${version}: is told whole, and in a session too`, async (t) => {
        const root = await TestRoot.create('root');
        const leaf = await (await root.intermediate('middle')).issue({ uris: ['spiffe://a.test/b'] });
        const own = await root.issue({ dns: ['a.test'] });
        const validation = 'validation_context: { trusted_ca: { filename: root } }';
        const listener = httpListener({
          routes:
            '[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: hello } }, response_headers_to_add: [{ header: { key: told, value: "%REQ(x-forwarded-client-cert)%" } }] }]',
          hcm: [
            'forward_client_cert_details: SANITIZE_SET',
            'set_current_client_cert_details: { chain: true }',
          ],
          transportSocket: context(
            `common_tls_context: { tls_certificates: [${certificate('own')}], ${validation} }`,
          ),
        });
        const deps = { ...reading(filesOf({ own }, { root: root.pem })), leanTlsAfter };
        const path = await startDataPath(t, bootstrap([listener], []), undefined, undefined, deps);
        const tell = async (options: tls.ConnectionOptions): Promise<[Buffer | undefined, string]> => {
          const socket = connect(t, path, { ...options, minVersion: version, maxVersion: version });
          let session: Buffer | undefined;
          socket.on('session', (offered: Buffer) => {
            session = offered;
          });
          const client = clientOf(t, socket);
          socket.write(get);
          const text = await client.until((answer) => answer.endsWith('hello'));
          return [session, decodeURIComponent(/Chain="([^"]*)"/.exec(text)?.[1] ?? '')];
        };
        const [session, told] = await tell({ cert: leaf.cert, key: leaf.key });
        assert.equal(told, leaf.cert);
        assert.equal(told.match(/BEGIN CERTIFICATE/g)?.length, 2);
        assert.equal((await tell({ session }))[1], told);
        assert.equal(stat(path, 'session_reused'), 1);
      });
    }
  });

  describe('a handshake', () => {
    test('with TLS 1.1, or no TLS at all, is refused and counted', async (t) => {
      const root = await TestRoot.create('root');
      const path = await serve(
        t,
        `common_tls_context: { tls_certificates: [${certificate('web')}] }`,
        filesOf({ web: await root.issue({ dns: ['web.test'] }) }),
      );
      const old = connect(t, path, {
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL:@SECLEVEL=0',
      });
      const [error] = (await once(old, 'error')) as [Error & { code: string }];
      assert.match(error.code, /PROTOCOL_VERSION/);
      const { rawClient } = await import('../support/raw-tcp.ts');
      const plain = rawClient(t, path.port('web'));
      plain.socket.write(get);
      assert.doesNotMatch(await plain.ended(), /HTTP/);
      const silent = rawClient(t, path.port('web'));
      silent.socket.end();
      await silent.ended();
      assert.equal(stat(path, 'connection_error'), 2);
      assert.equal(stat(path, 'handshake'), 0);
    });

    test('tells its secrets to the key log, for addresses it is for', async (t) => {
      const root = await TestRoot.create('root');
      const files = filesOf({ web: await root.issue({ dns: ['web.test'] }) });
      const logging = (range: string): string =>
        `common_tls_context: { key_log: { path: keys, remote_address_range: [{ address_prefix: ${range}, prefix_len: 8 }] }, tls_certificates: [${certificate('web')}] }`;
      const path = await serve(t, logging('127.0.0.0'), files);
      await ask(t, path);
      const ofKeys = path.lines.filter((line) => /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]+\n$/.test(line));
      assert.ok(
        ofKeys.some((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 ')),
        path.lines.join(''),
      );
      const other = await serve(t, logging('10.0.0.0'), files);
      await ask(t, other);
      assert.ok(!other.lines.some((line) => line.includes('SECRET')));
    });

    test('with a key that is locked, and a store of PKCS #12', async (t) => {
      const root = await TestRoot.create('root');
      const { createPrivateKey } = await import('node:crypto');
      const web = await root.issue({ dns: ['web.test'] });
      const locked = createPrivateKey(web.key).export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'secret',
      });
      const files = { 'web.cert': web.cert, 'web.key': locked.toString() };
      const path = await serve(
        t,
        `common_tls_context: { tls_certificates: [${certificate('web', ', password: { inline_string: secret }')}] }`,
        files,
      );
      const { socket } = await ask(t, path);
      assert.match(namesOf(socket), /web\.test/);
    });
  });

  test('connections that are there go on while certificates change under load, and new ones show the new', async (t) => {
    const root = await TestRoot.create('root');
    const { createSecretStore } = await import('#proxy/apply/secret-store.ts');
    const secrets = createSecretStore();
    const renew = async (n: number): Promise<void> => {
      const { cert, key } = await root.issue({ dns: [`v${n}.test`] });
      secrets.set('web', { certificateChainPem: cert, privateKeyPem: key });
    };
    await renew(0);
    const app = await httpServer(t, () => ok('hello'));
    const sds = 'tls_certificate_sds_secret_configs: [{ name: web, sds_config: { ads: {} } }]';
    const listener = httpListener({
      routes: '[{ match: { prefix: / }, route: { cluster: app } }]',
      transportSocket: context(`common_tls_context: { ${sds} }`),
    });
    const path = await startDataPath(
      t,
      bootstrap([listener], [cluster('app', [app.port])]),
      secrets,
      undefined,
      {
        leanTlsAfter,
      },
    );
    const olds = await Promise.all(Array.from({ length: 8 }, () => ask(t, path)));
    const clients = olds.map(({ socket }) => clientOf(t, socket));
    for (let round = 1; round <= 10; round++) {
      await renew(round);
      const fresh = await Promise.all(Array.from({ length: 4 }, () => ask(t, path)));
      for (const { socket } of fresh) assert.match(namesOf(socket), new RegExp(`v${round}\\.test`));
      for (const client of clients) client.socket.write(get);
      await Promise.all(
        clients.map((client) => client.until((text) => text.split('hello').length === round + 1)),
      );
    }
    assert.equal(stat(path, 'handshake'), 8 + 10 * 4);
    assert.equal(path.stat('listener.127.0.0.1_0.server_ssl_socket_factory.ssl_context_update_by_sds'), 11);
  });
}
