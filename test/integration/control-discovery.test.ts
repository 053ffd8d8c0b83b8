/** Discovery over its real ports: what is sent, how much of it, to whom, and to whom not. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { adminSocketPath } from '#api/admin-socket.ts';
import { type ApiError, apiClient, awaitDistribution, requestJoinToken } from '#api/client.ts';
import type { ProxyStatus } from '#api/contract.ts';
import type { DeltaDiscoveryResponse } from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import type { ResourceKind } from '#xds/resource-type.ts';
import { type DeltaStream, nodeOf, openDelta, openSotw, typeUrl } from '../support/ads-client.ts';
import { resources, startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';

const { cluster, endpoint, listener, route, secret } = resources;

/** Two hundred services: enough for "only what changed" to be told from "everything". */
const SERVICES = Array.from({ length: 200 }, (_, i) => `service-${i}`);
const mesh = [
  ...SERVICES.flatMap((name, i) => [cluster(name), endpoint(name, 20_000 + i), route(name, name)]),
  listener('outbound'),
];

const reviews = { namespace: 'default', serviceAccount: 'reviews' };
const NAME = 'reviews-v1-0.default';

function names({ resources }: DeltaDiscoveryResponse): string[] {
  return resources.map(({ name }) => name);
}

/** Takes what comes for `kind` and accepts it. */
async function accept(stream: DeltaStream, kind: ResourceKind): Promise<DeltaDiscoveryResponse> {
  const response = await stream.next();
  assert.equal(response.typeUrl, typeUrl(kind));
  stream.send({ typeUrl: response.typeUrl, responseNonce: response.nonce });
  return response;
}

/** A proxy that has everything of {@link mesh} and said so. */
async function connected(plane: TestControlPlane, t: TestContext): Promise<DeltaStream> {
  const stream = openDelta({ address: plane.plaintextAddress });
  t.after(() => stream.close());
  stream.send({ node: nodeOf(NAME), typeUrl: typeUrl('cluster') });
  assert.equal((await accept(stream, 'cluster')).resources.length, SERVICES.length);
  stream.send({ typeUrl: typeUrl('endpoint'), resourceNamesSubscribe: SERVICES });
  await accept(stream, 'endpoint');
  stream.send({ typeUrl: typeUrl('listener') });
  await accept(stream, 'listener');
  stream.send({ typeUrl: typeUrl('route'), resourceNamesSubscribe: SERVICES });
  await accept(stream, 'route');
  return stream;
}

async function proxyOf(plane: TestControlPlane): Promise<ProxyStatus> {
  const [proxy] = await apiClient(plane.apiUrl).proxies();
  assert.ok(proxy !== undefined, 'a proxy is connected');
  return proxy;
}

async function inSync(plane: TestControlPlane): Promise<void> {
  await eventually(async () => {
    const { types } = await proxyOf(plane);
    for (const [type, { state }] of Object.entries(types)) {
      assert.ok(state === 'SYNCED' || state === 'IGNORED', `${type} is ${state}`);
    }
  });
}

