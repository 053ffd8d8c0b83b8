/** The benchmark itself runs: one short round, in which both proxies do the same work without an error. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Result } from '../bench/result.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

/** One of each kind of load and of question; the figures that must be there, the last one compared. */
const cases = [
  { row: 'h1-small-1000rps', figures: ['perSecond', 'uniqueBytes', 'startMs', 'cpuUs'] },
  { row: 'mtls-pair', figures: ['perSecond', 'p99Us', 'cpuUs'] },
  { row: 'grpc-unary', figures: ['perSecond', 'p99Us', 'cpuUs'] },
  { row: 'tls-resumed', figures: ['perSecond', 'p99Us', 'cpuUs'] },
  { row: 'websocket', figures: ['perSecond', 'p99Us', 'cpuUs'] },
  { row: 'retries-half', figures: ['perSecond', 'p99Us', 'cpuUs'] },
  { row: 'idle-5000', figures: ['addedBytes', 'uniqueBytes'] },
  { row: 'stall-hosts', figures: ['tookMs', 'longestMs'] },
] as const;

for (const { row, figures } of cases) {
  test(`npm run bench ${row}`, (t) => {
    for (const name of ['nginx', 'envoy', 'wrk', 'h2load', 'fortio', 'go'] as const) {
      if (requirePeer(t, name) === undefined) return;
    }
    const out = tempDir(t);
    const options = ['--rounds', '1', '--seconds', '1', '--proxies', 'heddle,envoy', '--out', out];
    const { status, stdout, stderr } = spawnSync(process.execPath, ['test/bench/run.ts', row, ...options], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
    const [file = ''] = globSync(join(out, `*-${row}.json`));
    const { contenders, ratios } = JSON.parse(readFileSync(file, 'utf8')) as Result;
    for (const name of ['heddle', 'envoy'] as const) {
      const { figures: found = {}, objection } = contenders[name] ?? {};
      for (const figure of figures) assert.ok((found[figure]?.median ?? 0) > 0, `${figure}: ${stdout}`);
      // A machine that does other things at the same time may leave the core less than busy; errors never count.
      assert.doesNotMatch(objection ?? '', /errors|nothing/);
    }
    assert.ok((ratios.envoy?.[figures.at(-1) ?? '']?.median ?? 0) > 0, stdout);
  });
}
