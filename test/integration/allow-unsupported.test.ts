/** A document that would close something, and is not enforced: refused, or let pass and never forgotten. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { apiClient } from '#api/client.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningHeddle, startHeddle } from '../support/heddle.ts';
import { smallMesh } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

const main = join(import.meta.dirname, '../../src/app/main.ts');

const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: default}
spec: {}
---`;

/** What `heddle ps` shows, with what it says beside the table. */
function ps({ stateDirectory }: RunningHeddle): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [main, 'ps', '--state', stateDirectory], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return stdout + stderr;
}

describe('a policy that is not enforced', () => {
  test('is refused at the start, with the flag that lets it pass', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none', replicas: 1, more: policy });
    const heddle = startHeddle(t, [folder], { flags: ['--no-ingress'] });
    assert.equal(await heddle.ended, 65);
    assert.match(heddle.stderr(), /mesh\.yaml:3:\d+: AuthorizationPolicy default\/nobody/);
    assert.match(heddle.stderr(), /--allow-unsupported AuthorizationPolicy/);
  });

  test('is refused in an edit: the last good configuration stays, and ps says so', async (t) => {
    const mesh = smallMesh(tempDir(t), { sidecar: 'none', replicas: 1 });
    const heddle = startHeddle(t, [mesh.folder], { flags: ['--no-ingress'] });
    const { apiUrl } = await heddle.up();
    mesh.write({ sidecar: 'none', replicas: 2, more: policy });
    await eventually(() => {
      assert.match(heddle.stderr(), /mesh\.yaml:3:\d+: AuthorizationPolicy default\/nobody/);
      assert.match(heddle.stderr(), /last good version of what is broken stays in force/);
    });
    await eventually(() => assert.match(ps(heddle), /the files have 1 error: the last good version/));
    assert.equal(heddle.state().instances.length, 1);
    const { resources } = await apiClient(apiUrl).config();
    assert.ok(resources.every(({ kind }) => kind !== 'AuthorizationPolicy'));
  });

  test('shows in the start table and in ps where it is let pass', async (t) => {
    const { folder } = smallMesh(tempDir(t), { sidecar: 'none', replicas: 1, more: policy });
    const flags = ['--no-ingress', '--allow-unsupported', 'AuthorizationPolicy'];
    const heddle = startHeddle(t, [folder], { flags });
    await heddle.up();
    const notEnforced = /NOT ENFORCED \(--allow-unsupported\): AuthorizationPolicy default\/nobody/;
    assert.match(heddle.stdout(), notEnforced);
    assert.match(ps(heddle), notEnforced);
  });
});
