/**
 * Who is let in by a listener's TLS, and who is not, seen by OpenSSL's client; and what OpenSSL's other
 * commands make: OCSP responses and stores of PKCS #12.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { before, describe, type TestContext, test } from 'node:test';
import { expired, type Holder, TestRoot } from '../support/certificates.ts';
import { bootstrap, httpListener, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';
import { makeCertificates } from './interop/certificates.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const routes = '[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: hello } } }]';
const request = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
const deadlineMs = 10_000;
/** Who seals the records of those that are let in. */
const modes = { OpenSSL: Number.POSITIVE_INFINITY, 'records of our own': 0 } as const;

type Files = Readonly<Record<string, string | Uint8Array>>;

function serve(t: TestContext, common: string, files: Files, leanTlsAfter: number): Promise<RunningDataPath> {
  const fields = common.replaceAll('\n', ' ');
  const context = `{ name: tls, typed_config: { '@type': ${TYPE}.DownstreamTlsContext, ${fields} } }`;
  const listener = httpListener({ routes, transportSocket: context });
  const readFile = (name: string): Uint8Array => Buffer.from(files[name] as string);
  return startDataPath(t, bootstrap([listener], []), undefined, undefined, { readFile, leanTlsAfter });
}

/** All that `openssl s_client` says while it asks for `/`. */
async function ask(path: RunningDataPath, ...words: string[]): Promise<string> {
  const address = `127.0.0.1:${path.port('web')}`;
  const args = ['s_client', '-connect', address, '-ign_eof', '-nocommands', ...words];
  const child = spawn(findPeer('openssl')!, args, { timeout: deadlineMs });
  child.stdin.on('error', () => {});
  child.stdin.end(request);
  const [said, complaints] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return said + complaints;
}

const stat = (path: RunningDataPath, name: string): number => path.stat(`listener.127.0.0.1_0.ssl.${name}`);
const counted = ['connection_error', 'fail_verify_error', 'fail_verify_no_cert', 'fail_verify_san'] as const;

interface Refusal {
  readonly who: string;
  /** Name of the certificate it shows; '' for none. */
  readonly shows: string;
  readonly words?: readonly string[];
  readonly counter: (typeof counted)[number];
}

const refusals: readonly Refusal[] = [
  { who: 'nobody in particular', shows: '', counter: 'fail_verify_no_cert' },
  { who: 'a member of yesterday', shows: 'expired', counter: 'fail_verify_error' },
  { who: 'a member of tomorrow', shows: 'early', counter: 'fail_verify_error' },
  { who: 'a member of another mesh', shows: 'stranger', counter: 'fail_verify_error' },
  { who: 'a member that was revoked', shows: 'revoked', counter: 'fail_verify_error' },
  { who: 'a member of another name', shows: 'other', counter: 'fail_verify_san' },
  {
    who: 'a client of TLS 1.1',
    shows: 'member',
    words: ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
    counter: 'connection_error',
  },
  {
    who: 'a client of TLS 1.0',
    shows: 'member',
    words: ['-tls1', '-cipher', 'ALL:@SECLEVEL=0'],
    counter: 'connection_error',
  },
  {
    who: 'a client with nothing but a weak cipher',
    shows: 'member',
    words: ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0'],
    counter: 'connection_error',
  },
  {
    who: 'a client with nothing but a weak curve',
    shows: 'member',
    words: ['-curves', 'P-521'],
    counter: 'connection_error',
  },
];

