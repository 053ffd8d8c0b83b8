/** The state folder is taken away from a running mesh: it says so, and ends in order. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { isAlive } from '#host/process-identity.ts';
import { eventually } from '../support/eventually.ts';
import { startHeddle } from '../support/heddle.ts';
import { smallMesh } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

for (const capture of ['never', 'auto'] as const) {
  test(`capture ${capture}`, { timeout: 90_000 }, async (t) => {
    const { folder } = smallMesh(tempDir(t), { replicas: 1 });
    const heddle = startHeddle(t, [folder], { capture });
    const { processes } = await heddle.up();
    assert.ok(processes.length >= 4);
    rmSync(heddle.stateDirectory, { recursive: true, force: true, maxRetries: 20 });
    assert.equal(await heddle.ended, 1);
    const said = heddle.stderr();
    assert.match(said, /✘ the state folder \S+ is gone: the mesh cannot go on without it, and ends/);
    assert.match(said, /✔ stopped, no process is left/);
    assert.doesNotMatch(said, /^\s+at /m);
    await eventually(() =>
      assert.deepEqual(
        processes.filter((one) => isAlive(one)),
        [],
      ),
    );
    assert.equal(existsSync(heddle.stateDirectory), false);
  });
}
