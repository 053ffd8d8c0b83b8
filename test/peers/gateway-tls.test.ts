/** TLS of the ingress gateway before people outside: curl and OpenSSL against every mode, and certificates that change. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { apiPaths, type ConfigReport } from '#api/contract.ts';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { requirePeer } from '../support/peer.ts';
import { smallMesh } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);

/** A Secret where the gateway is. */
function secret(name: string, texts: Readonly<Record<string, string>>): string {
  const metadata = { name, namespace: 'istio-system' };
  return `${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: texts })}\n---\n`;
}

function pair(name: string, { cert, key }: Holder): string {
  return secret(name, { 'tls.crt': cert, 'tls.key': key });
}

const server = (name: string, tls: string, hosts = `${name}.example.com`): string =>
  `  - {port: {number: 443, name: ${name}, protocol: HTTPS}, hosts: ["${hosts}"], tls: ${tls}}\n`;

const routes = (files: { readonly cert: string; readonly key: string }): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [redirect.example.com], tls: {httpsRedirect: true}}
${server('simple', '{mode: SIMPLE, credentialName: simple, minProtocolVersion: TLSV1_3}')}\
${server('rest', '{mode: SIMPLE, credentialNames: [rest-rsa, rest-ec], maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384, ECDHE-ECDSA-AES256-GCM-SHA384]}', '*.example.org')}\
${server('mutual', '{mode: MUTUAL, credentialName: mutual, subjectAltNames: [alice.example.com]}')}\
${server('optional', '{mode: OPTIONAL_MUTUAL, credentialName: optional}')}\
${server('files', `{mode: SIMPLE, serverCertificate: ${files.cert}, privateKey: ${files.key}}`)}\
${server('missing', '{mode: SIMPLE, credentialName: missing}')}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  ingressClassName: istio
  tls: [{hosts: [ingress.example.com], secretName: ingress}]
  rules:
  - host: ingress.example.com
    http:
      paths:
      - {path: /hello, pathType: Prefix, backend: {service: {name: echo, port: {name: http}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: ["*"]
  gateways: [edge]
  http: [{route: [{destination: {host: echo}}]}]
---
`;

interface Answer {
  readonly code: number;
  readonly http: string;
  readonly headers: string;
  readonly body: string;
}

describe('TLS at the ingress gateway', () => {
  const hooks: (() => void)[] = [];
  const folder = tempDir({ after: (hook) => hooks.push(hook) });
  const file = (name: string): string => join(folder, name);
  let root: TestRoot;
  let holders: Readonly<Record<string, Holder>>;
  let mesh: RunningMesh;
  let httpsPort = 0;

  /** Whole, as an editor that replaces the file. */
  const writeSecrets = (changed: Readonly<Record<string, string>> = {}): void => {
    const { simple, rsa, ec, mutual, optional, clients } = holders as Record<string, Holder>;
    const documents: Record<string, string> = {
      simple: pair('simple', simple!),
      rsa: pair('rest-rsa', rsa!),
      ec: secret('rest-ec', { cert: ec!.cert, key: ec!.key }),
      ingress: pair('ingress', holders.ingress!),
      mutual: secret('mutual', { 'tls.crt': mutual!.cert, 'tls.key': mutual!.key, 'ca.crt': root.pem }),
      optional: pair('optional', optional!) + secret('optional-cacert', { cacert: root.pem }),
      ...changed,
    };
    assert.ok(clients);
    writeFileSync(file('secrets.next'), Object.values(documents).join(''));
    renameSync(file('secrets.next'), file('secrets.yaml'));
  };

  before(async () => {
    root = await TestRoot.create('outside');
    const issue = (host: string, keyKind: 'P-256' | 'rsa' = 'P-256') =>
      root.issue({ dns: [host], commonName: host, keyKind });
    holders = {
      simple: await issue('simple.example.com'),
      rsa: await issue('*.example.org', 'rsa'),
      ec: await issue('*.example.org'),
      mutual: await issue('mutual.example.com'),
      optional: await issue('optional.example.com'),
      files: await issue('files.example.com'),
      ingress: await issue('ingress.example.com'),
      clients: await issue('alice.example.com'),
      bob: await issue('bob.example.com'),
    };
    for (const name of ['files', 'clients', 'bob']) {
      writeFileSync(file(`${name}.crt`), holders[name]!.cert);
      writeFileSync(file(`${name}.key`), holders[name]!.key);
    }
    writeFileSync(file('ca.pem'), root.pem);
    writeSecrets();
    const more = routes({ cert: file('files.crt'), key: file('files.key') });
    const { manifest } = smallMesh(folder, { more });
    mesh = await startMesh([manifest, file('secrets.yaml')]);
    httpsPort = Number(new URL(mesh.state().ingressUrls[1]!).port);
  });
  after(async () => {
    await mesh?.stop();
    for (const hook of hooks) hook();
  });

  /** Asks `host` as curl does. Rejects with what curl says where there is no answer. */
  async function ask(host: string, words: readonly string[] = [], port = httpsPort): Promise<Answer> {
    const url = `${port === httpsPort ? 'https' : 'http'}://${host}:${port}/hello`;
    const { stdout } = await run('curl', [
      ...[
        '-sS',
        '-i',
        '--max-time',
        '20',
        '--resolve',
        `${host}:${port}:127.0.0.1`,
        '--cacert',
        file('ca.pem'),
      ],
      ...['-w', '\n%{http_code} %{http_version}', ...words, url],
    ]);
    const [, code, http] = /\n(\d+) (\S+)$/.exec(stdout) ?? [];
    const [headers = '', body = ''] = stdout.split('\r\n\r\n');
    return { code: Number(code), http: http ?? '', headers, body };
  }
  const certificateOf = (name: string): string[] => [
    '--cert',
    file(`${name}.crt`),
    '--key',
    file(`${name}.key`),
  ];
  const problems = async (): Promise<string> => {
    const report = await (await fetch(`${mesh.state().apiUrl}${apiPaths.configz}`)).json();
    return JSON.stringify((report as ConfigReport).problems);
  };
  const needsCurl = (t: TestContext): boolean => requirePeer(t, 'curl') !== undefined;

  test('SIMPLE: each host has its certificate, and HTTP/2 is agreed on', async (t) => {
    if (!needsCurl(t)) return;
    const answer = await eventually(() => ask('simple.example.com'));
    assert.deepEqual([answer.code, answer.http], [200, '2']);
    assert.match(answer.body, /"x-forwarded-proto":"https"/);
    const old = await ask('simple.example.com', ['--http1.1']);
    assert.deepEqual([old.code, old.http], [200, '1.1']);
    assert.equal((await ask('www.example.org')).code, 200);
    assert.equal((await ask('files.example.com')).code, 200);
  });

  test('a host that no server names gets no certificate', async (t) => {
    if (!needsCurl(t)) return;
    await assert.rejects(ask('other.example.net'), /curl: \(35\)/);
  });

  test('versions and ciphers are those that are written, and keys of two kinds', async (t) => {
    if (requirePeer(t, 'openssl') === undefined) return;
    const hello = async (host: string, ...words: string[]): Promise<string> => {
      const all = ['s_client', '-connect', `127.0.0.1:${httpsPort}`, '-servername', host, ...words];
      const { stdout, stderr } = await run('sh', ['-c', 'exec openssl "$@" </dev/null', 'sh', ...all]).catch(
        (error: { stdout: string; stderr: string }) => error,
      );
      return stdout + stderr;
    };
    assert.match(await hello('simple.example.com', '-tls1_2'), /alert protocol version|no peer certificate/);
    assert.match(await hello('simple.example.com', '-alpn', 'h2'), /ALPN protocol: h2/);
    const rsa = await hello('www.example.org', '-sigalgs', 'RSA-PSS+SHA256:RSA+SHA256');
    assert.match(rsa, /ECDHE-RSA-AES256-GCM-SHA384/);
    const ec = await hello('www.example.org', '-sigalgs', 'ECDSA+SHA256');
    assert.match(ec, /ECDHE-ECDSA-AES256-GCM-SHA384/);
    const weak = await hello('www.example.org', '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256');
    assert.match(weak, /alert handshake failure/);
  });

  test('MUTUAL: clients show a certificate of the name that is written', async (t) => {
    if (!needsCurl(t)) return;
    const alice = await ask('mutual.example.com', certificateOf('clients'));
    assert.equal(alice.code, 200);
    assert.match(
      alice.body,
      /"x-forwarded-client-cert":"Hash=[0-9a-f]{64};Subject=\\"CN=alice\.example\.com\\"/,
    );
    await assert.rejects(ask('mutual.example.com', certificateOf('bob')), /curl: /);
    await assert.rejects(ask('mutual.example.com'), /curl: /);
  });

  test('OPTIONAL_MUTUAL: with a certificate or without', async (t) => {
    if (!needsCurl(t)) return;
    const { body } = await ask('optional.example.com', certificateOf('bob'));
    assert.match(body, /bob\.example\.com/);
    const without = await ask('optional.example.com');
    assert.equal(without.code, 200);
    assert.doesNotMatch(without.body, /Subject=\\"CN=/);
  });

  test('httpsRedirect: plain requests are sent to https', async (t) => {
    if (!needsCurl(t)) return;
    const plain = Number(new URL(mesh.ingressUrl).port);
    const { code, headers } = await ask('redirect.example.com', [], plain);
    assert.equal(code, 301);
    assert.match(headers, /location: https:\/\/redirect\.example\.com(:\d+)?\/hello/i);
    assert.equal((await ask('open.example.com', [], plain)).code, 200);
  });

  test('an Ingress is served on both ports, with its certificate', async (t) => {
    if (!needsCurl(t)) return;
    assert.equal((await ask('ingress.example.com')).code, 200);
    assert.equal((await ask('ingress.example.com', [], Number(new URL(mesh.ingressUrl).port))).code, 200);
    assert.equal((await ask('ingress.example.com', ['--request-target', '/hellos'])).code, 404);
    assert.equal((await ask('ingress.example.com', ['--request-target', '/hello/x'])).code, 200);
  });

  test('a host of another certificate is misdirected: 421', async (t) => {
    if (!needsCurl(t)) return;
    const { code } = await ask('simple.example.com', ['-H', 'host: mutual.example.com']);
    assert.equal(code, 421);
    assert.equal((await ask('simple.example.com', ['-H', 'host: nowhere.example.net'])).code, 404);
  });

  test('a Secret that is missing closes its own hosts, and is told; once it is there they are open', async (t) => {
    if (!needsCurl(t)) return;
    await assert.rejects(ask('missing.example.com'), /curl: \(35\)/);
    assert.match(await problems(), /there is no Secret missing in the namespace istio-system/);
    writeSecrets({ missing: pair('missing', await root.issue({ dns: ['missing.example.com'] })) });
    await eventually(async () => assert.equal((await ask('missing.example.com')).code, 200));
  });

  test('a Secret that changes swaps the certificate: no request fails, and connections go on', async (t) => {
    if (!needsCurl(t)) return;
    const options = { host: '127.0.0.1', port: httpsPort, servername: 'simple.example.com', ca: root.pem };
    const serialOf = async (): Promise<string> => {
      const socket = connect({ ...options, ALPNProtocols: ['http/1.1'] });
      await once(socket, 'secureConnect');
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber.toLowerCase();
    };
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const statuses: (number | undefined)[] = [];
    const kept = async (): Promise<Socket> => {
      const asked = request({ ...options, path: '/', headers: { host: 'simple.example.com' }, agent }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      statuses.push(response.statusCode);
      await text(response);
      return asked.socket!;
    };
    const first = await kept();
    let isDone = false;
    const load = (async () => {
      while (!isDone) statuses.push((await ask('simple.example.com')).code);
    })();
    const next = await root.issue({ dns: ['simple.example.com'] });
    writeSecrets({ simple: pair('simple', next) });
    await eventually(async () => assert.equal(await serialOf(), next.serialNumber));
    const other = await root.issue({ dns: ['simple.example.com'] });
    writeSecrets({ simple: pair('simple', { ...other, key: next.key }) });
    await eventually(async () =>
      assert.match(await problems(), /tls\.key is not the key of the certificate in tls\.crt/),
    );
    assert.equal(await serialOf(), next.serialNumber);
    assert.equal(await kept(), first);
    isDone = true;
    await load;
    agent.destroy();
    assert.deepEqual([...new Set(statuses)], [200]);
  });
});
