/**
 * gRPC without a proxy in three languages: each client is led by the same configuration as a proxy would be, and
 * accepts every resource it asked for.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { ClientResourceStatus } from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import { TestRoot } from '../support/certificates.ts';
import { clientStatus } from '../support/client-status.ts';
import type { Backends, GrpcCase } from './grpc-clients/case.ts';
import { policyCases } from './grpc-clients/policy-cases.ts';
import {
  type Call,
  certificateFolder,
  languages,
  startBackend,
  startClient,
  startPlane,
} from './grpc-clients/rig.ts';
import { routeCases } from './grpc-clients/route-cases.ts';

const cases: readonly GrpcCase[] = [...routeCases, ...policyCases];

async function startBackends(t: TestContext, root: TestRoot): Promise<Backends> {
  const { cert, key } = await root.issue({ uris: ['spiffe://cluster.local/ns/default/sa/server'] });
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  const credentials = grpc.ServerCredentials.createSsl(Buffer.from(root.pem), [pair], true);
  const backends = {
    v1: await startBackend(t, 'v1'),
    v2: await startBackend(t, 'v2'),
    slow: await startBackend(t, 'slow', { delayMs: 5_000 }),
    mortal: await startBackend(t, 'mortal'),
    dead: await startBackend(t, 'dead'),
    secure: await startBackend(t, 'secure', { credentials }),
  };
  backends.dead.stop();
  return backends;
}

for (const language of languages) {
  describe(`gRPC in ${language}`, () => {
    test('follows what is written, and accepts all of it', { timeout: 400_000 }, async (t) => {
      const root = await TestRoot.create('the mesh');
      const backends = await startBackends(t, root);
      const text = cases.map(({ documents }) => documents(backends)).join('');
      const plane = await startPlane(t, text);
      const folder = await certificateFolder(t, root, 'client');
      const bootstrap = plane.bootstrapOf({ pod: 'client-0', account: 'client', certificateFolder: folder });
      const client = await startClient(t, language, bootstrap);
      if (client === undefined) return;
      const { call } = client;
      const ask = async (asked: Call): Promise<string> => {
        const { code, text: answer } = await call(asked);
        assert.equal(code, grpc.status.OK, `${asked.to}: ${answer}`);
        return answer;
      };
      const code = async (asked: Call): Promise<number> => (await call(asked)).code;
      for (const { name, check } of cases)
        await t.test(name, () => check({ language, backends, ask, code, call }));
      await t.test('every resource is acknowledged', async () => {
        const configs = await clientStatus(client.csdsAddress);
        const resources = configs.flatMap(({ genericXdsConfigs }) => genericXdsConfigs);
        assert.ok(resources.length > 3 * cases.length, `${resources.length} resources`);
        for (const { name, clientStatus: state, errorState } of resources)
          assert.equal(ClientResourceStatus[state], 'ACKED', `${name}: ${errorState?.details}`);
      });
    });
  });
}
