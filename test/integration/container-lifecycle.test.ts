/** The order of a pod's containers, and what is done at their starts and ends, in a running mesh. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

/** Writes what happens to it into the one list, and answers. */
const application = `
import { appendFileSync } from 'node:fs';
import http from 'node:http';
const { HOST, PORT, FOLDER, NAME } = process.env;
const note = (what) => appendFileSync(FOLDER + '/events', NAME + ' ' + what + '\\n');
note('starts');
http.createServer((request, response) => { note(request.url); response.end('ok'); }).listen(Number(PORT), HOST);
process.on('SIGTERM', () => { note('ends'); process.exit(0); });
`;

const documents = (folder: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: lifecycle}
images:
  example.com/app:1: {command: [node, app.mjs], env: {FOLDER: ${folder}}}
  example.com/shell:1: {command: [sh, -c], env: {FOLDER: ${folder}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 5
      initContainers:
      - name: migrate
        image: example.com/shell:1
        # Fails the first time.
        args: ['echo migrate tries >>"$FOLDER/events"; test -e "$FOLDER/tried" || { touch "$FOLDER/tried"; exit 7; }']
      - name: beside
        image: example.com/app:1
        restartPolicy: Always
        env: [{name: NAME, value: beside}]
        ports: [{containerPort: 9090}]
        startupProbe: {tcpSocket: {port: 9090}, periodSeconds: 1, failureThreshold: 30}
      - name: last
        image: example.com/shell:1
        args: ['echo last runs >>"$FOLDER/events"']
      containers:
      - name: app
        image: example.com/app:1
        env: [{name: NAME, value: app}]
        ports: [{containerPort: 9080, name: web}]
        lifecycle:
          postStart: {exec: {command: [sh, -c, 'until test -e "$FOLDER/go"; do sleep 0.05; done; echo app is begun >>"$FOLDER/events"']}}
          preStop: {httpGet: {path: /leave, port: web}}
`;

describe("a pod's containers", () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const events = (): string[] =>
    existsSync(join(folder, 'events')) ? readFileSync(join(folder, 'events'), 'utf8').trim().split('\n') : [];
  let mesh: RunningMesh | undefined;
  before(async () => {
    writeFileSync(join(folder, 'app.mjs'), application);
    const file = join(folder, 'mesh.yaml');
    writeFileSync(file, documents(folder));
    const starting = startMesh([file]);
    // The application listens, and does not count before what is done after its start is done.
    await eventually(() => assert.equal(events().at(-1), 'app starts'), { timeoutMs: 40_000 });
    writeFileSync(join(folder, 'go'), '');
    mesh = await starting;
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('start one after the other, and end in the reverse order', async () => {
    assert.deepEqual(events(), [
      'migrate tries',
      'migrate tries',
      'beside starts',
      'last runs',
      'app starts',
      'app is begun',
    ]);
    assert.match(mesh!.output(), /app-1\.migrate.*exit code 7/);
    const running = mesh!.state().processes.map(({ name }) => name);
    assert.ok(running.includes('app-1.beside') && !running.includes('app-1.last'), running.join());
    await mesh!.stop();
    mesh = undefined;
    assert.deepEqual(events().slice(6), ['app /leave', 'app ends', 'beside ends']);
  });
});
