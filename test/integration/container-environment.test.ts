/** What containers are given by name: ConfigMaps, Secrets, fields of their Pod, in a running mesh. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';

const heddle = resolve(import.meta.dirname, '../../bin/heddle');

const application = `
import http from 'node:http';
const { HOST, PORT } = process.env;
const server = http.createServer((_, response) => response.end(JSON.stringify({ env: process.env, argv: process.argv.slice(2) })));
server.listen(Number(PORT), HOST);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

const documents = (colour: string, key = 'password'): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: settings}
images:
  example.com/show:1: {command: [node, show.mjs], env: {SHADE: light}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: paint}
data: {COLOUR: ${colour}, "app.properties": "a=b"}
---
apiVersion: v1
kind: Secret
metadata: {name: database}
type: Opaque
data: {password: ${Buffer.from('s3cr\u00e9t').toString('base64')}}
stringData: {user: scott}
---
${workload({
  name: 'show',
  annotations: '{team: painters}',
  container: `image: example.com/show:1
args: ["--url=http://$(POD_IP)/$(COLOUR)", "$(NOBODY)", "$$(COLOUR)", "$(HOME)"]
ports: [{containerPort: 9080}]
envFrom:
- configMapRef: {name: paint}
- {prefix: DB_, secretRef: {name: database}}
- configMapRef: {name: nowhere, optional: true}
env:
- {name: SHADE, value: "dark $(COLOUR)"}
- {name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: ${key}}}}
- {name: MISSING, valueFrom: {configMapKeyRef: {name: paint, key: size, optional: true}}}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: TEAM, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['team']"}}}`,
})}${ingressTo('show')}`;

interface Shown {
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
}

describe('the environment of a container', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const file = join(folder, 'mesh.yaml');
  let mesh: RunningMesh;
  before(async () => {
    writeFileSync(join(folder, 'show.mjs'), application);
    writeFileSync(file, documents('red'));
    mesh = await startMesh([file]);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const shown = async (): Promise<Shown> => {
    const response = await fetch(mesh.ingressUrl);
    assert.equal(response.status, 200);
    return (await response.json()) as Shown;
  };

  test('comes from ConfigMaps, Secrets and the Pod', async () => {
    const { env, argv } = await eventually(shown);
    const [instance] = mesh.instancesOf('show');
    const { meshAddress, name } = instance!;
    const expected: Readonly<Record<string, string | undefined>> = {
      COLOUR: 'red',
      'app.properties': 'a=b',
      DB_user: 'scott',
      DB_password: 's3cr\u00e9t',
      SHADE: 'dark red',
      PASSWORD: 's3cr\u00e9t',
      MISSING: undefined,
      POD_NAME: name,
      POD_IP: meshAddress,
      NODE: hostname(),
      TEAM: 'painters',
    };
    for (const [variable, value] of Object.entries(expected)) assert.equal(env[variable], value, variable);
    assert.match(env.POD_UID!, /^[0-9a-f-]{36}$/);
    assert.deepEqual(argv, [`--url=http://${meshAddress}/red`, '$(NOBODY)', '$(COLOUR)', '$(HOME)']);
  });

  test('what a Secret holds is shown to nobody', () => {
    const ask = (...words: readonly string[]): string => {
      const { stdout, stderr, status } = spawnSync(
        heddle,
        ['get', ...words, '--state', mesh.stateDirectory],
        {
          encoding: 'utf8',
        },
      );
      assert.equal(status, 0, stderr);
      return stdout;
    };
    assert.match(ask('cm'), /paint/);
    const yaml = ask('secrets', 'database', '-o', 'yaml');
    assert.match(yaml, /password: '?"?\[redacted\]/);
    assert.match(yaml, /user: '?"?\[redacted\]/);
    for (const output of [yaml, ask('all', '-o', 'json')]) {
      assert.doesNotMatch(output, /s3cr|scott|czNjc/);
    }
  });

  test('a reference to nothing changes nothing, and is said with its line', async () => {
    writeFileSync(file, documents('green', 'passwort'));
    await eventually(() => {
      assert.match(mesh.output(), /the Secret default\/database has no key "passwort"/);
      assert.match(mesh.output(), /did you mean "password"\?/);
      assert.match(mesh.output(), /mesh\.yaml:\d+:\d+/);
    });
    assert.equal((await shown()).env.COLOUR, 'red');
  });

  test('an edited ConfigMap reaches the processes that are given it', async () => {
    writeFileSync(file, documents('blue'));
    await eventually(async () => assert.equal((await shown()).env.COLOUR, 'blue'), { timeoutMs: 20_000 });
  });
});
