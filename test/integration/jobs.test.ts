/** Jobs in a running mesh: run to their end, tried again, given up, and left alone when they are done. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { MeshJob } from '#cli/mesh-state.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

const ledger = `
import { appendFileSync } from 'node:fs';
import http from 'node:http';
const { HOST, PORT, FOLDER } = process.env;
http.createServer((request, response) => {
  appendFileSync(FOLDER + '/ledger', request.url + ' ' + request.headers['x-forwarded-client-cert'] + '\\n');
  response.end('entered');
}).listen(Number(PORT), HOST);
process.on('SIGTERM', () => process.exit(0));
`;
const task = `
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
const { FOLDER, NAME, HOSTNAME, KEPT, JOB_COMPLETION_INDEX } = process.env;
const note = (what) => appendFileSync(FOLDER + '/' + NAME, HOSTNAME + ' ' + what + '\\n');
const tasks = {
  prepare: () => note('prepares'),
  enter: async () => {
    // Nothing says that a service is there before a Job.
    const ask = () => fetch('http://ledger:9080/' + HOSTNAME).catch(() => ({ ok: false }));
    let response;
    while (!(response = await ask()).ok) await new Promise((resolve) => setTimeout(resolve, 100));
    note(response.status + ' ' + await response.text());
  },
  fail: () => { note('fails'); process.exit(3); },
  flaky: () => {
    const second = existsSync(KEPT + '/tried');
    writeFileSync(KEPT + '/tried', '');
    note(second ? 'completes' : 'fails');
    process.exit(second ? 0 : 1);
  },
  index: () => note(JOB_COMPLETION_INDEX),
  wait: () => setInterval(() => {}, 1000),
};
await tasks[process.argv[2]]();
`;

/** @param spec of the Job. @param pod of its Pod @param container of its container */
const job = (name: string, what: string, spec: string, pod = '', container = ''): string => `
apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  ${spec}
  template:
    metadata: {labels: {task: ${name}}}
    spec:
      serviceAccountName: mover
      restartPolicy: Never
      ${pod}
      containers:
      - name: task
        image: example.com/task:1
        args: [${what}]
        env: [{name: NAME, value: ${name}}]
        ${container}
`;

const documents = (folder: string, { note = 'first', colour = 'red' } = {}): string =>
  [
    `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: jobs}
images:
  example.com/ledger:1: {command: [node, ledger.mjs], env: {FOLDER: ${folder}}}
  example.com/task:1: {command: [node, task.mjs], env: {FOLDER: ${folder}}}
`,
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
`,
    `
apiVersion: v1
kind: Service
metadata: {name: ledger}
spec:
  selector: {app: ledger}
  ports: [{name: http, port: 9080}]
`,
    `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ledger}
spec:
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec:
      containers:
      - name: ledger
        image: example.com/ledger:1
        env: [{name: COLOUR, value: ${colour}}]
        ports: [{containerPort: 9080}]
