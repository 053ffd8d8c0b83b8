/** Volumes of Pods in a running mesh: given files and their edits, a folder that containers share, and its end. */
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

/** Says what it finds in its volumes, where it is told that they are; `/write` writes, `/die` ends the process. */
const application = `
import { appendFileSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
const { HOST, PORT, CONFIG, SECRET, SHARED, POD, SINGLE } = process.env;
const attempt = (what) => { try { return what(); } catch ({ code }) { return code; } };
const tree = (folder) => attempt(() => Object.fromEntries(
  readdirSync(folder, { recursive: true })
    .filter((name) => !name.startsWith('..') && statSync(folder + '/' + name).isFile())
    .map((name) => [name, readFileSync(folder + '/' + name, 'latin1')])));
const server = http.createServer((request, response) => {
  if (request.url === '/die') process.exit(0);
  if (request.url === '/write') appendFileSync(SHARED + '/notes', 'served ');
  response.end(JSON.stringify({
    pid: process.pid,
    argv: process.argv.slice(2),
    config: tree(CONFIG), secret: tree(SECRET), shared: tree(SHARED), pod: tree(POD),
    single: SINGLE && attempt(() => readFileSync(SINGLE, 'utf8')),
    dotted: process.env['dotted.name'],
    passwd: attempt(() => readFileSync('/etc/passwd', 'utf8').length > 0),
    modes: { secret: (statSync(SECRET + '/password').mode & 0o777).toString(8) },
    write: attempt(() => writeFileSync(CONFIG + '/intruder', '')),
  }));
});
server.listen(Number(PORT), HOST);
`;

const paths = captured
  ? {
      config: '/etc/heddle-test/config',
      secret: '/heddle-test-secret',
      shared: '/var/heddle-test',
      pod: '/podinfo',
    }
  : {
      config: '$(HEDDLE_VOLUME_CONFIG)',
      secret: '$(HEDDLE_VOLUME_SECRET)',
      shared: '$(HEDDLE_VOLUME_SHARED)',
      pod: '$(HEDDLE_VOLUME_POD)',
    };

const documents = (colour: string, single = '/srv/heddle-test/app.conf'): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: volumes}
images:
  example.com/show:1:
    command: [node, show.mjs, "$(HEDDLE_VOLUME_CONFIG)/app.conf"]
    env: {SHARED: "${captured ? paths.shared : '$(HEDDLE_VOLUME_SHARED)'}"}
  example.com/first:1: {command: [node, first.mjs]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: paint}
data: {app.conf: "colour=${colour}", other: "not mounted"}
binaryData: {raw: ${Buffer.from([0xff, 0, 0xfe]).toString('base64')}}
---
apiVersion: v1
kind: Secret
metadata: {name: database}
data: {password: ${Buffer.from('s3cret').toString('base64')}}
stringData: {user: scott}
---
apiVersion: v1
kind: Service
metadata: {name: show}
spec:
  selector: {app: show}
  ports: [{name: http, port: 9080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: show}
spec:
  selector: {matchLabels: {app: show}}
  template:
    metadata: {labels: {app: show, tier: "front"}, annotations: {team: painters}}
    spec:
      volumes:
      - name: config
        configMap: {name: paint, items: [{key: app.conf, path: app.conf}, {key: raw, path: deep/raw.bin}]}
      - {name: secret, secret: {secretName: database, defaultMode: 0400}}
      - {name: shared, emptyDir: {sizeLimit: 1Mi}}
      - name: pod
        projected:
          sources:
          - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: name, fieldRef: {fieldPath: metadata.name}}]}
          - configMap: {name: paint, items: [{key: other, path: paint/other}]}
          - secret: {name: nowhere, optional: true}
      initContainers:
      - name: first
        image: example.com/first:1
        env: [{name: SHARED, value: "${paths.shared}"}]
        volumeMounts: [{name: shared, mountPath: /var/heddle-test}]
      containers:
      - name: show
        image: example.com/show:1
        ports: [{containerPort: 9080}]
        env:
        - {name: dotted.name, value: kept}
        - {name: CONFIG, value: "${paths.config}"}
        - {name: SECRET, value: "${paths.secret}"}
        - {name: POD, value: "${paths.pod}"}
        ${captured ? `- {name: SINGLE, value: ${single}}` : ''}
        readinessProbe: {periodSeconds: 1, exec: {command: [sh, -c, 'test -s "$SHARED/notes"']}}
        volumeMounts:
        - {name: config, mountPath: /etc/heddle-test/config}
        - {name: config, mountPath: ${single}, subPath: app.conf}
        - {name: secret, mountPath: /heddle-test-secret/}
        - {name: shared, mountPath: /var/heddle-test}
        - {name: pod, mountPath: /podinfo, readOnly: true}
