/** The benchmark itself runs: one short round, in which both proxies do the same work without an error. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Result } from '../bench/result.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

for (const row of ['h1-small-1000rps', 'mtls-pair']) {
  test(`npm run bench ${row}`, (t) => {
    for (const name of ['nginx', 'envoy', 'wrk', 'h2load'] as const) {
      if (requirePeer(t, name) === undefined) return;
    }
    const out = tempDir(t);
    const options = ['--rounds', '1', '--seconds', '1', '--proxies', 'heddle,envoy,direct', '--out', out];
    const { status, stdout, stderr } = spawnSync(process.execPath, ['test/bench/run.ts', row, ...options], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
    const [file = ''] = globSync(join(out, `*-${row}.json`));
    const { contenders, ratios } = JSON.parse(readFileSync(file, 'utf8')) as Result;
    for (const name of ['heddle', 'envoy'] as const) {
      const { requestsPerSecond = 0, cpuUs = 0, uniqueMb = 0, objection } = contenders[name] ?? {};
      assert.ok(requestsPerSecond > 0 && cpuUs > 0 && uniqueMb > 0, stdout);
      // A machine that does other things at the same time may leave the core less than busy; errors never count.
      assert.doesNotMatch(objection ?? '', /errors/);
    }
    assert.ok((ratios.envoy?.cpu.median ?? 0) > 0, stdout);
  });
}
