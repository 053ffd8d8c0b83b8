/** PersistentVolumeClaims in a running mesh: what is in them outlives processes, Pods and the mesh. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { captureMode } from '../support/capture-mode.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { ingressTo } from '../support/small-mesh.ts';

const captured = captureMode === 'always';

/** Notes each of its starts in its own claim and in the one of all, and says what it finds there. */
const application = `
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
const { HOST, PORT, HOSTNAME, DATA, GIVEN, COLOUR, ALL } = process.env;
const attempt = (what) => { try { return what(); } catch ({ code }) { return code; } };
appendFileSync((DATA ?? ALL) + '/notes', (DATA === undefined ? 'keeper' : HOSTNAME) + ' ' + COLOUR + '\\n');
const server = http.createServer((_, response) => response.end(JSON.stringify({
  pod: HOSTNAME, colour: COLOUR,
  data: DATA && readFileSync(DATA + '/notes', 'utf8'),
  given: GIVEN && attempt(() => readFileSync(GIVEN + '/notes', 'utf8')),
  write: GIVEN && attempt(() => writeFileSync(GIVEN + '/intruder', '')),
})));
server.listen(Number(PORT), HOST);
process.on('SIGTERM', () => { if (ALL) appendFileSync(ALL + '/notes', 'end\\n'); process.exit(0); });
`;

const seen = (volume: string, mountPath: string): string =>
  captured ? mountPath : `$(HEDDLE_VOLUME_${volume.toUpperCase()})`;

const claimSpec = '{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}';

const keeper = (colour: string): string => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: all}
spec: ${claimSpec}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: keeper}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: keeper}}
  template:
    metadata: {labels: {app: keeper}}
    spec:
      volumes: [{name: all, persistentVolumeClaim: {claimName: all}}]
      containers:
      - name: keeper
        image: example.com/db:1
        env:
        - {name: COLOUR, value: ${colour}}
        - {name: ALL, value: "${seen('all', '/srv/heddle-test/all')}${captured ? '' : '/deep'}"}
        ports: [{containerPort: 9080}]
        volumeMounts: [{name: all, mountPath: /srv/heddle-test/all, subPath: deep}]
---`;

const database = (replicas: number, colour: string): string => `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: ${replicas}
  selector: {matchLabels: {app: db}}
  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}
  template:
    metadata: {labels: {app: db}}
    spec:
      volumes: [{name: given, persistentVolumeClaim: {claimName: all, readOnly: true}}]
      containers:
      - name: db
        image: example.com/db:1
        env:
        - {name: COLOUR, value: ${colour}}
        - {name: DATA, value: "${seen('data', '/var/lib/heddle-test')}"}
        - {name: GIVEN, value: "${seen('given', '/given')}/deep"}
        ports: [{containerPort: 9080}]
        volumeMounts:
        - {name: data, mountPath: /var/lib/heddle-test}
        - {name: given, mountPath: /given}
  volumeClaimTemplates: [{metadata: {name: data}, spec: ${claimSpec}}]
---`;

const rest = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: claims}
images:
  example.com/db:1: {command: [node, db.mjs]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: http, port: 9080}]
---
${ingressTo('db')}`;

interface Shown {
  readonly pod: string;
  readonly colour: string;
  readonly data: string;
  readonly given: string;
  readonly write?: string;
}

describe('claims', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const stateDirectory = join(folder, 'state');
  const file = join(folder, 'mesh.yaml');
  let mesh: RunningMesh | undefined;
  const start = async (): Promise<void> => {
    mesh = await startMesh([file], { stateDirectory });
  };
  before(async () => {
    writeFileSync(join(folder, 'db.mjs'), application);
    writeFileSync(file, keeper('red') + database(2, 'red') + rest);
    await start();
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const claims = (): string[] => readdirSync(join(stateDirectory, 'claims', 'default')).sort();
  /** What each instance says. */
  const shown = async (pods: readonly string[]): Promise<Readonly<Record<string, Shown>>> =>
    eventually(async () => {
      const found: Record<string, Shown> = {};
      for (let i = 0; i < 20; i++) {
        const answer = (await (await fetch(mesh!.ingressUrl)).json()) as Shown;
        found[answer.pod] = answer;
      }
      assert.deepEqual(Object.keys(found).sort(), pods);
      return found;
    });

  test('each instance has one of its own, and all see that of all', async () => {
    const found = await shown(['db-0', 'db-1']);
    assert.equal(found['db-0']!.data, 'db-0 red\n');
    assert.equal(found['db-1']!.data, 'db-1 red\n');
    for (const { given, write } of Object.values(found)) {
      assert.equal(given, 'keeper red\n');
      if (captured) assert.equal(write, 'EROFS');
    }
    assert.deepEqual(claims(), ['all', 'data-db-0', 'data-db-1']);
    assert.equal(existsSync('/var/lib/heddle-test'), false);
  });

  test('Recreate: the next one starts when the last has ended', async () => {
    writeFileSync(file, keeper('blue') + database(2, 'red') + rest);
    await eventually(
      async () => {
        const { given } = (await (await fetch(mesh!.ingressUrl)).json()) as Shown;
        assert.equal(given, 'keeper red\nend\nkeeper blue\n');
      },
      { timeoutMs: 30_000 },
    );
  });

  test('outlive the mesh', async () => {
    await mesh!.stop();
    assert.match(mesh!.output(), /Claims keep their files: .*\/state\/claims/);
    writeFileSync(file, keeper('blue') + database(2, 'green') + rest);
    await start();
    const found = await shown(['db-0', 'db-1']);
    assert.equal(found['db-1']!.data, 'db-1 red\ndb-1 green\n');
    assert.equal(found['db-0']!.given, 'keeper red\nend\nkeeper blue\nend\nkeeper blue\n');
  });

  test('of instances that there are not to be any more go, as the policy says', async () => {
    writeFileSync(file, keeper('blue') + database(1, 'green') + rest);
    await eventually(() => assert.deepEqual(claims(), ['all', 'data-db-0']), { timeoutMs: 30_000 });
    writeFileSync(file, keeper('blue') + rest);
    await eventually(() => assert.ok(mesh!.state().instances.every(({ workload }) => workload !== 'db')), {
      timeoutMs: 30_000,
    });
    writeFileSync(file, keeper('blue') + database(2, 'white') + rest);
    const found = await eventually(() => shown(['db-0', 'db-1']), { timeoutMs: 30_000 });
    assert.equal(found['db-0']!.data, 'db-0 red\ndb-0 green\ndb-0 white\n');
    assert.equal(found['db-1']!.data, 'db-1 white\n');
  });
});
