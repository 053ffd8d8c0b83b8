/**
 * TLS of a listener before clients that are not ours, once with OpenSSL for the records and once with our
 * own: key updates, every cipher of TLS 1.3, padding, small records, sessions, much in both directions.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { SecureSocket } from '#proxy/tls/record/secure-socket.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Certificates, makeCertificates } from './interop/certificates.ts';
import { clients, type Question, sha256 } from './interop/clients.ts';
import { buildGo } from './interop/upstreams.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const run = promisify(execFile);
const timeout = 30_000;
const modes = { OpenSSL: Number.POSITIVE_INFINITY, 'records of our own': 0 } as const;
const get = 'GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n';
const large: Buffer = randomBytes(10_000_000);
const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'] as const;

/** Answers with `hello`, with much, or with what it was sent. */
async function startUpstream(hooks: { after(run: () => void): void }): Promise<number> {
  const server = createServer((request, response) => {
    if (request.method === 'POST') request.pipe(response);
    else response.end(request.url === '/large' ? large : 'hello');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  hooks.after(() => server.close());
  hooks.after(() => server.closeAllConnections());
  return (server.address() as AddressInfo).port;
}

/** How often records of our own brought something. */
let ownReads = 0;
const { push } = SecureSocket.prototype;
SecureSocket.prototype.push = function (chunk) {
  ownReads++;
  return push.call(this, chunk);
};

/** A running `openssl s_client` that is spoken to. */
class Talk {
  readonly #child: ReturnType<typeof spawn>;
  #said = '';
  #changed: () => void = () => {};

  constructor(port: number, ...words: string[]) {
    this.#child = spawn(findPeer('openssl')!, ['s_client', '-connect', `127.0.0.1:${port}`, ...words]);
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (text: Buffer) => {
        this.#said += text.toString('latin1');
        this.#changed();
      });
    }
    this.#child.once('close', () => this.#changed());
  }

  say(text: string): void {
    this.#child.stdin!.write(text);
  }

  async until(enough: RegExp): Promise<string> {
    const deadline = setTimeout(() => this.#child.kill('SIGKILL'), timeout);
    while (!enough.test(this.#said)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        assert.fail(`no ${enough} in ${this.#said}`);
      await new Promise<void>((changed) => {
        this.#changed = changed;
      });
    }
    clearTimeout(deadline);
    return this.#said;
  }

  /** Asks, and waits for the answer. */
  async ask(): Promise<void> {
    this.#said = '';
    this.say(get);
    await this.until(/hello$/m);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

for (const [mode, leanTlsAfter] of Object.entries(modes)) {
  const isOwn = leanTlsAfter === 0;

  describe(mode, () => {
    const ends: (() => unknown)[] = [];
    let path: RunningDataPath;
    let certificates: Certificates;
    let folder: string;
    before(async () => {
      const hooks = { after: (end: () => unknown): void => void ends.push(end) };
      folder = tempDir(hooks);
      certificates = makeCertificates(folder);
      const upstream = await startUpstream(hooks);
      const { certificate, key } = certificates;
      const context = `common_tls_context: { alpn_protocols: [h2, http/1.1], tls_certificates: [{ certificate_chain: { filename: '${certificate}' }, private_key: { filename: '${key}' } }] }`;
      const listener = httpListener({
        routes: '[{ match: { prefix: / }, route: { cluster: all, timeout: 60s } }]',
        transportSocket: `{ name: tls, typed_config: { '@type': ${TYPE}.DownstreamTlsContext, ${context} } }`,
      });
      const deps = { leanTlsAfter, readFile: (file: string) => readFileSync(file) };
      const yaml = bootstrap([listener], [cluster('all', [upstream])]);
      path = await startDataPath(hooks as never, yaml, undefined, undefined, deps);
      writeFileSync(join(folder, 'large'), large);
    });
    after(async () => {
      for (const end of ends.reverse()) await end();
    });

    const url = (target: string): string => `https://localhost:${path.port('web')}${target}`;

    /** Runs it; who reads the records afterwards is who should. */
    async function judged(work: () => Promise<void>): Promise<void> {
      const readsBefore = ownReads;
      const faultsBefore = path.stat('listener.127.0.0.1_0.ssl.connection_error');
      await work();
      assert.equal(ownReads > readsBefore, isOwn, 'who read the records');
      assert.equal(path.stat('listener.127.0.0.1_0.ssl.connection_error'), faultsBefore);
    }

    for (const client of clients.filter(({ secured }) => secured)) {
      test(client.name, { timeout: 2 * timeout }, async (t) => {
        if (requirePeer(t, client.peer) === undefined) return;
        const go = client.peer === 'go' ? buildGo(folder) : '';
        const body = join(folder, 'body');
        const sent = large.subarray(0, 1_000_000);
        writeFileSync(body, sent);
        const questions: readonly Question[] = [
          { method: 'GET', url: url('/hello') },
          { method: 'POST', url: url('/echo'), body },
          { method: 'GET', url: url('/hello') },
        ];
        await judged(async () => {
          assert.deepEqual(
            await client.ask(questions, { root: certificates.root, go }),
            ['hello', sent, 'hello'].map((bytes) => ({ status: 200, sha256: sha256(bytes) })),
          );
        });
      });
    }

    for (const version of ['--http1.1', '--http2']) {
      test(`curl ${version}: 10 MB down, and up and down`, { timeout: 2 * timeout }, async (t) => {
        if (requirePeer(t, 'curl') === undefined) return;
        await judged(async () => {
          for (const words of [
            [url('/large')],
            ['--data-binary', `@${join(folder, 'large')}`, url('/echo')],
          ]) {
            const out = join(folder, 'out');
            await run('curl', ['-sSf', version, '--cacert', certificates.root, '-o', out, ...words], {
              timeout,
            });
            assert.equal(sha256(readFileSync(out)), sha256(large));
          }
        });
      });
    }

    for (const suite of suites) {
      test(`openssl, ${suite}: keys are renewed from there, with and without an answer`, async (t) => {
        if (requirePeer(t, 'openssl') === undefined) return;
        const talk = new Talk(path.port('web'), '-tls1_3', '-ciphersuites', suite);
        t.after(() => talk.end());
        await judged(async () => {
          assert.match(await talk.until(/Verify return code/), new RegExp(`Cipher is ${suite}`));
          for (const letter of ['k', 'K', 'K', 'k']) {
            await talk.ask();
            talk.say(`${letter}\n`);
            await talk.until(/KEYUPDATE/);
            await talk.ask();
          }
        });
        assert.ok(path.stat(`listener.127.0.0.1_0.ssl.ciphers.${suite}`) > 0);
      });
    }

    for (const words of [
      ['-record_padding', '1024'],
      ['-max_send_frag', '512'],
      ['-split_send_frag', '512'],
    ]) {
      test(`openssl ${words.join(' ')}`, async (t) => {
        if (requirePeer(t, 'openssl') === undefined) return;
        const talk = new Talk(path.port('web'), '-tls1_3', ...words);
        t.after(() => talk.end());
        await judged(async () => {
          await talk.until(/Verify return code/);
          await talk.ask();
          talk.say(`POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n${'x'.repeat(4995)}.end\n`);
          // In as many chunks as the records came in.
          const body = /(?:x|\s+[0-9a-f]+\s+)+\.end/;
          const [said = ''] = body.exec(await talk.until(body)) ?? [];
          assert.equal(said.match(/x/g)?.length, 4995);
        });
      });
    }

    test('openssl: sessions are resumed, and no data comes before the handshake', async (t) => {
      if (requirePeer(t, 'openssl') === undefined) return;
      const session = join(folder, 'session');
      const early = join(folder, 'early');
      writeFileSync(early, get);
      await judged(async () => {
        for (const [words, expected] of [
          [['-sess_out', session], /^New, TLSv1\.3/m],
          [['-sess_in', session], /^Reused, TLSv1\.3/m],
          [['-sess_in', session, '-early_data', early], /^Early data was (not sent|rejected)/m],
        ] as const) {
          const talk = new Talk(path.port('web'), '-tls1_3', ...words);
          t.after(() => talk.end());
          assert.match(await talk.until(/Verify return code/), expected);
          await talk.ask();
          await talk.end();
        }
      });
      assert.equal(path.stat('listener.127.0.0.1_0.ssl.session_reused'), 2);
    });

    test('Python: reads to the end that TLS tells', async (t) => {
      if (requirePeer(t, 'python3') === undefined) return;
      const program = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.minimum_version = ssl.TLSVersion.TLSv1_3
raw = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
with context.wrap_socket(raw, server_hostname='localhost', suppress_ragged_eofs=False) as secured:
    for byte in b'GET /large HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n':
        secured.sendall(bytes([byte]))
    count = 0
    while piece := secured.recv(100000):
        count += len(piece)
    print(secured.version(), count > 10000000)
`;
      await judged(async () => {
        const args = ['-c', program, String(path.port('web')), certificates.root];
        const { stdout } = await run(findPeer('python3')!, args, { timeout });
        assert.equal(stdout, 'TLSv1.3 True\n');
      });
    });

    test('wrk', { timeout }, async (t) => {
      if (requirePeer(t, 'wrk') === undefined) return;
      await judged(async () => {
        const { stdout } = await run('wrk', ['-t', '1', '-c', '8', '-d', '1', url('/hello')], { timeout });
        assert.match(stdout, /[1-9]\d* requests in/);
        assert.doesNotMatch(stdout, /Socket errors|Non-2xx/);
      });
    });

    for (const flags of [['--h1'], ['-m', '16']]) {
      test(`h2load ${flags.join(' ')}`, { timeout }, async (t) => {
        if (requirePeer(t, 'h2load') === undefined) return;
        await judged(async () => {
          const args = ['-n', '1000', '-c', '8', ...flags, url('/hello')];
          const { stdout } = await run('h2load', args, { timeout });
          assert.match(stdout, /status codes: 1000 2xx/);
          assert.match(stdout, /1000 succeeded, 0 failed, 0 errored/);
        });
      });
    }
  });
}