---
${ingressTo('show')}`;

interface Shown {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly config: Readonly<Record<string, string>>;
  readonly secret: Readonly<Record<string, string>>;
  readonly shared: Readonly<Record<string, string>>;
  readonly pod: Readonly<Record<string, string>>;
  readonly single?: string;
  readonly dotted?: string;
  readonly passwd: boolean;
  readonly modes: { readonly secret: string };
  readonly write?: string;
}

describe('volumes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const file = join(folder, 'mesh.yaml');
  let mesh: RunningMesh;
  before(async () => {
    writeFileSync(join(folder, 'show.mjs'), application);
    writeFileSync(
      join(folder, 'first.mjs'),
      "import { writeFileSync } from 'node:fs'; writeFileSync(process.env.SHARED + '/notes', 'first ');",
    );
    writeFileSync(file, documents('red'));
    mesh = await startMesh([file]);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const shown = async (path = ''): Promise<Shown> => {
    const response = await fetch(`${mesh.ingressUrl}${path}`);
    assert.equal(response.status, 200);
    return (await response.json()) as Shown;
  };
  const volumeFolders = (): string[] =>
    readdirSync(join(mesh.stateDirectory, 'instances')).filter((name) =>
      existsSync(join(mesh.stateDirectory, 'instances', name, 'volumes')),
    );

  test('hold what ConfigMaps, Secrets and the Pod say, and what an init container has written', async () => {
    const found = await eventually(() => shown());
    const [{ name } = { name: '' }] = mesh.instancesOf('show');
    assert.deepEqual(found.config, { 'app.conf': 'colour=red', 'deep/raw.bin': '\u00ff\u0000\u00fe' });
    assert.deepEqual(found.secret, { password: 's3cret', user: 'scott' });
    assert.deepEqual(found.pod, { labels: 'app="show"\ntier="front"', name, 'paint/other': 'not mounted' });
    assert.deepEqual(found.shared, { notes: 'first ' });
    assert.equal(found.modes.secret, '400');
    assert.ok(found.passwd);
    assert.equal(found.dotted, 'kept');
    if (captured) {
      assert.deepEqual(found.argv, ['/etc/heddle-test/config/app.conf']);
      assert.equal(found.single, 'colour=red');
      assert.equal(found.write, 'EROFS');
    } else {
      assert.match(found.argv[0]!, /instances\/default\.show-1\/volumes\/config\/app\.conf$/);
      assert.match(mesh.output(), /volumes are not mounted where traffic is not captured/);
      assert.match(mesh.output(), /default\/show: .*\/etc\/heddle-test\/config: \$HEDDLE_VOLUME_CONFIG/);
    }
  });

  test('nothing of it is on the machine', () => {
    for (const path of [
      '/etc/heddle-test',
      '/heddle-test-secret',
      '/var/heddle-test',
      '/podinfo',
      '/srv/heddle-test',
    ])
      assert.equal(existsSync(path), false, path);
  });

  test('what a container has written outlives its end, but not the Pod', async () => {
    assert.deepEqual((await shown('/write')).shared, { notes: 'first served ' });
    const { pid } = await shown();
    await fetch(`${mesh.ingressUrl}/die`);
    await eventually(async () => {
      const again = await shown();
      assert.notEqual(again.pid, pid);
      assert.deepEqual(again.shared, { notes: 'first served ' });
    });
  });

  test('an edited ConfigMap changes the files of the running process', async () => {
    const before = await shown();
    writeFileSync(file, documents('blue'));
    await eventually(async () => assert.equal((await shown()).config['app.conf'], 'colour=blue'));
    const found = await shown();
    assert.equal(found.pid, before.pid);
    // As on Kubernetes: a single file that is mounted is what it was.
    if (captured) assert.equal(found.single, 'colour=red');
    // It is said when all files are changed.
    await eventually(() =>
      assert.match(mesh.output(), /configuration taken in; files of volumes change: default\/show/),
    );
  });

  test('another mount replaces the Pod, and takes what it had with it', async () => {
    const [old] = mesh.instancesOf('show');
    writeFileSync(file, documents('blue', '/srv/heddle-test/other.conf'));
    await eventually(
      () => {
        const left = mesh.instancesOf('show').map(({ name }) => name);
        assert.ok(left.length === 1 && left[0] !== old!.name, `${left}`);
      },
      { timeoutMs: 20_000 },
    );
    await eventually(async () => assert.deepEqual((await shown()).shared, { notes: 'first ' }));
    if (captured) assert.equal((await shown()).single, 'colour=blue');
    assert.deepEqual(volumeFolders(), [`default.${mesh.instancesOf('show')[0]!.name}`]);
  });
});