describe('a delta response', () => {
  async function start(
    t: TestContext,
  ): Promise<{ plane: TestControlPlane; stream: DeltaStream; fullBytes: number }> {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: mesh });
    const stream = await connected(plane, t);
    await inSync(plane);
    return { plane, stream, fullBytes: stream.bytes() };
  }

  test('holds nothing where nothing changed', async (t) => {
    const { plane, stream, fullBytes } = await start(t);
    const before = await triggers(plane);
    plane.set([...mesh]);
    await eventually(async () => assert.equal(await triggers(plane), before + 1));
    plane.set(
      mesh.map((resource) => (resource.name === 'outbound' ? listener('outbound', 'new') : resource)),
    );
    assert.deepEqual(
      names(await accept(stream, 'listener')),
      ['outbound'],
      'the next one is the next change',
    );
    assert.ok(stream.bytes() - fullBytes < 300);
  });

  test('holds one route where one route changed', async (t) => {
    const { plane, stream, fullBytes } = await start(t);
    plane.set(
      mesh.map((one) =>
        one.kind === 'route' && one.name === 'service-7' ? route('service-7', 'seven') : one,
      ),
    );
    const response = await accept(stream, 'route');
    assert.deepEqual(names(response), ['service-7']);
    await inSync(plane);
    assert.ok(stream.bytes() - fullBytes < 300, `${stream.bytes() - fullBytes} of ${fullBytes} bytes`);
  });

  test('holds one assignment where one endpoint came', async (t) => {
    const { plane, stream, fullBytes } = await start(t);
    plane.set(
      mesh.map((one) =>
        one.kind === 'endpoint' && one.name === 'service-7' ? endpoint('service-7', 20_007, 30_007) : one,
      ),
    );
    assert.deepEqual(names(await accept(stream, 'endpoint')), ['service-7']);
    await inSync(plane);
    assert.ok(stream.bytes() - fullBytes < 300);
  });

  test('takes a service away after what points at it', async (t) => {
    const { plane, stream, fullBytes } = await start(t);
    plane.set(mesh.filter(({ name }) => name !== 'service-7'));
    const order: string[] = [];
    for (const kind of ['route', 'cluster', 'endpoint'] as const) {
      const response = await accept(stream, kind);
      assert.deepEqual(names(response), []);
      assert.deepEqual(response.removedResources, ['service-7']);
      order.push(kind);
    }
    assert.deepEqual(order, ['route', 'cluster', 'endpoint']);
    await inSync(plane);
    assert.ok(stream.bytes() - fullBytes < 600);
  });

  test('is one for a burst of changes', async (t) => {
    const { plane, stream } = await start(t);
    const before = stream.received.length;
    for (let i = 0; i < 50; i++) plane.set([...mesh, listener(`extra-${i}`)]);
    const response = await accept(stream, 'listener');
    assert.deepEqual(names(response), ['extra-49']);
    await inSync(plane);
    assert.equal(stream.received.length, before + 1);
  });

  async function triggers(plane: TestControlPlane): Promise<number> {
    const text = await apiClient(plane.apiUrl).metrics();
    return Number(/^pilot_push_triggers\{type="config"\} (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  }
});

describe('a restart of the control plane', () => {
  test('sends nothing to a proxy that has everything, and then only what changed', async (t) => {
    const stateFolder = tempDir(t);
    const first = await startTestControlPlane(t, { stateFolder, resources: mesh });
    const before = await connected(first, t);
    const held = (kind: ResourceKind): Record<string, string> =>
      Object.fromEntries(
        before.received
          .filter((response) => response.typeUrl === typeUrl(kind))
          .flatMap((response) => response.resources.map(({ name, version }) => [name, version])),
      );
    await first.close();
    await before.failed();

    const second = await startTestControlPlane(t, { stateFolder, ports: first.ports });
    assert.equal(second.rootPem, first.rootPem);
    const stream = openDelta({ address: second.plaintextAddress });
    t.after(() => stream.close());
    for (const [i, kind] of (['cluster', 'endpoint', 'listener', 'route'] as const).entries()) {
      stream.send({
        ...(i === 0 && { node: nodeOf(NAME) }),
        typeUrl: typeUrl(kind),
        resourceNamesSubscribe: kind === 'endpoint' || kind === 'route' ? SERVICES : ['*'],
        initialResourceVersions: held(kind),
      });
    }
    await eventually(async () => assert.equal((await proxyOf(second)).types.RDS.state, 'STALE'));
    assert.equal(stream.received.length, 0, 'nothing before the configuration is loaded');
    second.set(mesh);
    await inSync(second);
    assert.equal(stream.bytes(), 0);
    assert.equal((await proxyOf(second)).types.CDS.resources, SERVICES.length);
    second.set([...mesh.slice(0, -1), listener('outbound', 'new')]);
    assert.deepEqual(names(await accept(stream, 'listener')), ['outbound']);
    assert.equal(stream.received.length, 1);
  });
});

