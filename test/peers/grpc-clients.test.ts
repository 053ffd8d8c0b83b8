/**
 * gRPC without a proxy in three languages: each client is led by the same configuration as a proxy would be, and
 * accepts every resource it asked for.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { ClientResourceStatus } from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import { clientStatus } from '../support/client-status.ts';
import { assertShares } from '../support/share.ts';
import { routes, service, to } from './grpc-clients/documents.ts';
import {
  type Backend,
  type Call,
  languages,
  startBackend,
  startClient,
  startPlane,
} from './grpc-clients/rig.ts';

interface Rig {
  /** The name of who answered; fails with what the client says. */
  ask(call: Call): Promise<string>;
  /** The status of a call that fails. */
  code(call: Call): Promise<number>;
  readonly backends: Readonly<Record<'v1' | 'v2' | 'slow', Backend>>;
}

const fault = '{abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}';

function documents({ v1, v2, slow }: Rig['backends'], deadPort: number): string {
  const both = [
    { port: v1.port, version: 'v1' },
    { port: v2.port, version: 'v2' },
  ];
  const toV1 = (host: string): string => `{route: [${to(host, 'v1')}]}`;
  const toV2 = (host: string): string => `{route: [${to(host, 'v2')}]`;
  return [
    service('plain.test', both),
    service('random.test', both, '{loadBalancer: {simple: RANDOM}}'),
    service('split.test', both),
    routes('split.test', `[{route: [${to('split.test', 'v1', 90)}, ${to('split.test', 'v2', 10)}]}]`),
    service('headers.test', both),
    routes(
      'headers.test',
      `[{match: [{headers: {x-user: {regex: ann|bob}}}], route: [${to('headers.test', 'v2')}]}, ${toV1('headers.test')}]`,
    ),
    service('without.test', both),
    routes(
      'without.test',
      `[{match: [{withoutHeaders: {x-user: {exact: ann}}}], route: [${to('without.test', 'v2')}]}, ${toV1('without.test')}]`,
    ),
    service('pseudo.test', both),
    routes(
      'pseudo.test',
      `[{match: [{method: {exact: GET}}], ${toV1('pseudo.test').slice(1)}, {match: [{queryParams: {a: {exact: b}}}], ${toV1('pseudo.test').slice(1)}, {match: [{method: {exact: POST}, scheme: {exact: http}, authority: {prefix: pseudo.}, uri: {prefix: /test.Names/T}}], ${toV2('pseudo.test').slice(1)}}, ${toV1('pseudo.test')}]`,
    ),
    service('retry.test', [{ port: v1.port, version: 'v1' }]),
    routes('retry.test', `[{route: [${to('retry.test', 'v1')}], retries: {attempts: 3, retryOn: "5xx"}}]`),
    service('once.test', [{ port: v1.port, version: 'v1' }]),
    routes('once.test', `[{route: [${to('once.test', 'v1')}], retries: {attempts: 0}}]`),
    service('fault.test', both),
    routes('fault.test', `[{fault: ${fault}, ${toV1('fault.test').slice(1)}]`),
    service('slow.test', [{ port: slow.port, version: 'v1' }]),
    routes('slow.test', `[{timeout: 0.2s, ${toV1('slow.test').slice(1)}]`),
    service('moved.test', both),
    routes(
      'moved.test',
      `[{match: [{uri: {prefix: /test.Names/Tell}}], redirect: {authority: plain.test}}, ${toV1('moved.test')}]`,
    ),
    service('dead.test', [
      { port: deadPort, version: 'v1' },
      { port: v2.port, version: 'v1' },
    ]),
  ].join('');
}

async function startRig(t: TestContext): Promise<Rig['backends'] & { readonly text: string }> {
  const backends = {
    v1: await startBackend(t, 'v1'),
    v2: await startBackend(t, 'v2'),
    slow: await startBackend(t, 'slow', 5_000),
  };
  const dead = await startBackend(t, 'dead');
  dead.stop();
  return { ...backends, text: documents(backends, dead.port) };
}

