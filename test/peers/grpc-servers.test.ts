/**
 * Servers of gRPC that ask the control plane how to serve (gRFC A36), in three languages: mutual TLS unless a
 * PeerAuthentication says otherwise, with clients that know it by xDS.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { ClientResourceStatus } from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import { TestRoot } from '../support/certificates.ts';
import { clientStatus } from '../support/client-status.ts';
import { eventually } from '../support/eventually.ts';
import {
  certificateFolder,
  freePort,
  type Language,
  languages,
  startClient,
  startPlane,
} from './grpc-clients/rig.ts';

interface Served {
  readonly pod: string;
  readonly account: string;
  readonly port: number;
}

function documents({ pod, account, port }: Served, isPlain: boolean): string {
  const mode = isPlain ? 'DISABLE' : 'STRICT';
  return `
apiVersion: v1
kind: Service
metadata: {name: ${account}}
spec: {selector: {app: ${account}}, ports: [{name: grpc, port: 7070, targetPort: ${port}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ${pod}, labels: {app: ${account}}, annotations: {inject.istio.io/templates: grpc-agent}}
spec: {serviceAccountName: ${account}, containers: [{name: app, image: "acme/app:1", ports: [{containerPort: ${port}}]}]}
status: {podIP: 127.0.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: ${account}}
spec: {selector: {matchLabels: {app: ${account}}}, mtls: {mode: ${mode}}}
---
`;
}

/** By somebody who has no certificate. */
function askPlainly(port: number): Promise<string> {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise<string>((resolve, reject) => {
    const deadline = Date.now() + 20_000;
    client.makeUnaryRequest('/test.Names/Ask', same, same, Buffer.alloc(0), { deadline }, (error, answer) =>
      error === null ? resolve(String(answer)) : reject(error),
    );
  }).finally(() => client.close());
}

async function assertServes(t: TestContext, language: Language, isPlain: boolean): Promise<void> {
  const served: Served = { pod: 'server-0', account: 'server', port: await freePort() };
  const root = await TestRoot.create('the mesh');
  const plane = await startPlane(t, documents(served, isPlain));
  const start = async (account: string, pod: string, serve?: string) =>
    startClient(
      t,
      language,
      plane.bootstrapOf({ pod, account, certificateFolder: await certificateFolder(t, root, account) }),
      serve,
    );
  const server = await start(served.account, served.pod, `127.0.0.1:${served.port}`);
  const client = await start('client', 'client-0');
  if (server === undefined || client === undefined) return;
  const to = 'server.default.svc.cluster.local:7070';
  await eventually(async () => {
    const { code, text } = await client.call({ to });
    assert.equal(code, grpc.status.OK, text);
    assert.equal(text, language);
  });
  if (isPlain) assert.equal(await askPlainly(served.port), language);
  else await assert.rejects(askPlainly(served.port), { code: grpc.status.UNAVAILABLE });
  const configs = await clientStatus(server.csdsAddress);
  const resources = configs.flatMap(({ genericXdsConfigs }) => genericXdsConfigs);
  assert.deepEqual(
    resources.map(({ name, clientStatus: state }) => [name, ClientResourceStatus[state]]),
    [[`xds.istio.io/grpc/lds/inbound/127.0.0.1:${served.port}`, 'ACKED']],
  );
}

for (const language of languages) {
  describe(`a server of gRPC in ${language}`, () => {
    for (const mode of ['mutual TLS', 'plain text'])
      test(mode, { timeout: 400_000 }, (t) => assertServes(t, language, mode === 'plain text'));
  });
}
