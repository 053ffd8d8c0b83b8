/** `heddle up` and its processes: started, watched, restarted, replaced and ended, without a proxy in the way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { MeshInstance } from '#cli/mesh-state.ts';
import { anyFreePort } from '#host/free-port.ts';
import { isAlive } from '#host/process-identity.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningHeddle, startHeddle } from '../support/heddle.ts';
import { smallMesh } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

const main = join(import.meta.dirname, '../../src/app/main.ts');
const alone = ['--no-ingress'] as const;

interface Echo {
  readonly pod: string;
  readonly pid: number;
  readonly greeting: string;
}

async function ask({ meshAddress }: MeshInstance): Promise<Echo> {
  const response = await fetch(`http://${meshAddress}:9080/`, { headers: { connection: 'close' } });
  return (await response.json()) as Echo;
}

/** The Pod documents that the control plane sees: name, and what the Ready condition says. */
function pods({ stateDirectory }: RunningHeddle): Record<string, string> {
  const folder = join(stateDirectory, 'pods');
  return Object.fromEntries(
    readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => {
        const pod = JSON.parse(readFileSync(join(folder, file), 'utf8'));
        return [
          pod.metadata.name,
          pod.metadata.deletionTimestamp ? 'stopping' : pod.status.conditions[0].status,
        ];
      }),
  );
}