describe('what a proxy refuses', () => {
  test('is shown with its words until it accepts something better', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: [listener('a')] });
    const stream = openDelta({ address: plane.plaintextAddress });
    t.after(() => stream.close());
    stream.send({ node: nodeOf(NAME), typeUrl: typeUrl('listener') });
    const { nonce } = await stream.next();
    const error = { code: 3, message: 'a: no such filter' };
    stream.send({ typeUrl: typeUrl('listener'), responseNonce: nonce, errorDetail: error });
    const refused = await eventually(async () => {
      const { types } = await proxyOf(plane);
      assert.equal(types.LDS.state, 'NACK');
      return types.LDS;
    });
    assert.equal(refused.error, 'a: no such filter');
    assert.equal(refused.resources, 0);
    assert.match(await apiClient(plane.apiUrl).metrics(), /^pilot_total_xds_rejects\{type="lds"\} 1$/m);
    plane.set([listener('a', 'better')]);
    await accept(stream, 'listener');
    await inSync(plane);
    const { LDS } = (await proxyOf(plane)).types;
    assert.equal(LDS.error, undefined);
    assert.equal(LDS.ackedVersion, LDS.version);
  });
});

describe('state of the world', () => {
  test('sends all clusters and listeners, and of the rest what is new', async (t) => {
    const base = [cluster('a'), cluster('b'), endpoint('a', 1), endpoint('b', 2), listener('l')];
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: base });
    const stream = openSotw({ address: plane.plaintextAddress });
    t.after(() => stream.close());
    const next = async (kind: ResourceKind, resourceNames: string[] = []): Promise<number> => {
      const response = await stream.next();
      assert.equal(response.typeUrl, typeUrl(kind));
      assert.equal(response.controlPlane?.identifier, 'control-test');
      const { versionInfo, nonce: responseNonce } = response;
      stream.send({ typeUrl: typeUrl(kind), versionInfo, responseNonce, resourceNames });
      return response.resources.length;
    };
    stream.send({ node: nodeOf(NAME), typeUrl: typeUrl('cluster') });
    assert.equal(await next('cluster'), 2);
    stream.send({ typeUrl: typeUrl('endpoint'), resourceNames: ['a', 'b'] });
    assert.equal(await next('endpoint', ['a', 'b']), 2);
    plane.set([...base.slice(0, 2), endpoint('a', 1, 3), ...base.slice(3)]);
    assert.equal(await next('endpoint', ['a', 'b']), 1);
    plane.set([cluster('a'), endpoint('a', 1, 3)]);
    assert.equal(await next('cluster'), 1);
    await inSync(plane);
    const { protocol, identity } = await proxyOf(plane);
    assert.equal(protocol, 'sotw');
    assert.equal(identity, undefined);
  });
});

