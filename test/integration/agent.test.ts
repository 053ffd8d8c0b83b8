/** `heddle agent` as a process: a certificate by a token, over SDS and as files, renewed under way. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { apiClient } from '#api/client.ts';
import { agentSocketPath } from '#app/agent-folder.ts';
import { anyFreePort } from '#host/free-port.ts';
import { leaseNetwork } from '#host/lease.ts';
import { spiffeIdOf } from '#identity/certificate.ts';
import { type Secret, SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type HeddleChild, startHeddle } from '../support/child.ts';
import { resources, startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';
import { tempDir } from '../support/temp-dir.ts';

const account = { namespace: 'default', serviceAccount: 'storefront' };
const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

interface Agent {
  readonly child: HeddleChild;
  readonly folder: string;
  readonly socket: string;
}

async function startAgent(
  t: TestContext,
  plane: TestControlPlane,
  { folder = join(tempDir(t), 'agent'), address = '127.0.0.1', more = [] as string[] } = {},
): Promise<Agent> {
  const files = tempDir(t);
  const tokenFile = join(files, 'token');
  const rootFile = join(files, 'root.pem');
  writeFileSync(tokenFile, (await plane.tokens.mint({ ...account, pod: 'storefront-1' })).token, {
    mode: 0o600,
  });
  writeFileSync(rootFile, plane.rootPem);
  const child = startHeddle(t, [
    ...['agent', '--control', plane.tlsAddress, '--root-ca', rootFile, '--token-file', tokenFile],
    ...['--name', 'storefront-1', '--service-account', 'storefront', '--address', address],
    ...['--state', folder, ...more],
  ]);
  await child.says(/agent\.ready/);
  return { child, folder, socket: agentSocketPath(folder) };
}

function sdsClient(t: TestContext, { socket }: Agent): Client {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  t.after(() => client.close());
  return client;
}

function secretOf(bytes: Uint8Array | undefined): Secret {
  assert.ok(bytes !== undefined);
  return fromBinary(SecretSchema, bytes);
}

function leafOf({ type }: Secret): X509Certificate {
  assert.equal(type.case, 'tlsCertificate');
  const { certificateChain, privateKey } = type.value as {
    certificateChain: { specifier: { value: Uint8Array } };
    privateKey: { specifier: { value: Uint8Array } };
  };
  const leaf = new X509Certificate(certificateChain.specifier.value);
  assert.ok(leaf.checkPrivateKey(createPrivateKey(Buffer.from(privateKey.specifier.value))));
  return leaf;
}

describe('heddle agent', () => {
  test('keeps the certificate as files, the key from others', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: [] });
    const { folder, socket, child } = await startAgent(t, plane);
    const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
    const leaf = new X509Certificate(file('cert-chain.pem'));
    assert.equal(spiffeIdOf(leaf)?.uri, 'spiffe://cluster.local/ns/default/sa/storefront');
    assert.ok(leaf.checkPrivateKey(createPrivateKey(file('key.pem'))));
    assert.ok(leaf.verify(new X509Certificate(file('root-cert.pem')).publicKey));
    assert.equal(statSync(join(folder, 'key.pem')).mode & 0o777, 0o600);
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    assert.ok(socket.endsWith('var/run/secrets/workload-spiffe-uds/socket'));
    child.kill('SIGTERM');
    assert.equal(await child.ended, 0);
  });

  test('serves it over state-of-the-world SDS, and the next one on the same stream', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: [] });
    const agent = await startAgent(t, plane, { more: ['--certificate-ttl-s', '2'] });
    const call = sdsClient(t, agent).makeBidiStreamRequest(
      '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
      (request: DiscoveryRequest) => Buffer.from(toBinary(DiscoveryRequestSchema, request)),
      (bytes) => fromBinary(DiscoveryResponseSchema, bytes),
    );
    call.on('error', () => {}); // cancelled at the end
    t.after(() => call.cancel());
    const serials: string[] = [];
    call.on('data', (response: DiscoveryResponse) => {
      const { nonce: responseNonce, versionInfo, resources } = response;
      serials.push(leafOf(secretOf(resources[0]?.value)).serialNumber);
      call.write(
        create(DiscoveryRequestSchema, {
          typeUrl: SECRET_TYPE,
          resourceNames: ['default'],
          responseNonce,
          versionInfo,
        }),
      );
    });
    const node = { id: 'anybody' };
    call.write(create(DiscoveryRequestSchema, { node, typeUrl: SECRET_TYPE, resourceNames: ['default'] }));
    await eventually(() => assert.ok(serials.length >= 3));
    assert.equal(new Set(serials).size, serials.length);
    const onDisk = new X509Certificate(readFileSync(join(agent.folder, 'cert-chain.pem')));
    await eventually(() => assert.ok(serials.includes(onDisk.serialNumber)));
  });

  test('serves roots over delta SDS, and what is not there as not there', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: [] });
    const agent = await startAgent(t, plane);
    const call = sdsClient(t, agent).makeBidiStreamRequest(
      '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
      (request: DeltaDiscoveryRequest) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request)),
      (bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
    );
    call.on('error', () => {});
    t.after(() => call.cancel());
    const names = ['ROOTCA', 'other'];
    call.write(create(DeltaDiscoveryRequestSchema, { typeUrl: SECRET_TYPE, resourceNamesSubscribe: names }));
    const response = await new Promise<DeltaDiscoveryResponse>((resolve) => call.once('data', resolve));
    assert.deepEqual(response.removedResources, ['other']);
    const { name, type } = secretOf(response.resources[0]?.resource?.value);
    assert.equal(name, 'ROOTCA');
    assert.equal(type.case, 'validationContext');
    const { trustedCa } = type.value as { trustedCa: { specifier: { value: Uint8Array } } };
    assert.equal(Buffer.from(trustedCa.specifier.value).toString(), plane.rootPem);
  });

  test('puts the socket elsewhere where its folder has too long a name', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: [] });
    const agent = await startAgent(t, plane, { folder: join(tempDir(t), 'long'.repeat(20)) });
    assert.ok(Buffer.byteLength(agent.socket) < 107);
    assert.equal(statSync(agent.socket).mode & 0o777, 0o600);
    assert.ok(readFileSync(join(agent.folder, 'envoy-bootstrap.json'), 'utf8').includes(agent.socket));
    agent.child.kill('SIGTERM');
    assert.equal(await agent.child.ended, 0);
    assert.equal(existsSync(dirname(agent.socket)), false, 'nothing is left there');
  });

  test('answers the names it asks for, and counts that', async (t) => {
    const lease = await leaseNetwork('agent-dns');
    assert.ok(lease.ok);
    t.after(() => lease.release());
    const address = lease.meshAddress(0);
    const plane = await startTestControlPlane(t, {
      stateFolder: tempDir(t),
      resources: [resources.names({ 'reviews.default.svc.cluster.local': ['10.96.1.1'] })],
    });
    const pidFile = join(tempDir(t), 'agent.pid');
    const { child } = await startAgent(t, plane, {
      address,
      more: ['--dns-address', `${address}:15053`, '--pid-file', pidFile],
    });
    assert.equal(Number(readFileSync(pidFile, 'utf8')), child.pid);
    const resolver = new Resolver();
    resolver.setServers([`${address}:15053`]);
    assert.deepEqual(await resolver.resolve4('reviews'), ['10.96.1.1']);

    const api = apiClient(plane.apiUrl);
    assert.deepEqual(await api.proxies(), [], 'it is no proxy');
    const { clients } = await api.connections();
    assert.deepEqual(
      clients.map(({ nodeId }) => nodeId),
      [`agent~${address}~storefront-1.default~default.svc.cluster.local`],
    );
    await assert.rejects(api.configDump('storefront-1.default'), /no proxy called/);

    plane.set([resources.names({ 'reviews.default.svc.cluster.local': ['10.96.1.2'] })]);
    await eventually(async () => assert.deepEqual(await resolver.resolve4('reviews'), ['10.96.1.2']));
    const metrics = parseSamples(await (await fetch(`http://${address}:15020/stats/prometheus`)).text());
    assert.equal(sumOf(metrics, 'envoy_nds_update_success', {}), 2);
    assert.ok(sumOf(metrics, 'istio_agent_dns_requests_total', {}) >= 2);
    child.kill('SIGTERM');
    assert.equal(await child.ended, 0);
    assert.equal(existsSync(pidFile), false);
  });

  test("leads to Envoy's admin interface, which is on a socket then", async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: [] });
    const port = await anyFreePort('127.0.0.1');
    const { folder, child } = await startAgent(t, plane, {
      more: ['--admin-address', `127.0.0.1:${port}`],
    });
    const bootstrap = JSON.parse(readFileSync(join(folder, 'envoy-bootstrap.json'), 'utf8')) as {
      admin: { address: { pipe: { path: string } } };
    };
    const { path } = bootstrap.admin.address.pipe;
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`), 'nobody is there yet');
    const admin = createServer((_, response) => response.end('LIVE')).listen(path);
    t.after(() => admin.close());
    await once(admin, 'listening');
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/ready`)).text(), 'LIVE');
    child.kill('SIGTERM');
    assert.equal(await child.ended, 0);
  });

  test('says what to do where the token is not good', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: [] });
    const folder = tempDir(t);
    writeFileSync(join(folder, 'token'), 'hjt_none', { mode: 0o600 });
    writeFileSync(join(folder, 'root.pem'), plane.rootPem);
    const child = startHeddle(t, [
      ...['agent', '--control', plane.tlsAddress, '--root-ca', join(folder, 'root.pem')],
      ...['--token-file', join(folder, 'token'), '--name', 'x', '--address', '127.0.0.1', '--state', folder],
    ]);
    assert.equal(await child.ended, 1);
    assert.match(child.output(), /refused: the join token is unknown[\s\S]*start the agent with a new one/);
  });
});