describe('heddle up', { concurrency: 2 }, () => {
  test('starts every replica on an address of its own, shows a table, and leaves nothing behind', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none' });
    const heddle = startHeddle(t, [folder], { flags: alone });
    const { instances, processes, network } = await heddle.up();
    assert.deepEqual(
      instances.map(({ name, ready }) => [name, ready]),
      [
        ['echo-v1-1', true],
        ['echo-v1-2', true],
      ],
    );
    assert.deepEqual(await Promise.all(instances.map(async (instance) => (await ask(instance)).pod)), [
      'echo-v1-1',
      'echo-v1-2',
    ]);
    assert.deepEqual(processes.map(({ name }) => name).sort(), ['control', 'echo-v1-1', 'echo-v1-2']);
    const prefix = network.replace('.0.0/16', '');
    assert.ok(
      heddle.stdout().includes(`echo-v1    2/2     ${prefix}.1.1, ${prefix}.1.2:9080   none      v1`),
    );
    assert.equal(await heddle.stop(), 0);
    assert.deepEqual(pods(heddle), {});
    assert.deepEqual(heddle.state().processes, []);
  });

  test('an application that dies is no endpoint, comes back with a pause, and is one again', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none' });
    const heddle = startHeddle(t, [folder], { flags: alone });
    const { instances } = await heddle.up();
    const before = await ask(instances[0]!);
    process.kill(before.pid, 'SIGKILL');
    await eventually(() => assert.equal(pods(heddle)['echo-v1-1'], 'False'), { everyMs: 5 });
    await eventually(async () => assert.notEqual((await ask(instances[0]!)).pid, before.pid));
    await eventually(() => assert.deepEqual(pods(heddle), { 'echo-v1-1': 'True', 'echo-v1-2': 'True' }));
    assert.match(heddle.stderr(), /echo-v1-1: ended \(SIGKILL\), tried again in 100 ms/);
  });

  test('edits: replicas, then a rolling replacement; a broken one changes nothing and is shown with its line', async (t) => {
    const mesh = smallMesh(tempDir(t), { sidecar: 'none', replicas: 1 });
    const heddle = startHeddle(t, [mesh.folder], { flags: alone });
    await heddle.up();
    mesh.write({ sidecar: 'none', replicas: 2 });
    await eventually(() => assert.deepEqual(pods(heddle), { 'echo-v1-1': 'True', 'echo-v1-2': 'True' }));
    mesh.write({ sidecar: 'none', replicas: 2, greeting: 'good evening' });
    await eventually(() => assert.deepEqual(pods(heddle), { 'echo-v1-3': 'True', 'echo-v1-4': 'True' }));
    const { instances } = await eventually(() => {
      const state = heddle.state();
      assert.equal(state.instances.length, 2);
      return state;
    });
    assert.equal((await ask(instances[0]!)).greeting, 'good evening');
    const processes = heddle.state().processes;
    mesh.write({
      sidecar: 'none',
      replicas: 3,
      more: 'apiVersion: v1\nkind: Service\nmetadata: {name: [}\n---',
    });
    await eventually(() =>
      assert.match(
        heddle.stderr(),
        /mesh\.yaml:3:\d+: not valid YAML[\s\S]*last good version of what is broken stays/,
      ),
    );
    assert.deepEqual(heddle.state().processes, processes);
    mesh.write({ sidecar: 'none', replicas: 1, greeting: 'good evening' });
    await eventually(() => assert.equal(heddle.state().instances.length, 1));
  });

  test('a second one of the same mesh says so', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none', replicas: 1 });
    const heddle = startHeddle(t, [folder], { flags: alone });
    await heddle.up();
    const second = startHeddle(t, [folder], { stateDirectory: heddle.stateDirectory, flags: alone });
    assert.equal(await second.ended, 1);
    assert.match(second.stderr(), new RegExp(`runs already, as process ${heddle.process.pid}`));
    assert.equal((await ask(heddle.state().instances[0]!)).pod, 'echo-v1-1');
  });

  test('killed without mercy it leaves nothing either', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none' });
    const heddle = startHeddle(t, [folder], { flags: alone });
    const { processes } = await heddle.up();
    heddle.process.kill('SIGKILL');
    await heddle.ended;
    await eventually(() =>
      assert.deepEqual(
        processes.filter((one) => isAlive(one)),
        [],
      ),
    );
  });

  test('a control plane that dies comes back; applications stay', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none', replicas: 1 });
    const heddle = startHeddle(t, [folder], { flags: alone });
    const { processes, apiUrl } = await heddle.up();
    const { pid } = processes.find(({ name }) => name === 'control')!;
    process.kill(pid, 'SIGKILL');
    await eventually(() => {
      const now = heddle.state().processes;
      assert.notEqual(now.find(({ name }) => name === 'control')?.pid ?? pid, pid);
      assert.deepEqual(
        now.filter(({ name }) => name !== 'control'),
        processes.filter(({ name }) => name !== 'control'),
      );
    });
    await eventually(async () => assert.equal((await fetch(`${apiUrl}/ready`)).status, 200));
  });

  test('the first Ctrl-C waits for applications, the second does not', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none', replicas: 1 });
    writeFileSync(
      join(folder, 'echo.mjs'),
      `import http from 'node:http';
       process.on('SIGTERM', () => console.log('no'));
       http.createServer((_, response) => response.end('{}')).listen(Number(process.env.PORT), process.env.HOST);`,
    );
    const heddle = startHeddle(t, [folder], { flags: alone });
    const { processes } = await heddle.up();
    heddle.process.kill('SIGINT');
    await eventually(() =>
      assert.match(readFileSync(join(heddle.stateDirectory, 'logs/echo-v1-1.log'), 'utf8'), /no/),
    );
    heddle.process.kill('SIGINT');
    assert.equal(await heddle.ended, 130);
    await eventually(() =>
      assert.deepEqual(
        processes.filter((one) => isAlive(one)),
        [],
      ),
    );
  });

  const failures = [
    {
      why: 'an image that is not mapped',
      file: 'mesh.yaml',
      text: (yaml: string) => yaml.replace('example.com/echo:1:', 'example.com/other:1:'),
      code: 65,
      says: /mesh\.yaml:\d+:\d+: Deployment default\/echo-v1.*no local command is known for the image example\.com\/echo:1/,
    },
    {
      why: 'an unknown field',
      file: 'mesh.yaml',
      text: (yaml: string) => yaml.replace('replicas:', 'replikas:'),
      code: 65,
      says: /replikas[\s\S]*did you mean "replicas"\?/,
    },
  ];
  for (const { why, file, text, code, says } of failures) {
    test(`does not start with ${why}`, (t) => {
      const { folder } = smallMesh(tempDir(t));
      writeFileSync(join(folder, file), text(readFileSync(join(folder, file), 'utf8')));
      const { status, stderr } = spawnSync(
        process.execPath,
        [main, 'up', folder, '--state', join(folder, 'state'), '--capture', 'never'],
        {
          encoding: 'utf8',
        },
      );
      assert.equal(status, code, stderr);
      assert.match(stderr, says);
    });
  }

  const elsewhere = [
    {
      why: 'on another address',
      sidecar: 'none',
      listen: "listen(0, '127.0.0.1')",
      says: 'it listens on 127\\.0\\.0\\.1:\\d+, not on 127\\.\\d+\\.1\\.1:PORT',
    },
    {
      why: 'on every address',
      sidecar: 'none',
      listen: 'listen(process.env.PORT)',
      says: 'it listens on (\\[::\\]|0\\.0\\.0\\.0):PORT, not on 127\\.\\d+\\.1\\.1:PORT',
    },
    {
      why: 'on every address beside its sidecar',
      sidecar: 'heddle',
      listen: 'listen(process.env.PORT)',
      says: 'it asked for a port that its sidecar holds, probably on every address \\(0\\.0\\.0\\.0:PORT\\)',
    },
  ] as const;
  for (const { why, sidecar, listen, says } of elsewhere) {
    test(`an application that listens ${why} is told where to, with the line`, async (t) => {
      const { folder, manifest } = smallMesh(tempDir(t), { sidecar, replicas: 1 });
      // On every address a port is everybody's, also of another mesh.
      const port = String(await anyFreePort('0.0.0.0'));
      const yaml = readFileSync(manifest, 'utf8');
      writeFileSync(manifest, yaml.replace('containerPort: 9080', `containerPort: ${port}`));
      writeFileSync(
        join(folder, 'echo.mjs'),
        `import http from 'node:http';\nhttp.createServer().${listen};\n`,
      );
      const heddle = startHeddle(t, [folder], { flags: alone });
      await eventually(
        () => {
          const said = heddle.stderr();
          assert.match(said, new RegExp(`echo-v1-1: ${says.replaceAll('PORT', port)}`));
          assert.match(said, /must listen on the address in HOST[\s\S]*echo\.mjs:2: http\.createServer/);
        },
        { timeoutMs: 20_000 },
      );
    });
  }
});