describe('who may ask', () => {
  const content = [listener('l'), secret('default')];

  test('plaintext gives no secret, TLS does', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content });
    const subscribe = { node: nodeOf(NAME), typeUrl: typeUrl('secret'), resourceNamesSubscribe: ['default'] };
    const open = openDelta({ address: plane.plaintextAddress });
    t.after(() => open.close());
    open.send(subscribe);
    const answer = await open.next();
    assert.deepEqual(answer.resources, []);
    assert.deepEqual(answer.removedResources, ['default']);

    const tls = await plane.certificate(reviews);
    const closed = openDelta({ address: plane.tlsAddress, tls });
    t.after(() => closed.close());
    closed.send(subscribe);
    assert.deepEqual(names(await closed.next()), ['default']);
    const statuses = await apiClient(plane.apiUrl).proxies();
    assert.deepEqual(statuses.map(({ identity }) => identity).sort(), [
      'spiffe://cluster.local/ns/default/sa/reviews',
      undefined,
    ]);
  });

  test('TLS wants a credential, and one of this mesh', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content });
    const { rootPem } = plane;
    const bare = openDelta({ address: plane.tlsAddress, tls: { rootPem } });
    bare.send({ node: nodeOf(NAME), typeUrl: typeUrl('listener') });
    assert.equal((await bare.failed()).code, status.UNAUTHENTICATED);
    bare.close();

    const stranger = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content });
    const held = await stranger.certificate(reviews);
    const rogue = openDelta({ address: plane.tlsAddress, tls: { ...held, rootPem } });
    rogue.send({ node: nodeOf(NAME), typeUrl: typeUrl('listener') });
    assert.equal((await rogue.failed()).code, status.UNAVAILABLE);
    assert.equal(rogue.received.length, 0);
    rogue.close();
  });

  test('a token opens one stream, for its pod', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content });
    const tls = { rootPem: plane.rootPem };
    const ask = (token: string, name: string): DeltaStream => {
      const stream = openDelta({ address: plane.tlsAddress, tls, token });
      t.after(() => stream.close());
      stream.send({ node: nodeOf(name), typeUrl: typeUrl('listener') });
      return stream;
    };
    const first = await plane.tokens.mint({ ...reviews, pod: 'reviews-v1-0' });
    await ask(first.token, NAME).next();
    assert.equal((await ask(first.token, NAME).failed()).code, status.UNAUTHENTICATED);
    const second = await plane.tokens.mint({ ...reviews, pod: 'reviews-v1-0' });
    assert.equal((await ask(second.token, 'reviews-v1-1.default').failed()).code, status.PERMISSION_DENIED);
  });

  test('a certificate opens the configuration of its own workloads only', async (t) => {
    const accounts = { 'default/reviews-v1-0': 'reviews', 'default/ratings-0': 'ratings' };
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content, accounts });
    const tls = await plane.certificate(reviews);
    const cases: [node: ReturnType<typeof nodeOf>, code: status, why: string][] = [
      [nodeOf('ratings-0.default'), status.PERMISSION_DENIED, 'a pod of another account'],
      [nodeOf('reviews-v1-0.other'), status.PERMISSION_DENIED, 'another namespace'],
      [
        nodeOf('reviews-v1-0.other', { metadata: { NAMESPACE: 'default' } }),
        status.PERMISSION_DENIED,
        'another namespace behind metadata',
      ],
      [nodeOf(NAME, { id: 'nonsense' }), status.INVALID_ARGUMENT, 'no node id'],
    ];
    for (const [node, code, why] of cases) {
      const stream = openDelta({ address: plane.tlsAddress, tls });
      stream.send({ node, typeUrl: typeUrl('listener') });
      assert.equal((await stream.failed()).code, code, why);
      assert.equal(stream.received.length, 0, why);
      stream.close();
    }
    const own = openDelta({ address: plane.tlsAddress, tls });
    t.after(() => own.close());
    own.send({ node: nodeOf(NAME), typeUrl: typeUrl('listener') });
    await own.next();
    assert.match(await apiClient(plane.apiUrl).metrics(), /^heddle_control_refused_streams_total 4$/m);
  });

  test('what is said to a Pod that is gone is said no more', async (t) => {
    const accounts: Record<string, string> = { 'default/reviews-v1-0': 'reviews' };
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content, accounts });
    const tls = await plane.certificate(reviews);
    const ask = async (): Promise<DeltaStream> => {
      const stream = openDelta({ address: plane.tlsAddress, tls });
      t.after(() => stream.close());
      stream.send({ node: nodeOf(NAME), typeUrl: typeUrl('listener') });
      await accept(stream, 'listener');
      return stream;
    };
    const first = await ask();
    delete accounts['default/reviews-v1-0'];
    plane.set(content);
    const { code, details } = await first.failed();
    assert.deepEqual([code, details], [status.NOT_FOUND, 'the Pod default/reviews-v1-0 is gone']);
    assert.deepEqual(await apiClient(plane.apiUrl).proxies(), []);
    // A proxy that is there after all comes again, and is told what there is.
    const second = await ask();
    plane.set([]);
    assert.equal((await second.next()).removedResources.length, 1);
  });

  test('a connection ends with the certificate that opened it, and the next one is welcome', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content });
    const ask = async (validitySeconds: number): Promise<DeltaStream> => {
      const tls = await plane.certificate(reviews, validitySeconds);
      const stream = openDelta({ address: plane.tlsAddress, tls });
      t.after(() => stream.close());
      stream.send({ node: nodeOf(NAME), typeUrl: typeUrl('listener') });
      await stream.next();
      return stream;
    };
    // Long enough to be used before it ends, on a busy machine too.
    const short = await ask(5);
    assert.equal((await short.failed()).code, status.UNAVAILABLE);
    await eventually(async () => assert.deepEqual(await apiClient(plane.apiUrl).proxies(), []));
    const long = await ask(60);
    assert.equal(long.failure(), undefined);
  });
});

