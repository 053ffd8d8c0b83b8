/** A StatefulSet in a running mesh: names that stay, and the order of starts and ends. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { ingressTo } from '../support/small-mesh.ts';

const application = `
import { appendFileSync } from 'node:fs';
import http from 'node:http';
const { HOST, PORT, FOLDER, HOSTNAME, COLOUR } = process.env;
const note = (what) => appendFileSync(FOLDER + '/events', what + ' ' + HOSTNAME + '\\n');
const server = http.createServer((_, response) => response.end(HOSTNAME + ' ' + COLOUR));
server.listen(Number(PORT), HOST, () => note('start'));
process.on('SIGTERM', () => { note('end'); process.exit(0); });
`;

const documents = (folder: string, replicas: number, colour: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: stateful}
images:
  example.com/db:1: {command: [node, db.mjs], env: {FOLDER: ${folder}}}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: http, port: 9080}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: ${replicas}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      serviceAccountName: keeper
      containers:
      - name: db
        image: example.com/db:1
        env: [{name: COLOUR, value: ${colour}}]
        ports: [{containerPort: 9080}]
---
${ingressTo('db')}`;

describe('a StatefulSet', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const file = join(folder, 'mesh.yaml');
  let mesh: RunningMesh;
  before(async () => {
    writeFileSync(join(folder, 'db.mjs'), application);
    writeFileSync(file, documents(folder, 3, 'red'));
    mesh = await startMesh([file]);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const events = (): string[] => readFileSync(join(folder, 'events'), 'utf8').trim().split('\n');
  /** What came since the last call. */
  let seen = 0;
  const news = (): string[] => events().slice(seen);
  const take = (): void => {
    seen = events().length;
  };
  const names = (): string[] =>
    mesh
      .instancesOf('db')
      .map(({ name }) => name)
      .sort();

  test('starts in order, and answers by mutual TLS as its account', async () => {
    assert.deepEqual(news(), ['start db-0', 'start db-1', 'start db-2']);
    assert.deepEqual(names(), ['db-0', 'db-1', 'db-2']);
    await eventually(async () => {
      const found = new Set<string>();
      for (let i = 0; i < 30; i++) found.add(await (await fetch(mesh.ingressUrl)).text());
      assert.deepEqual([...found].sort(), ['db-0 red', 'db-1 red', 'db-2 red']);
    });
    take();
  });

  test('is replaced from the last to the first, each under its own name', async () => {
    writeFileSync(file, documents(folder, 3, 'blue'));
    await eventually(() => assert.equal(news().length, 6), { timeoutMs: 30_000 });
    assert.deepEqual(news(), ['end db-2', 'start db-2', 'end db-1', 'start db-1', 'end db-0', 'start db-0']);
    await eventually(async () => assert.match(await (await fetch(mesh.ingressUrl)).text(), /blue/));
    assert.deepEqual(names(), ['db-0', 'db-1', 'db-2']);
    take();
  });

  test('shrinks from the end', async () => {
    writeFileSync(file, documents(folder, 1, 'blue'));
    await eventually(() => assert.deepEqual(names(), ['db-0']), { timeoutMs: 20_000 });
    assert.deepEqual(news(), ['end db-2', 'end db-1']);
    take();
  });

  test('goes and comes back, each name with one instance at a time', async () => {
    const whole = documents(folder, 1, 'green');
    writeFileSync(
      file,
      whole
        .split('---\n')
        .filter((text) => !text.includes('kind: StatefulSet'))
        .join('---\n'),
    );
    await eventually(() => assert.notEqual(mesh.instancesOf('db')[0]?.state, 'ready'));
    writeFileSync(file, whole);
    await eventually(async () => assert.equal(await (await fetch(mesh.ingressUrl)).text(), 'db-0 green'), {
      timeoutMs: 20_000,
    });
    assert.deepEqual(news(), ['end db-0', 'start db-0']);
    assert.deepEqual(names(), ['db-0']);
  });
});
