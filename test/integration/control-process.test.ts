/** `heddle control` as a process: files in, configuration out, through edits, bad edits and restarts. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { apiClient } from '#api/client.ts';
import { type VirtualHost, VirtualHostSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type DeltaStream, nodeOf, openDelta, typeUrl } from '../support/ads-client.ts';
import { type HeddleChild, startHeddle } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';

const services = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
`;

const route = (prefix: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
    - match: [{uri: {prefix: ${prefix}}}]
      route: [{destination: {host: reviews}}]
`;

/** As it comes by itself: of the routes of the port. */
const hostName = '9080/reviews.default.svc.cluster.local:9080';

interface Running {
  readonly child: HeddleChild;
  readonly ports: { readonly plaintext: number; readonly tls: number; readonly api: number };
  readonly apiUrl: string;
}

interface Place {
  readonly folder: string;
  readonly state: string;
  readonly file: string;
}

function place(t: TestContext): Place {
  const folder = tempDir(t);
  const files = join(folder, 'mesh');
  mkdirSync(files);
  writeFileSync(join(files, 'services.yaml'), services);
  const file = join(files, 'routes.yaml');
  writeFileSync(file, route('/one'));
  return { folder: files, state: join(folder, 'state'), file };
}

async function start(
  t: TestContext,
  { folder, state }: Place,
  ports = { plaintext: 0, tls: 0, api: 0 },
  more: readonly string[] = [],
): Promise<Running> {
  const child = startHeddle(t, [
    'control',
    folder,
    ...['--state', state, '--xds-port', String(ports.plaintext)],
    ...['--secure-xds-port', String(ports.tls), '--api-port', String(ports.api), ...more],
  ]);
  const [, plaintext, tls, api] = await child.says(/control\.started .*plaintext=(\d+) tls=(\d+) api=(\d+)/);
  const bound = { plaintext: Number(plaintext), tls: Number(tls), api: Number(api) };
  return { child, ports: bound, apiUrl: `http://127.0.0.1:${bound.api}` };
}

function subscribe(t: TestContext, { ports }: Running, held: Record<string, string> = {}): DeltaStream {
  const stream = openDelta({ address: `127.0.0.1:${ports.plaintext}` });
  t.after(() => stream.close());
  stream.send({
    node: nodeOf('somebody.default'),
    typeUrl: typeUrl('virtualHost'),
    resourceNamesSubscribe: [hostName],
    initialResourceVersions: held,
  });
  return stream;
}

/** The next version of the routes of the service, accepted. */
async function nextRoutes(stream: DeltaStream): Promise<{ routes: VirtualHost; version: string }> {
  const { resources, nonce } = await stream.next();
  stream.send({ typeUrl: typeUrl('virtualHost'), responseNonce: nonce });
  const [resource] = resources;
  assert.ok(resource?.resource !== undefined);
  const routes = fromBinary(VirtualHostSchema, resource.resource.value);
  return { routes, version: resource.version };
}

function shows(routes: VirtualHost, prefix: string): boolean {
  return JSON.stringify(routes, (_key, value) =>
    typeof value === 'bigint' ? String(value) : value,
  ).includes(`"${prefix}"`);
}

