/** The proxy's streams over gRPC to a real control plane: plaintext and mutual TLS, both variants, loss and return. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { serveSecrets } from '#app/sds-server.ts';
import type { WorkloadCertificate } from '#app/workload-identity.ts';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import { silentLogger } from '#observe/log.ts';
import { createGrpcTransport } from '#proxy/apply/grpc-transport.ts';
import { fromAds } from '#proxy/resource-source.ts';
import { configuredProxy } from '../support/configured-proxy.ts';
import { resources, startTestControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';
import { fromServer } from '../support/wanted.ts';

const { cluster, endpoint, listener, route } = resources;
const nodeId = 'sidecar~127.0.0.1~reviews-v1-0.default~default.svc.cluster.local';
const some = [cluster('a'), endpoint('a', 1), route('r', 'a'), listener('web')];

describe('configuration over gRPC', () => {
  for (const protocol of ['sotw', 'delta'] as const) {
    test(`${protocol}: everything arrives in order, and removals too`, async (t) => {
      const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: some });
      const transport = createGrpcTransport(() => ({ uri: `ipv4:${plane.plaintextAddress}` }));
      const { dataPath, complete } = configuredProxy(t, { transport, protocol, nodeId });
      dataPath.needs.set('web', { routes: [fromAds('r')] });
      await eventually(() => assert.equal(complete(), true));
      assert.deepEqual(
        dataPath.events.filter((event) => event.startsWith('install')),
        ['install cluster a', 'install routes r', 'install listener web'],
      );
      plane.set([]);
      await eventually(() => assert.ok(dataPath.events.includes('remove cluster a')));
      await eventually(() => assert.ok(dataPath.events.includes('remove routes r')));
      assert.ok(dataPath.events.includes('remove listener web'));
    });
  }

  test('over mutual TLS', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: some });
    const identity = await plane.certificate({ namespace: 'default', serviceAccount: 'reviews' });
    const { rootPem, certificateChainPem, privateKeyPem } = identity;
    const tls = { rootPem, certificateChainPem, privateKeyPem, serverName: CONTROL_PLANE_DNS_NAME };
    const transport = createGrpcTransport(() => ({ uri: `ipv4:${plane.tlsAddress}`, tls }));
    const { complete } = configuredProxy(t, { transport, nodeId });
    await eventually(() => assert.equal(complete(), true));
  });

  test('a server of another root is refused', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: some });
    const other = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: some });
    const tls = { rootPem: other.rootPem, serverName: CONTROL_PLANE_DNS_NAME };
    const transport = createGrpcTransport(() => ({ uri: `ipv4:${plane.tlsAddress}`, tls }));
    const ended = new Promise<number>((resolve) => {
      void import('#xds/gen/envoy/service/discovery/v3/ads_pb.js').then(
        ({ AggregatedDiscoveryService: ads }) => {
          transport.stream(ads.method.deltaAggregatedResources, {
            onMessage: () => assert.fail('a message came'),
            onEnd: ({ code }) => resolve(code),
          });
        },
      );
    });
    assert.equal(await ended, 14);
  });

  test('the control plane goes away and comes back: nothing is taken out of force or sent again', async (t) => {
    const stateFolder = tempDir(t);
    const plane = await startTestControlPlane(t, { stateFolder, resources: some });
    const transport = createGrpcTransport(() => ({ uri: `ipv4:${plane.plaintextAddress}` }));
    const { dataPath, complete, metrics } = configuredProxy(t, { transport, nodeId });
    await eventually(() => assert.equal(complete(), true));
    const connected = metrics
      .scope({ path: 'control_plane', family: 'control_plane', labels: {} })
      .gauge('connected_state');
    const before = [...dataPath.events];
    await plane.close();
    await eventually(() => assert.equal(connected.value, 0));
    const again = await startTestControlPlane(t, { stateFolder, resources: some, ports: plane.ports });
    again.set([...some, cluster('b'), endpoint('b', 2)]);
    await eventually(() => assert.ok(dataPath.events.includes('install cluster b')), { timeoutMs: 20_000 });
    const fresh = dataPath.events.slice(before.length);
    assert.deepEqual(fresh, ['endpoints b', 'install cluster b'], 'only what changed came');
  });

  test('secrets over a Unix socket, and their rotation', async (t) => {
    const folder = tempDir(t);
    const plane = await startTestControlPlane(t, { stateFolder: folder, resources: some });
    const account = { namespace: 'default', serviceAccount: 'reviews' };
    const obtain = async (): Promise<WorkloadCertificate> => {
      const { rootPem, certificateChainPem, privateKeyPem } = await plane.certificate(account);
      return { rootCaPem: rootPem, certificateChainPem, privateKeyPem, notAfterMs: 0 };
    };
    const socket = join(folder, 'sds.sock');
    const server = await serveSecrets(socket, silentLogger);
    t.after(() => server.close());
    const first = await obtain();
    server.set(first);
    const { dataPath, secrets } = configuredProxy(t, {
      transport: createGrpcTransport(() => ({ uri: `ipv4:${plane.plaintextAddress}` })),
      secretTransport: createGrpcTransport(() => ({ uri: `unix:${socket}` })),
      nodeId,
    });
    const asked = ['default', 'ROOTCA'].map((name) => fromServer('agent', name));
    dataPath.needs.set('web', { secrets: asked });
    await eventually(() => assert.ok(dataPath.events.includes('install listener web')));
    const [certificate = '', roots = ''] = asked.map(({ key }) => key);
    assert.equal(secrets.get(roots)?.trustedCaPem, first.rootCaPem);
    assert.equal(secrets.get(certificate)?.privateKeyPem, first.privateKeyPem);
    const second = await obtain();
    server.set(second);
    await eventually(() => assert.equal(secrets.get(certificate)?.privateKeyPem, second.privateKeyPem));
  });
});
