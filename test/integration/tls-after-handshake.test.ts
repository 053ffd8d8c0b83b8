/** A listener's connections of TLS after their handshake: what breaks them is counted as Envoy counts it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { bootstrap, httpListener, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { OpenWire } from '../support/open-wire.ts';
import { clientOf } from '../support/raw-tcp.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const routes = '[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: hello } } }]';
const context = (validation: string, more = ''): string =>
  `{ name: tls, typed_config: { '@type': ${TYPE}.DownstreamTlsContext, ${more}common_tls_context: { ${validation}tls_certificates: [{ certificate_chain: { filename: cert }, private_key: { filename: key } }] } } }`;

/** Who seals the records after the handshake; both must do everything. */
const modes = { OpenSSL: Number.POSITIVE_INFINITY, 'a lean connection': 0 } as const;
const versions = ['TLSv1.2', 'TLSv1.3'] as const;

interface Connection {
  readonly raw: Socket;
  readonly secured: tls.TLSSocket;
}

async function secureConnection(
  t: TestContext,
  path: RunningDataPath,
  version: (typeof versions)[number],
): Promise<Connection> {
  const raw = connect({ port: path.port('web'), host: '127.0.0.1' });
  t.after(() => raw.destroy());
  await once(raw, 'connect');
  const options = { minVersion: version, maxVersion: version, rejectUnauthorized: false } as const;
  const secured = tls.connect({ socket: new OpenWire(raw), ...options });
  secured.on('error', () => {});
  const client = clientOf(t, secured);
  await once(secured, 'secureConnect');
  secured.write(get);
  await client.until((text) => text.endsWith('hello'));
  return { raw, secured };
}

for (const [mode, leanTlsAfter] of Object.entries(modes)) {
  describe(mode, () => {
    let holder: Holder;
    let root: TestRoot;
    const strangers = new Map<string, Holder>();
    before(async () => {
      root = await TestRoot.create('root');
      for (const name of ['root', 'elsewhere'])
        strangers.set(name, await (await TestRoot.create(name)).issue());
      holder = await root.issue({ dns: ['a.test'] });
    });

    const serve = (t: TestContext, fields = context('')): Promise<RunningDataPath> => {
      const listener = httpListener({ routes, transportSocket: fields });
      const files: Readonly<Record<string, string>> = { cert: holder.cert, key: holder.key, root: root.pem };
      const readFile = (file: string): Uint8Array => Buffer.from(files[file]!);
      return startDataPath(t, bootstrap([listener], []), undefined, undefined, { readFile, leanTlsAfter });
    };
    const serveMembers = (t: TestContext): Promise<RunningDataPath> =>
      serve(
        t,
        context(
          'validation_context: { trusted_ca: { filename: root } }, ',
          'require_client_certificate: true, ',
        ),
      );
    const stat = (path: RunningDataPath, name: string): number => path.stat(`listener.127.0.0.1_0.${name}`);

    const faults: Readonly<Record<string, Buffer>> = {
      'a record that nobody sealed': Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32, 'x')]),
      'a record that is too long': Buffer.concat([
        Buffer.from('1703034801', 'hex'),
        Buffer.alloc(18_433, 'x'),
      ]),
      'an alert in plain text': Buffer.from('15030300020228', 'hex'),
      'no TLS at all': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    };

    for (const version of versions) {
      for (const [what, bytes] of Object.entries(faults)) {
        test(`${version}: ${what} ends the connection, and counts as an error twice`, async (t) => {
          const path = await serve(t);
          const { raw } = await secureConnection(t, path, version);
          raw.write(bytes);
          await new Promise((closed) => raw.once('close', closed));
          assert.equal(stat(path, 'ssl.handshake'), 1);
          await eventually(() => {
            assert.equal(stat(path, 'ssl.connection_error'), 2);
            assert.equal(stat(path, 'downstream_cx_active'), 0);
          });
        });
      }

      const ends: Readonly<Record<string, (connection: Connection) => void>> = {
        'an end in plain text': ({ raw }) => raw.end(),
        'an end that TLS tells': ({ secured }) => secured.end(),
        'a reset': ({ raw }) => raw.resetAndDestroy(),
      };
      for (const [what, end] of Object.entries(ends)) {
        test(`${version}: ${what} is no error`, async (t) => {
          const path = await serve(t);
          end(await secureConnection(t, path, version));
          await eventually(() => assert.equal(stat(path, 'downstream_cx_active'), 0));
          assert.equal(stat(path, 'ssl.handshake'), 1);
          assert.equal(stat(path, 'ssl.connection_error'), 0);
        });
      }
    }

    test('who says all at once and ends is answered', async (t) => {
      const path = await serve(t);
      const raw = connect({ port: path.port('web'), host: '127.0.0.1' });
      t.after(() => raw.destroy());
      const options = { minVersion: 'TLSv1.3', rejectUnauthorized: false } as const;
      const wire = new OpenWire(raw);
      const secured = tls.connect({ socket: wire, ...options });
      secured.on('error', () => {});
      const client = clientOf(t, secured);
      // The last flight of the handshake, the request and the end go out together.
      raw.prependOnceListener('data', () => {
        wire.held = [];
      });
      await once(secured, 'secureConnect');
      secured.end(get);
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
      raw.end(Buffer.concat(wire.held ?? []));
      await client.until((text) => text.endsWith('hello'));
      await eventually(() => assert.equal(stat(path, 'downstream_cx_active'), 0));
    });

    // A root of the same name brings another error of OpenSSL's.
    for (const home of ['root', 'elsewhere'])
      test(`a stranger that says all at once is not, and breaks nothing (of ${home})`, async (t) => {
        const path = await serveMembers(t);
        const raw = connect({ port: path.port('web'), host: '127.0.0.1' });
        t.after(() => raw.destroy());
        const options = { minVersion: 'TLSv1.3', rejectUnauthorized: false, ...strangers.get(home) } as const;
        const wire = new OpenWire(raw);
        const secured = tls.connect({ socket: wire, ...options });
        secured.on('error', () => {});
        const client = clientOf(t, secured);
        // The last flight of the handshake, the request and the end go out together.
        raw.prependOnceListener('data', () => {
          wire.held = [];
        });
        await once(secured, 'secureConnect');
        secured.end(get);
        for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
        raw.end(Buffer.concat(wire.held ?? []));
        await client.ended();
        assert.equal(client.text(), '');
        await eventually(() => {
          assert.equal(stat(path, 'downstream_cx_active'), 0);
          assert.equal(stat(path, 'ssl.fail_verify_error'), 1);
        });
      });
  });
}