for (const [mode, leanTlsAfter] of Object.entries(modes)) {
  describe(`mutual TLS, ${mode}`, () => {
    let root: TestRoot;
    let own: Holder;
    let crl: string;
    const holders = new Map<string, Holder>();
    before(async () => {
      root = await TestRoot.create('root');
      const uris = ['spiffe://mesh.test/ns/a/sa/member'];
      own = await root.issue({ dns: ['a.test'] });
      holders.set('member', await root.issue({ uris }));
      holders.set('expired', await root.issue({ uris, ...expired }));
      const notBefore = new Date(Date.now() + 1_800_000);
      holders.set('early', await root.issue({ uris, notBefore }));
      holders.set('stranger', await (await TestRoot.create('root')).issue({ uris }));
      holders.set('revoked', await root.issue({ uris }));
      holders.set('other', await root.issue({ uris: ['spiffe://mesh.test/ns/a/sa/other'] }));
      crl = await root.revocationList([holders.get('revoked')!]);
    });

    const strict = (t: TestContext): Promise<RunningDataPath> =>
      serve(
        t,
        `require_client_certificate: true, common_tls_context: {
          tls_certificates: [{ certificate_chain: { filename: cert }, private_key: { filename: key } }],
          validation_context: { trusted_ca: { filename: root }, crl: { filename: crl }, match_typed_subject_alt_names: [
            { san_type: URI, matcher: { exact: spiffe://mesh.test/ns/a/sa/member } } ] } }`,
        { ...own, root: root.pem, crl },
        leanTlsAfter,
      );

    const identity = (t: TestContext, name: string): string[] => {
      const holder = holders.get(name);
      if (holder === undefined) return [];
      const file = join(tempDir(t), 'member.pem');
      writeFileSync(file, holder.cert + holder.key);
      return ['-cert', file, '-key', file];
    };

    for (const version of ['-tls1_2', '-tls1_3']) {
      test(`${version}: a member is let in`, async (t) => {
        if (requirePeer(t, 'openssl') === undefined) return;
        const path = await strict(t);
        const said = await ask(path, version, ...identity(t, 'member'));
        assert.match(said, /HTTP\/1\.1 200 OK.*hello/s);
        assert.equal(stat(path, 'handshake'), 1);
        for (const name of counted) assert.equal(stat(path, name), 0, name);
      });
    }

    for (const { who, shows, words, counter } of refusals) {
      for (const version of words === undefined ? ['-tls1_2', '-tls1_3'] : ['']) {
        test(`${version} ${who} is not`, async (t) => {
          if (requirePeer(t, 'openssl') === undefined) return;
          const path = await strict(t);
          const said = await ask(path, ...(words ?? [version]), ...identity(t, shows));
          assert.doesNotMatch(said, /HTTP\/1\.1/);
          await eventually(() => assert.equal(stat(path, counter), 1));
          for (const name of counted) if (name !== counter) assert.equal(stat(path, name), 0, name);
          assert.equal(path.stat('listener.127.0.0.1_0.downstream_cx_active'), 0);
        });
      }
    }
  });

  describe(`what OpenSSL makes, ${mode}`, () => {
    const openssl = (...words: string[]): void => {
      execFileSync(findPeer('openssl')!, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    };

    for (const version of ['-tls1_2', '-tls1_3']) {
      test(`${version}: a store of PKCS #12`, async (t) => {
        if (requirePeer(t, 'openssl') === undefined) return;
        const folder = tempDir(t);
        const { root, certificate, key } = makeCertificates(folder);
        const store = join(folder, 'store.p12');
        openssl(
          'pkcs12',
          '-export',
          '-in',
          certificate,
          '-inkey',
          key,
          '-out',
          store,
          '-passout',
          'pass:secret',
        );
        const common =
          'common_tls_context: { tls_certificates: [{ pkcs12: { filename: store }, password: { inline_string: secret } }] }';
        const path = await serve(t, common, { store: readFileSync(store) }, leanTlsAfter);
        const said = await ask(
          path,
          version,
          '-CAfile',
          root,
          '-verify_return_error',
          '-servername',
          'localhost',
        );
        assert.match(said, /Verify return code: 0 \(ok\)/);
        assert.match(said, /HTTP\/1\.1 200 OK/);
      });

      test(`${version}: an OCSP response is stapled for who asks`, async (t) => {
        if (requirePeer(t, 'openssl') === undefined) return;
        const folder = tempDir(t);
        const { root, certificate, key } = makeCertificates(folder);
        const serial = execFileSync(findPeer('openssl')!, ['x509', '-in', certificate, '-noout', '-serial'], {
          encoding: 'utf8',
        });
        const index = join(folder, 'index.txt');
        writeFileSync(index, `V\t491231235959Z\t\t${serial.trim().split('=')[1]}\tunknown\t/O=interop\n`);
        const response = join(folder, 'response');
        openssl(
          ...['ocsp', '-index', index, '-CA', root, '-rsigner', root, '-rkey', join(folder, 'root.key')],
          ...['-issuer', root, '-cert', certificate, '-ndays', '1', '-respout', response],
        );
        const files = {
          cert: readFileSync(certificate),
          key: readFileSync(key),
          response: readFileSync(response),
        };
        const common = `ocsp_staple_policy: MUST_STAPLE, common_tls_context: { tls_certificates: [
          { certificate_chain: { filename: cert }, private_key: { filename: key }, ocsp_staple: { filename: response } }] }`;
        const path = await serve(t, common, files, leanTlsAfter);
        const stapled = await ask(path, version, '-status', '-CAfile', root);
        assert.match(stapled, /OCSP Response Status: successful.*Cert Status: good/s);
        assert.match(stapled, /HTTP\/1\.1 200 OK/);
        const plain = await ask(path, version, '-CAfile', root);
        assert.doesNotMatch(plain, /OCSP Response Status/);
        assert.match(plain, /HTTP\/1\.1 200 OK/);
        assert.equal(stat(path, 'ocsp_staple_requests'), 1);
        assert.equal(stat(path, 'ocsp_staple_responses'), 1);
      });
    }
  });
}
