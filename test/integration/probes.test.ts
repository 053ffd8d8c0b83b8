/** Probes of containers, in a running mesh: who is an endpoint, and who is started anew. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';

/** Says who it is; what its probes find is for the test to say, by files. */
const application = `
import { existsSync, writeFileSync } from 'node:fs';
import http from 'node:http';
const { HOST, PORT, FOLDER, HOSTNAME } = process.env;
const is = (name) => existsSync(FOLDER + '/' + name);
const server = http.createServer((request, response) => {
  if (request.url === '/ready') writeFileSync(FOLDER + '/asked', request.headers['x-probe'] ?? '');
  const bad = request.url === '/ready' ? is(HOSTNAME + '.busy') : request.url === '/live' && is(HOSTNAME + '.stuck');
  response.statusCode = bad ? 503 : 200;
  response.end(JSON.stringify({ pod: HOSTNAME, pid: process.pid }));
});
server.listen(Number(PORT), HOST);
if (process.env.GRPC_PORT) {
  const { Server, ServerCredentials } = await import(process.env.GRPC_MODULE);
  const identity = (bytes) => bytes;
  const grpc = new Server();
  grpc.addService({ check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, requestSerialize: identity, requestDeserialize: identity, responseSerialize: identity, responseDeserialize: identity } }, {
    check: (call, done) => done(null, Buffer.from([8, is('grpc-down') || call.request.toString().slice(2) !== 'shop' ? 2 : 1])),
  });
  grpc.bindAsync((HOST ?? '0.0.0.0') + ':' + process.env.GRPC_PORT, ServerCredentials.createInsecure(), () => {});
}
process.on('SIGTERM', () => process.exit(0));
`;

const container = `image: example.com/app:1
ports: [{containerPort: 9080, name: web}, {containerPort: 9090, name: admin}]`;

const documents = (folder: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: probes}
images:
  example.com/app:1: {command: [node, app.mjs], env: {FOLDER: ${folder}, GRPC_MODULE: "${import.meta.resolve('@grpc/grpc-js')}"}}
---
${workload({
  name: 'http',
  replicas: 2,
  container: `${container}
readinessProbe:
  httpGet: {path: ready, port: web, httpHeaders: [{name: x-probe, value: it-is-me}]}
  periodSeconds: 1
  failureThreshold: 1
livenessProbe:
  httpGet: {path: /live, port: 9080}
  periodSeconds: 1
  failureThreshold: 2
  terminationGracePeriodSeconds: 1`,
})}${workload({
  name: 'others',
  container: `${container}
env: [{name: GRPC_PORT, value: "9090"}]
startupProbe:
  exec: {command: [sh, -c, 'echo >>"$FOLDER/tries"; test -e "$FOLDER/started" && test "$HOSTNAME" = others-1']}
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  grpc: {port: 9090, service: shop}
  periodSeconds: 1
  failureThreshold: 1
livenessProbe:
  tcpSocket: {port: web}
  periodSeconds: 1`,
})}${ingressTo('http')}`;

describe('probes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  const tries = (): number =>
    existsSync(join(folder, 'tries')) ? readFileSync(join(folder, 'tries')).length : 0;
  const say = (name: string): void => writeFileSync(join(folder, name), '');
  const unsay = (name: string): void => rmSync(join(folder, name));
  const stateOf = (name: string): string | undefined =>
    mesh.state().instances.find((instance) => instance.name === name)?.state;

  before(async () => {
    writeFileSync(join(folder, 'app.mjs'), application);
    const file = join(folder, 'mesh.yaml');
    writeFileSync(file, documents(folder));
    const started = startMesh([file]);
    // Startup is asked for again and again, and nothing else of that container is.
    await eventually(() => assert.ok(tries() >= 2), { timeoutMs: 40_000 });
    say('started');
    mesh = await started;
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const pods = async (): Promise<Set<string>> => {
    const found = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const response = await fetch(mesh.ingressUrl);
      assert.equal(response.status, 200);
      found.add(((await response.json()) as { pod: string }).pod);
    }
    return found;
  };

  test('one that is not ready gets no requests, and goes on running', async () => {
    await eventually(async () => assert.deepEqual([...(await pods())].sort(), ['http-1', 'http-2']));
    assert.ok(existsSync(join(folder, 'asked')));
    const { pid } = mesh.processOf('http-1');
    say('http-1.busy');
    await eventually(async () => assert.deepEqual([...(await pods())], ['http-2']));
    assert.equal(stateOf('http-1'), 'not-answering');
    unsay('http-1.busy');
    await eventually(async () => assert.equal((await pods()).size, 2));
    assert.equal(mesh.processOf('http-1').pid, pid);
  });

  test('one that does not live is started anew, and said so', async () => {
    const { pid } = mesh.processOf('http-2');
    say('http-2.stuck');
    await eventually(() => assert.match(mesh.output(), /http-2.*liveness probe fails \(HTTP status 503\)/));
    unsay('http-2.stuck');
    await eventually(() => {
      assert.notEqual(mesh.processOf('http-2').pid, pid);
      assert.equal(stateOf('http-2'), 'ready');
    });
  });

  test('commands, gRPC and TCP', async () => {
    await eventually(() => assert.equal(stateOf('others-1'), 'ready'));
    say('grpc-down');
    await eventually(() => assert.equal(stateOf('others-1'), 'not-answering'));
    unsay('grpc-down');
    await eventually(() => assert.equal(stateOf('others-1'), 'ready'));
  });
});