describe('heddle control', () => {
  test('serves an edit in under a second', async (t) => {
    const where = place(t);
    const running = await start(t, where);
    const stream = subscribe(t, running);
    assert.ok(shows((await nextRoutes(stream)).routes, '/one'));
    const editedMs = performance.now();
    writeFileSync(where.file, route('/two'));
    assert.ok(shows((await nextRoutes(stream)).routes, '/two'));
    assert.ok(performance.now() - editedMs < 1000, `${performance.now() - editedMs} ms`);
    const { resources, problems } = await apiClient(running.apiUrl).config();
    assert.ok(problems.every(({ level }) => level !== 'error'));
    const found = resources.find(({ kind }) => kind === 'VirtualService');
    assert.deepEqual(
      [found?.name, found?.namespace, found?.file, found?.line],
      ['reviews', 'default', where.file, 2],
    );
  });

  test('reports a broken edit with its place and keeps the last good', async (t) => {
    const where = place(t);
    const running = await start(t, where);
    const stream = subscribe(t, running);
    await nextRoutes(stream);
    writeFileSync(where.file, route('/two').replace('spec:', 'spec: ['));
    await running.child.says(/routes\.yaml:\d+:\d+/);
    const { problems, resources } = await apiClient(running.apiUrl).config();
    assert.ok(problems.some(({ level, at }) => level === 'error' && at?.file === where.file));
    assert.ok(resources.some(({ kind }) => kind === 'VirtualService'));
    assert.equal(stream.received.length, 1);
    writeFileSync(where.file, route('/three'));
    assert.ok(shows((await nextRoutes(stream)).routes, '/three'));
    await running.child.says(/control\.documents-good/);
  });

  test('comes back after kill -9 with the same root, and sends nothing that is known', async (t) => {
    const where = place(t);
    const first = await start(t, where);
    const before = subscribe(t, first);
    const { version } = await nextRoutes(before);
    const table = { typeUrl: typeUrl('route'), resourceNamesSubscribe: ['9080'] };
    before.send(table);
    const [{ version: tableVersion = '' } = {}] = (await before.next()).resources;
    first.child.kill('SIGKILL');
    await first.child.ended;
    const second = await start(t, where, first.ports);
    const stream = subscribe(t, second, { [hostName]: version });
    stream.send({ ...table, initialResourceVersions: { 9080: tableVersion } });
    const api = apiClient(second.apiUrl);
    await eventually(async () => assert.equal((await api.proxies())[0]?.types.RDS.state, 'SYNCED'));
    assert.equal(stream.bytes(), 0);
    writeFileSync(where.file, route('/two'));
    assert.ok(shows((await nextRoutes(stream)).routes, '/two'));
  });

  test('does not serve documents that were broken from the start, for proxies may have better ones', async (t) => {
    const where = place(t);
    writeFileSync(where.file, `${route('/one')}  nonsense: true\n`);
    const running = await start(t, where);
    await running.child.says(/control\.waits/);
    const api = apiClient(running.apiUrl);
    assert.equal(await api.ready(), false);
    const stream = subscribe(t, running);
    writeFileSync(where.file, route('/one'));
    assert.ok(shows((await nextRoutes(stream)).routes, '/one'));
    assert.equal(await api.ready(), true);
  });

  test('shows what it lets pass without enforcing it', async (t) => {
    const where = place(t);
    const policy =
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: none}\nspec: {}\n';
    writeFileSync(where.file, `${route('/one')}---\n${policy}`);
    const strict = await start(t, where);
    await strict.child.says(/control\.waits/);
    strict.child.kill('SIGTERM');
    await strict.child.ended;
    const lax = await start(t, where, strict.ports, ['--allow-unsupported', 'AuthorizationPolicy']);
    const { allowedUnsupported } = await apiClient(lax.apiUrl).config();
    assert.equal(allowedUnsupported.length, 1);
    assert.match(allowedUnsupported[0] ?? '', /AuthorizationPolicy.*none/);
  });

  test('does not change the trust domain while it runs', async (t) => {
    const where = place(t);
    const running = await start(t, where);
    const stream = subscribe(t, running);
    await nextRoutes(stream);
    const mesh =
      'apiVersion: heddle.dev/v1alpha1\nkind: LocalMesh\nmetadata: {name: m}\ntrustDomain: other.example\n';
    writeFileSync(where.file, `${route('/two')}---\n${mesh}`);
    await running.child.says(/trust domain cannot change from "cluster\.local" to "other\.example"/);
    assert.ok(shows((await nextRoutes(stream)).routes, '/two'), 'the rest is in force');
  });

  test('stops in order when asked, and says what is in its way', async (t) => {
    const where = place(t);
    const running = await start(t, where);
    const stream = subscribe(t, running);
    await nextRoutes(stream);
    const taken = startHeddle(t, [
      'control',
      where.folder,
      '--state',
      `${where.state}-2`,
      '--xds-port',
      String(running.ports.plaintext),
    ]);
    assert.equal(await taken.ended, 1);
    assert.match(taken.output(), new RegExp(`127\\.0\\.0\\.1:${running.ports.plaintext}`));
    running.child.kill('SIGTERM');
    assert.equal(await running.child.ended, 0);
    await stream.failed();
  });
});