`,
    job(
      'enter',
      'enter',
      '',
      'initContainers: [{name: prepare, image: example.com/task:1, args: [prepare], env: [{name: NAME, value: enter}]}, {name: beside, image: example.com/task:1, args: [wait], restartPolicy: Always}]',
    ).replace('labels: {task', `annotations: {note: ${note}}, labels: {task`),
    job('broken', 'fail', 'backoffLimit: 1'),
    job(
      'flaky',
      'flaky',
      'backoffLimit: 2',
      'volumes: [{name: kept}]',
      'volumeMounts: [{name: kept, mountPath: /heddle-kept}]',
    )
      .replace('restartPolicy: Never', 'restartPolicy: OnFailure')
      .replace('env: [', 'env: [{name: KEPT, value: $(HEDDLE_VOLUME_KEPT)}, '),
    job('index', 'index', 'completions: 3\n  parallelism: 2\n  completionMode: Indexed'),
    job('endless', 'wait', 'activeDeadlineSeconds: 3'),
  ].join('---');

describe('Jobs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const file = join(folder, 'mesh.yaml');
  let mesh: RunningMesh;
  before(async () => {
    writeFileSync(join(folder, 'ledger.mjs'), ledger);
    writeFileSync(join(folder, 'task.mjs'), task);
    writeFileSync(file, documents(folder));
    mesh = await startMesh([file]);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const linesOf = (name: string): string[] =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8').trim().split('\n') : [];
  const whenIs = (name: string, state: MeshJob['state']): Promise<MeshJob> =>
    eventually(
      () => {
        const found = mesh.state().jobs.find((one) => one.name === name);
        assert.equal(found?.state, state, `${name}: ${mesh.output()}`);
        return found;
      },
      { timeoutMs: 30_000 },
    );

  test('one that calls a service does so through its sidecar, as its account', async () => {
    const done = await whenIs('enter', 'completed');
    assert.deepEqual(done, {
      name: 'enter',
      namespace: 'default',
      state: 'completed',
      succeeded: 1,
      failed: 0,
    });
    assert.deepEqual(linesOf('enter'), ['enter-1 prepares', 'enter-1 200 entered']);
    assert.match(
      linesOf('ledger').join(),
      /^\/enter-1 .*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/mover$/,
    );
  });

  test('of what has ended nothing runs any more, but it is to be seen', async () => {
    await eventually(() => {
      assert.deepEqual(
        mesh.instancesOf('enter').map(({ name, state, ready }) => [name, state, ready]),
        [['enter-1', 'completed', false]],
      );
    });
    const names = mesh.state().processes.map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => name.startsWith('enter')),
      [],
    );
    assert.ok(!existsSync(join(mesh.stateDirectory, 'pods/default.enter-1.json')));
  });

  test('one that fails is tried again by another instance, and given up', async () => {
    const done = await whenIs('broken', 'failed');
    assert.equal(done.failed, 2);
    assert.deepEqual(linesOf('broken'), ['broken-1 fails', 'broken-2 fails']);
    assert.match(mesh.output(), /broken-1: ended \(exit code 3\)\n/);
    assert.match(mesh.output(), /broken: failed 1 of at most 2 times, tried again in 100 ms/);
    assert.match(mesh.output(), /broken: failed: 2 of its runs have failed/);
    await eventually(() =>
      assert.deepEqual(
        mesh.instancesOf('broken').map(({ state }) => state),
        ['failed', 'failed'],
      ),
    );
  });

  test('a container is started again in the same instance, with the same volumes', async () => {
    const done = await whenIs('flaky', 'completed');
    assert.deepEqual([done.succeeded, done.failed], [1, 1]);
    assert.deepEqual(linesOf('flaky'), ['flaky-1 fails', 'flaky-1 completes']);
  });

  test('indexes are given once each', async () => {
    await whenIs('index', 'completed');
    const indexes = linesOf('index').map((line) => line.split(' ')[1]);
    assert.deepEqual(indexes.sort(), ['0', '1', '2']);
  });

  test('one that takes too long is ended', async () => {
    await whenIs('endless', 'failed');
    assert.match(mesh.output(), /endless: failed: it has not completed within 3 s/);
  });

  test('what is done is done, whatever else changes, until it is another Job', async () => {
    writeFileSync(file, documents(folder, { colour: 'blue' }));
    await eventually(() => assert.match(mesh.output(), /taken in; processes change: default\/ledger\n/));
    assert.equal(linesOf('enter').length, 2);
    await eventually(() => assert.ok(mesh.instancesOf('ledger').every(({ name }) => name === 'ledger-2')));
    writeFileSync(file, documents(folder, { colour: 'blue', note: 'second' }));
    await eventually(() => assert.equal(linesOf('enter').length, 4), { timeoutMs: 20_000 });
    assert.deepEqual(linesOf('enter').slice(2), ['enter-2 prepares', 'enter-2 200 entered']);
    await whenIs('enter', 'completed');
    assert.deepEqual(
      mesh.instancesOf('enter').map(({ name }) => name),
      ['enter-2'],
    );
    assert.equal(linesOf('broken').length, 2);
  });
});
