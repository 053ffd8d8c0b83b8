/** Gateways of one mesh, one of them a real Envoy: it refuses nothing, and people outside cannot tell which is which. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import net, { type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { adminSocketPath } from '#api/admin-socket.ts';
import { apiClient, requestJoinToken } from '#api/client.ts';
import { leaseNetwork } from '#host/lease.ts';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { type HeddleChild, startChild, startHeddle } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);
const makes = ['heddle', 'envoy'] as const;

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 8080, name: http, protocol: HTTP}, hosts: [plain.example.com]}
  - {port: {number: 8080, name: redirect, protocol: HTTP}, hosts: [secure.example.com], tls: {httpsRedirect: true}}
  - {port: {number: 8443, name: simple, protocol: HTTPS}, hosts: ["*.example.com"], tls: {mode: SIMPLE, credentialName: simple}}
  - {port: {number: 8443, name: mutual, protocol: HTTPS}, hosts: [mutual.example.com], tls: {mode: MUTUAL, credentialName: mutual, subjectAltNames: [alice.example.com]}}
  - {port: {number: 8443, name: optional, protocol: HTTPS}, hosts: [optional.example.com], tls: {mode: OPTIONAL_MUTUAL, credentialName: mutual, minProtocolVersion: TLSV1_3}}
  - {port: {number: 8443, name: passing, protocol: TLS}, hosts: [vault.example.com], tls: {mode: PASSTHROUGH}}
  - {port: {number: 8443, name: ending, protocol: TLS}, hosts: [tcp.example.com], tls: {mode: SIMPLE, credentialName: simple}}
  - {port: {number: 8443, name: closed, protocol: HTTPS}, hosts: [closed.example.com], tls: {mode: SIMPLE, credentialName: missing}}
  - {port: {number: 7000, name: tcp, protocol: TCP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: ["*.example.com"]
  gateways: [edge]
  http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]
  tls: [{match: [{sniHosts: [vault.example.com]}], route: [{destination: {host: shop, port: {number: 8443}}}]}]
  tcp: [{route: [{destination: {host: shop, port: {number: 7000}}}]}]
---
`;

/** What stands behind both: pages, a server that speaks first, and one with TLS of its own. */
async function startShop(
  t: TestContext,
  vault: Holder,
): Promise<Readonly<Record<'http' | 'tcp' | 'tls', number>>> {
  const end = (said: string) => (socket: net.Socket) => void socket.on('error', () => {}).end(said);
  const servers: Record<'http' | 'tcp' | 'tls', Server> = {
    http: createServer(({ headers }, response) => {
      const client =
        /Subject="([^"]*)"/.exec(String(headers['x-forwarded-client-cert'] ?? ''))?.[1] ?? 'nobody';
      response.end(
        `${headers[':authority'] ?? headers.host?.split(':')[0]} by ${headers['x-forwarded-proto']} for ${client}`,
      );
    }),
    tcp: net.createServer(end('welcome')),
    tls: tls.createServer(vault, end('vault')),
  };
  const ports = Object.entries(servers).map(async ([name, server]) => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    return [name, (server.address() as AddressInfo).port] as const;
  });
  return Object.fromEntries(await Promise.all(ports)) as Record<'http' | 'tcp' | 'tls', number>;
}

const pod = (name: string, labels: object, address: string): string =>
  `${JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels } },
    spec: { containers: [{ name, image: 'none' }] },
    status: { podIP: address, conditions: [{ type: 'Ready', status: 'True' }] },
  })}\n---\n`;
const secret = (name: string, stringData: object): string =>
  `${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData })}\n---\n`;

/** Undefined after the test was marked as skipped. Where each gateway is. */
async function startGateways(
  t: TestContext,
  folder: string,
  documents: (addresses: readonly string[]) => string,
): Promise<readonly string[] | undefined> {
  const envoy = requirePeer(t, 'envoy');
  if (envoy === undefined) return undefined;
  const lease = await leaseNetwork(folder);
  if (!lease.ok) {
    t.skip('there is no loopback network but 127.0.0.1');
    return undefined;
  }
  t.after(() => lease.release());
  const { controlAddress } = lease;
  const addresses = makes.map((_, i) => lease.meshAddress(i));
  const state = join(folder, 'state');
  const manifest = join(folder, 'mesh.yaml');
  writeFileSync(manifest, documents(addresses));
  const control = startHeddle(t, ['control', manifest, '--state', state, '--address', controlAddress]);
  await control.says(/control\.started/);
  const start = async (
    command: string,
    name: string,
    address: string,
    more: string[],
  ): Promise<HeddleChild> => {
    const subject = { namespace: 'default', serviceAccount: 'default', pod: name };
    const token = join(folder, `${name}.token`);
    writeFileSync(token, (await requestJoinToken(adminSocketPath(state), subject)).token, { mode: 0o600 });
    return startHeddle(t, [
      ...[command, '--control', `${controlAddress}:15012`, '--root-ca', join(state, 'ca', 'root-cert.pem')],
      ...[
        '--token-file',
        token,
        '--name',
        name,
        '--address',
        address,
        '--interception-mode',
        'NONE',
        ...more,
      ],
    ]);
  };
  await start('gateway', 'heddle', addresses[0]!, []);
  const agent = await start('agent', 'envoy', addresses[1]!, ['--state', join(folder, 'agent')]);
  await agent.says(/agent\.ready/);
  const bootstrap = join(folder, 'agent', 'envoy-bootstrap.json');
  writeFileSync(bootstrap, readFileSync(bootstrap, 'utf8').replace('"sidecar~', '"router~'));
  const child = startChild(t, envoy, [
    '-c',
    bootstrap,
    '--concurrency',
    '1',
    '--disable-hot-restart',
    '-l',
    'error',
  ]);
  const api = apiClient(`http://${controlAddress}:15014`);
  await eventually(async () => {
    const proxies = await api.proxies();
    assert.equal(proxies.filter(({ types }) => types.LDS.state === 'SYNCED').length, 2, child.output());
    for (const { proxy, types } of proxies) {
      for (const type of ['CDS', 'EDS', 'LDS', 'RDS', 'SDS'] as const)
        assert.equal(types[type].state, 'SYNCED', `${proxy} ${JSON.stringify(types[type])}`);
    }
  });
  return addresses;
}