const cases: Readonly<Record<string, (rig: Rig) => Promise<void>>> = {
  'both versions answer where nothing is said': ({ ask }) =>
    assertShares(
      () => ask({ to: 'plain.test:7070' }),
      { v1: 50, v2: 50 },
      { requests: 200, tolerancePoints: 15 },
    ),
  'a policy that not every client has is no reason to refuse': ({ ask }) =>
    assertShares(
      () => ask({ to: 'random.test:7070' }),
      { v1: 50, v2: 50 },
      { requests: 200, tolerancePoints: 15 },
    ),
  'weights of 90 and 10': ({ ask }) =>
    assertShares(() => ask({ to: 'split.test:7070' }), { v1: 90, v2: 10 }, { tolerancePoints: 4 }),
  'a header is matched as a whole by a regular expression': async ({ ask }) => {
    const of = (user: string): Promise<string> =>
      ask({ to: 'headers.test:7070', headers: { 'x-user': user } });
    assert.deepEqual(await Promise.all(['ann', 'bob', 'anna', 'carl'].map(of)), ['v2', 'v2', 'v1', 'v1']);
  },
  'a header that is not there is without any value': async ({ ask }) => {
    const without = (headers: Call['headers'] = {}): Promise<string> =>
      ask({ to: 'without.test:7070', headers });
    assert.equal(await without(), 'v2');
    assert.equal(await without({ 'x-user': 'bob' }), 'v2');
    assert.equal(await without({ 'x-user': 'ann' }), 'v1');
  },
  'method, scheme, authority and query are known of every call': async ({ ask }) => {
    assert.equal(await ask({ to: 'pseudo.test:7070', method: '/test.Names/Tell' }), 'v2');
    assert.equal(await ask({ to: 'pseudo.test:7070' }), 'v1');
  },
  'retries as often as is said': async ({ ask, backends: { v1 } }) => {
    await ask({ to: 'retry.test:7070' });
    const before = v1.count;
    v1.fail(status.UNAVAILABLE, 3);
    assert.equal(await ask({ to: 'retry.test:7070' }), 'v1');
    assert.equal(v1.count - before, 4);
  },
  'no retries where there are to be none': async ({ ask, code, backends: { v1 } }) => {
    await ask({ to: 'once.test:7070' });
    const before = v1.count;
    v1.fail(status.UNAVAILABLE, 1);
    assert.equal(await code({ to: 'once.test:7070' }), status.UNAVAILABLE);
    assert.equal(v1.count - before, 1);
  },
  faults: async ({ code }) => {
    assert.equal(await code({ to: 'fault.test:7070' }), status.RESOURCE_EXHAUSTED);
  },
  'time limits': async ({ code }) => {
    assert.equal(await code({ to: 'slow.test:7070' }), status.DEADLINE_EXCEEDED);
  },
  'a redirect is no call, and what matches it fails': async ({ ask, code }) => {
    assert.equal(await code({ to: 'moved.test:7070', method: '/test.Names/Tell' }), status.UNKNOWN);
    assert.equal(await ask({ to: 'moved.test:7070' }), 'v1');
  },
  'an endpoint that is not there gets no calls': async ({ ask }) => {
    for (let call = 0; call < 20; call++) assert.equal(await ask({ to: 'dead.test:7070' }), 'v2');
  },
};

for (const language of languages) {
  describe(`gRPC in ${language}`, () => {
    test('follows what is written, and accepts all of it', { timeout: 400_000 }, async (t) => {
      const { text, ...backends } = await startRig(t);
      const { bootstrap } = await startPlane(t, text);
      const client = await startClient(t, language, bootstrap);
      if (client === undefined) return;
      const ask = async (call: Call): Promise<string> => {
        const { code, text: answer } = await client.call(call);
        assert.equal(code, status.OK, `${call.to}: ${answer}`);
        return answer;
      };
      const code = async (call: Call): Promise<number> => (await client.call(call)).code;
      for (const [name, run] of Object.entries(cases)) {
        await t.test(name, () => run({ ask, code, backends }));
      }
      await t.test('every resource is acknowledged', async () => {
        const configs = await clientStatus(client.csdsAddress);
        const resources = configs.flatMap(({ genericXdsConfigs }) => genericXdsConfigs);
        assert.ok(resources.length > 30, `${resources.length} resources`);
        for (const { name, clientStatus: state, errorState } of resources)
          assert.equal(ClientResourceStatus[state], 'ACKED', `${name}: ${errorState?.details}`);
      });
    });
  });
}
