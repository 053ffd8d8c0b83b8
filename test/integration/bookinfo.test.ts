/**
 * Istio's public Bookinfo manifests run unmodified, and each of their routing rules does what it says.
 * One mesh; the rule is a file that is written over while it runs.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { testData } from '../support/peer.ts';
import { sumOf } from '../support/prometheus-text.ts';
import { tally } from '../support/tally.ts';
import { tempDir } from '../support/temp-dir.ts';

/** What the stars show: reviews v1 has none, v2 black ones, v3 red ones. */
type Stars = 'none' | 'black' | 'red';

interface Rule {
  readonly file: string;
  /** Share of each kind of stars, in percent. */
  readonly everybody: Partial<Record<Stars, number>>;
  /** For the user jason, where the rule treats him differently. */
  readonly jason?: Stars;
}

const rules: readonly Rule[] = [
  { file: 'virtual-service-reviews-50-v3.yaml', everybody: { none: 50, red: 50 } },
  { file: 'virtual-service-reviews-80-20.yaml', everybody: { none: 80, black: 20 } },
  { file: 'virtual-service-reviews-90-10.yaml', everybody: { none: 90, black: 10 } },
  { file: 'virtual-service-reviews-jason-v2-v3.yaml', everybody: { red: 100 }, jason: 'black' },
  { file: 'virtual-service-reviews-test-v2.yaml', everybody: { none: 100 }, jason: 'black' },
  { file: 'virtual-service-reviews-v2-v3.yaml', everybody: { black: 50, red: 50 } },
  { file: 'virtual-service-reviews-v3.yaml', everybody: { red: 100 } },
];
const requests = 300;
/** Three and a half standard deviations of an even split. */
const tolerancePoints = 10;

describe('bookinfo', () => {
  test('every routing rule of the public manifests', async (t) => {
    const data = testData(t, 'bookinfo');
    if (data === undefined) return;
    const rule = join(tempDir(t), 'virtual-service.yaml');
    copyFileSync(join(data, 'networking', rules[0]?.file ?? ''), rule);
    const running = await start(t, data, join(data, 'platform/kube/bookinfo.yaml'), rule);
    for (const { file, everybody, jason } of rules) {
      await t.test(file, async () => {
        copyFileSync(join(data, 'networking', file), rule);
        await eventually(() => assertRouted(running, everybody), { timeoutMs: 20_000 });
        const signedIn = await tally(20, () => starsFor(running, 'jason'));
        if (jason !== undefined) assert.deepEqual([...signedIn], [[jason, 20]]);
      });
    }
  });

  test('the same of Services that say no protocol', async (t) => {
    const data = testData(t, 'bookinfo');
    if (data === undefined) return;
    const named = readFileSync(join(data, 'platform/kube/bookinfo.yaml'), 'utf8');
    const unnamed = join(tempDir(t), 'bookinfo.yaml');
    writeFileSync(unnamed, named.replaceAll('\n    name: http\n', '\n'));
    const { file, everybody } = rules[2]!;
    const running = await start(t, data, unnamed, join(data, 'networking', file));
    await assertRouted(running, everybody);
    await eventually(async () => {
      const [productpage] = running.instancesOf('productpage-v1');
      const metrics = await running.metricsOf(productpage!);
      const labels = { reporter: 'source', destination_service_name: 'reviews', response_code: '200' };
      const secure = { ...labels, connection_security_policy: 'mutual_tls' };
      assert.ok(sumOf(metrics, 'istio_requests_total', secure) >= requests);
    });
  });
});

async function start(t: TestContext, data: string, services: string, rule: string): Promise<RunningMesh> {
  const mesh = await startMesh([
    'examples/bookinfo/heddle.yaml',
    services,
    join(data, 'networking/bookinfo-gateway.yaml'),
    join(data, 'networking/destination-rule-all.yaml'),
    rule,
  ]);
  t.after(() => mesh.stop());
  return mesh;
}

async function assertRouted(mesh: RunningMesh, expected: Partial<Record<Stars, number>>): Promise<void> {
  // A few first: while the old rule is still in force they tell without the cost of all.
  const kinds = Object.keys(expected).sort();
  const first = await tally(20, () => starsFor(mesh));
  for (const kind of first.keys()) assert.ok(kinds.includes(kind), `${kind} is not among ${kinds}`);
  const counts = await tally(requests, () => starsFor(mesh));
  assert.deepEqual([...counts.keys()].sort(), kinds);
  for (const [kind, percent] of Object.entries(expected)) {
    const share = ((counts.get(kind as Stars) ?? 0) / requests) * 100;
    assert.ok(Math.abs(share - percent) <= tolerancePoints, `${kind}: ${share} % instead of ${percent} %`);
  }
}

async function starsFor(mesh: RunningMesh, user?: string): Promise<Stars> {
  const headers: Record<string, string> = user === undefined ? {} : { cookie: `user=${user}` };
  const response = await fetch(`${mesh.ingressUrl}/productpage`, { headers });
  const html = await response.text();
  assert.equal(response.status, 200, html);
  assert.match(html, /Reviews served by/);
  assert.match(html, /Heddle Press/);
  if (html.includes('class="black"')) return 'black';
  return html.includes('class="red"') ? 'red' : 'none';
}