/** What somebody does and what comes of it; `closed` where there is no answer. */
const questions: readonly (readonly [name: string, words: readonly string[], answer: string])[] = [
  ['plain HTTP', ['http://plain.example.com:8080/'], '200 plain.example.com by http for nobody'],
  ['a host nobody serves', ['http://other.example.com:8080/'], '404'],
  ['a redirect', ['http://secure.example.com:8080/x?y=1'], '301 https://secure.example.com:8080/x?y=1'],
  ['SIMPLE', ['https://a.example.com:8443/'], '200 a.example.com by https for nobody'],
  [
    'SIMPLE by HTTP/1.1',
    ['--http1.1', 'https://b.example.com:8443/'],
    '200 b.example.com by https for nobody',
  ],
  ['no such host', ['https://example.org:8443/'], 'closed'],
  ['no Secret, and a wider server that is not for it', ['https://closed.example.com:8443/'], '421'],
  ['another certificate', ['-H', 'host: mutual.example.com', 'https://a.example.com:8443/'], '421'],
  [
    'MUTUAL',
    ['@alice', 'https://mutual.example.com:8443/'],
    '200 mutual.example.com by https for CN=alice.example.com',
  ],
  ['MUTUAL, another name', ['@bob', 'https://mutual.example.com:8443/'], 'closed'],
  ['MUTUAL, nobody', ['https://mutual.example.com:8443/'], 'closed'],
  [
    'OPTIONAL_MUTUAL',
    ['@bob', 'https://optional.example.com:8443/'],
    '200 optional.example.com by https for CN=bob.example.com',
  ],
  [
    'OPTIONAL_MUTUAL, nobody',
    ['https://optional.example.com:8443/'],
    '200 optional.example.com by https for nobody',
  ],
  ['an old version', ['--tls-max', '1.2', 'https://optional.example.com:8443/'], 'closed'],
];

test('a Heddle gateway and an Envoy', async (t) => {
  const curl = requirePeer(t, 'curl');
  if (curl === undefined) return;
  const folder = tempDir(t);
  const root = await TestRoot.create('outside');
  const issue = (host: string): Promise<Holder> => root.issue({ dns: [host], commonName: host });
  const [vault, simple, mutual] = await Promise.all(
    ['vault', '*', 'mutual'].map((name) => issue(`${name}.example.com`)),
  );
  for (const name of ['alice', 'bob']) {
    const { cert, key } = await issue(`${name}.example.com`);
    writeFileSync(join(folder, `${name}.pem`), cert + key);
  }
  const optional = await root.issue({ dns: ['mutual.example.com', 'optional.example.com'] });
  writeFileSync(join(folder, 'ca.pem'), root.pem);
  assert.ok(vault && simple && mutual);
  const ports = await startShop(t, vault);
  const service = `
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: ${ports.http}}, {name: tls, port: 8443, targetPort: ${ports.tls}}, {name: tcp, port: 7000, targetPort: ${ports.tcp}}]
---
`;
  const addresses = await startGateways(t, folder, (places) =>
    [
      service + gateway,
      secret('simple', { 'tls.crt': simple.cert, 'tls.key': simple.key }),
      secret('mutual', { 'tls.crt': optional.cert, 'tls.key': optional.key, 'ca.crt': root.pem }),
      pod('shop', { app: 'shop' }, '127.0.0.1'),
      ...makes.map((name, i) => pod(name, { istio: 'ingressgateway' }, places[i]!)),
    ].join(''),
  );
  if (addresses === undefined) return;

  const ask = async (address: string, words: readonly string[]): Promise<string> => {
    const given = words.flatMap((word) =>
      word.startsWith('@') ? ['--cert', join(folder, `${word.slice(1)}.pem`)] : [word],
    );
    const { stdout } = await run(curl, [
      ...['-sS', '--max-time', '20', '--connect-to', `::${address}:`, '--cacert', join(folder, 'ca.pem')],
      ...['-w', '\n%{http_code} %{redirect_url}', ...given],
    ]).catch(() => ({ stdout: '\nclosed ' }));
    const [, body = '', code = '', redirect = ''] = /^([\s\S]*)\n(\S+) (.*)$/.exec(stdout) ?? [];
    return [code, redirect || body].filter((part) => part !== '').join(' ');
  };
  const hear = async (address: string, port: number, servername?: string): Promise<string> => {
    const to = { host: address, port };
    const socket =
      servername === undefined ? net.connect(to) : tls.connect({ ...to, servername, ca: root.pem });
    return text(socket).catch(() => 'closed');
  };

  for (const [i, make] of makes.entries()) {
    const address = addresses[i]!;
    await describe(make, async () => {
      for (const [name, words, answer] of questions) {
        await test(name, async () => assert.equal(await ask(address, words), answer));
      }
      await test('TCP', async () => assert.equal(await hear(address, 7000), 'welcome'));
      await test('PASSTHROUGH', async () =>
        assert.equal(await hear(address, 8443, 'vault.example.com'), 'vault'));
      await test('TCP within TLS', async () =>
        assert.equal(await hear(address, 8443, 'tcp.example.com'), 'welcome'));
    });
  }
});
