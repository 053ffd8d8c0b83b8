/** A DestinationRule that leaves an instance alone which fails: callers know within a few answers, and take it back. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { smallMesh } from '../support/small-mesh.ts';

/** Fails while there is a file with its name. */
const application = `
import { existsSync } from 'node:fs';
import http from 'node:http';
const { HOSTNAME, HOST, PORT } = process.env;
http.createServer((request, response) => {
  response.writeHead(existsSync(HOSTNAME) && request.url !== '/' ? 500 : 200);
  response.end(HOSTNAME);
}).listen(Number(PORT), HOST);
`;

const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 50, interval: 0.2s, baseEjectionTime: 1s}
---`;

/** Two instances would both be seen in so many answers. */
const MANY = 40;

const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
let mesh: RunningMesh;
before(async () => {
  const small = smallMesh(folder, { more: rule });
  writeFileSync(join(small.folder, 'echo.mjs'), application);
  mesh = await startMesh([small.manifest]);
});
after(async () => {
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The instances that answered, each with its statuses. */
async function answers(): Promise<Map<string, Set<number>>> {
  const seen = new Map<string, Set<number>>();
  for (let i = 0; i < MANY; i++) {
    const response = await fetch(`${mesh.ingressUrl}/some`);
    const name = await response.text();
    seen.set(name, (seen.get(name) ?? new Set()).add(response.status));
  }
  return seen;
}

test('an instance that fails gets no requests, until it has been left alone for a while', async () => {
  await eventually(async () => assert.equal((await answers()).size, 2), { timeoutMs: 30_000 });
  const [sick = ''] = (await answers()).keys();
  const switchFile = join(folder, 'echo-mesh', sick);
  writeFileSync(switchFile, '');
  await eventually(
    async () => {
      const seen = await answers();
      assert.equal(seen.size, 1);
      assert.ok(!seen.has(sick));
    },
    { timeoutMs: 30_000 },
  );
  rmSync(switchFile);
  await eventually(
    async () => {
      const seen = await answers();
      assert.deepEqual([...(seen.get(sick) ?? [])], [200]);
    },
    { timeoutMs: 30_000 },
  );
});