describe('the API', () => {
  test('is ready once configuration is loaded, and says what it does not know', async (t) => {
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t) });
    const api = apiClient(plane.apiUrl);
    assert.equal(await api.ready(), false);
    plane.set([listener('l')]);
    assert.equal(await api.ready(), true);
    assert.deepEqual(await api.proxies(), []);
    await assert.rejects(api.configDump('nobody.default'), (error: ApiError) => error.status === 404);
    const renamed = await fetch(`${plane.apiUrl.replace('127.0.0.1', 'localhost')}/debug/nothing`);
    assert.equal(renamed.status, 404);
  });

  test('dumps what a proxy is to have in the form of Envoy, without secrets', async (t) => {
    const content = [cluster('a'), endpoint('a', 1), listener('l'), route('r', 'x'), secret('default')];
    const plane = await startTestControlPlane(t, { stateFolder: tempDir(t), resources: content });
    const stream = openDelta({ address: plane.tlsAddress, tls: await plane.certificate(reviews) });
    t.after(() => stream.close());
    stream.send({ node: nodeOf(NAME), typeUrl: typeUrl('listener') });
    await stream.next();
    const api = apiClient(plane.apiUrl);
    const dump = (await api.configDump(NAME)) as { configs: Record<string, unknown>[] };
    assert.deepEqual(
      dump.configs.map((config) => String(config['@type']).split('.').at(-1)),
      ['ClustersConfigDump', 'EndpointsConfigDump', 'ListenersConfigDump', 'RoutesConfigDump'],
    );
    const clusters = dump.configs[0]?.dynamic_active_clusters as { cluster: { name: string } }[];
    assert.equal(clusters[0]?.cluster.name, 'a');
    const { totalClients, clients } = await api.connections();
    assert.equal(totalClients, 1);
    assert.match(clients[0]?.connectionId ?? '', /^reviews-v1-0\.default-\d+$/);
  });

  test('mints join tokens on the Unix socket alone', async (t) => {
    const stateFolder = tempDir(t);
    const plane = await startTestControlPlane(t, { stateFolder, resources: content() });
    const subject = { ...reviews, pod: 'reviews-v1-0' };
    const { token } = await requestJoinToken(adminSocketPath(stateFolder), subject);
    assert.deepEqual(await plane.tokens.redeem(token), subject);
    const overTcp = await fetch(`${plane.apiUrl}/admin/join-tokens`, { method: 'POST', body: '{}' });
    assert.equal(overTcp.status, 405);
    for (const bad of [
      { ...subject, namespace: '../x' },
      { ...subject, pod: '' },
    ]) {
      await assert.rejects(
        requestJoinToken(adminSocketPath(stateFolder), bad),
        (error: ApiError) => error.status === 400,
      );
    }
  });

  test('says on the Unix socket who has not taken in the newest endpoints', async (t) => {
    const stateFolder = tempDir(t);
    const plane = await startTestControlPlane(t, { stateFolder, resources: mesh });
    const late = async (timeoutMs: number): Promise<readonly string[]> =>
      (await awaitDistribution(adminSocketPath(stateFolder), { timeoutMs })).late;
    assert.deepEqual(await late(0), []);
    const stream = await connected(plane, t);
    assert.deepEqual(await late(10_000), []);
    plane.set([...mesh, endpoint('service-0', 1)]);
    const moved = await stream.next();
    assert.deepEqual(await late(0), [NAME]);
    const heard = late(10_000);
    stream.send({ typeUrl: moved.typeUrl, responseNonce: moved.nonce });
    assert.deepEqual(await heard, []);
    // What is refused will not be taken in by waiting.
    plane.set([...mesh, endpoint('service-0', 2)]);
    const bad = await stream.next();
    const refused = late(10_000);
    stream.send({ typeUrl: bad.typeUrl, responseNonce: bad.nonce, errorDetail: { code: 3, message: 'no' } });
    assert.deepEqual(await refused, []);
    await assert.rejects(late(-1), (error: ApiError) => error.status === 400);
  });

  test('knows when another control plane has the state folder', async (t) => {
    const stateFolder = tempDir(t);
    await startTestControlPlane(t, { stateFolder, resources: content() });
    await assert.rejects(
      startTestControlPlane(t, { stateFolder, resources: content() }),
      /another process listens/,
    );
  });

  function content(): ReturnType<typeof listener>[] {
    return [listener('l')];
  }
});
