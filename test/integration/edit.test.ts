/**
 * The YAML is edited while the mesh runs under load: what is written holds within a second, no request
 * fails, and what is wrong changes nothing but what the person reads.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { apiClient } from '#api/client.ts';
import { bookstoreFiles, bookstoreTraffic } from '../support/bookstore.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

const effectDeadlineMs = 1_000;
/** So many answers in a row that a share of 20 % would not stay hidden. */
const manyAnswers = 100;

/** `traffic.yaml` with other weights for reviews v1 and v2. */
const weights = (v1: number, v2: number): string =>
  bookstoreTraffic().replace('weight: 80', `weight: ${v1}`).replace('weight: 20', `weight: ${v2}`);

const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: default}
spec: {}
`;

describe('an edit under load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const traffic = join(folder, 'traffic.yaml');
  const catalog = join(folder, 'catalog.yaml');
  const catalogAsIs = readFileSync('examples/bookstore/catalog.yaml', 'utf8');
  let mesh: RunningMesh;
  let reviews: Load;
  let books: Load;
  before(async () => {
    writeFileSync(traffic, weights(80, 20));
    writeFileSync(catalog, catalogAsIs);
    mesh = await startMesh([...bookstoreFiles('traffic', 'catalog'), traffic, catalog]);
    const load = { connections: 32, ratePerSecond: 100 };
    reviews = startLoad({ ...load, url: `${mesh.ingressUrl}/api/reviews` });
    books = startLoad({ ...load, url: `${mesh.ingressUrl}/api/catalog` });
    await answersSince(0);
  });
  after(async () => {
    await Promise.all([reviews?.stop(), books?.stop()]);
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Versions of reviews that answered what was sent after `sinceMs`, when there are many of them. */
  const answersSince = (sinceMs: number): Promise<string[]> =>
    eventually(
      () => {
        const later = reviews.answers.filter(({ sentMs }) => sentMs > sinceMs);
        assert.ok(later.length >= manyAnswers, `only ${later.length} answers`);
        return [...new Set(later.map(versionOf))].sort();
      },
      { timeoutMs: 20_000 },
    );

  const noneFailed = (): void => {
    assert.deepEqual(reviews.failures(), []);
    assert.deepEqual(books.failures(), []);
  };

  /** From each edit to the last request that was answered as before. */
  const effectsMs: number[] = [];
  for (const [v1, v2, only] of [
    [0, 100, 'v2'],
    [100, 0, 'v1'],
    [0, 100, 'v2'],
  ] as const) {
    test(`weights of ${v1} and ${v2} take effect`, async () => {
      const editedMs = performance.now();
      writeFileSync(traffic, weights(v1, v2));
      await eventually(
        () => {
          const after = reviews.answers.filter(({ sentMs }) => sentMs > editedMs);
          const last = after.findLastIndex((answer) => versionOf(answer) !== only);
          assert.ok(
            after.length - last > manyAnswers,
            `${after.length} answers, of another version up to ${last}`,
          );
          effectsMs.push(last === -1 ? 0 : after[last]!.sentMs - editedMs);
        },
        { timeoutMs: 20_000 },
      );
      noneFailed();
    });
  }

  test('edits hold within a second', () => {
    // Of three the middle one: the machine may have stood still for a moment.
    const middle = effectsMs.toSorted((a, b) => a - b)[1];
    assert.ok(middle !== undefined && middle < effectDeadlineMs, `after ${effectsMs.join(', ')} ms`);
    assert.ok(Math.max(...effectsMs) < 5 * effectDeadlineMs, `after ${effectsMs.join(', ')} ms`);
  });

  const broken: [why: string, text: () => string, says: RegExp][] = [
    ['a weight that is no number', () => weights(0, 100).replace('weight: 100', 'weight: all'), /weight/],
    ['a field that there is not', () => weights(100, 0).replace('retryOn:', 'retryWhen:'), /retryWhen/],
    ['a text that is not YAML', () => weights(100, 0).replace('hosts:', 'hosts: ['), /YAML/],
    ['a kind that would close something', () => `${weights(100, 0)}---${policy}`, /AuthorizationPolicy/],
  ];
  for (const [why, text, says] of broken) {
    test(`${why} is reported with its line, and the last good configuration stays`, async () => {
      const said = mesh.output().length;
      const api = apiClient(mesh.state().apiUrl);
      const { loadedAt } = await api.config();
      writeFileSync(traffic, text());
      await eventually(() => {
        const output = mesh.output().slice(said);
        assert.match(output, /last good version of what is broken stays in force/);
        const line = output.split('\n').find((one) => one.includes(`${traffic}:`)) ?? '';
        assert.match(line, /traffic\.yaml:\d+:\d+/);
        assert.match(output, says);
      });
      await eventually(async () => {
        const { problems } = await api.config();
        assert.ok(problems.some(({ level, at }) => level === 'error' && at?.file === traffic));
      });
      const seenMs = performance.now();
      assert.deepEqual(await answersSince(seenMs), ['v2']);
      assert.equal((await api.config()).loadedAt, loadedAt);
      noneFailed();
    });
  }

  test('what was put right takes effect', async () => {
    const editedMs = performance.now();
    writeFileSync(traffic, weights(100, 0));
    assert.deepEqual(await answersSince(editedMs + effectDeadlineMs), ['v1']);
    assert.deepEqual((await apiClient(mesh.state().apiUrl).config()).problems.filter(isError), []);
    noneFailed();
  });

  const processes: [why: string, text: string, instances: readonly string[]][] = [
    ['one instance more', catalogAsIs.replace('replicas: 2', 'replicas: 3'), ['1', '2', '3']],
    ['two instances fewer', catalogAsIs.replace('replicas: 2', 'replicas: 1'), ['1']],
    [
      'another environment: a new instance before the old one goes',
      catalogAsIs.replace('replicas: 2', 'replicas: 1').replace('value: v1', 'value: v1a'),
      ['4'],
    ],
  ];
  for (const [why, text, instances] of processes) {
    test(why, async () => {
      writeFileSync(catalog, text);
      const wanted = instances.map((number) => `catalog-v1-${number}`);
      await eventually(
        () => {
          const found = mesh.instancesOf('catalog-v1');
          assert.deepEqual(
            found.map(({ name, ready }) => [name, ready]),
            wanted.map((name) => [name, true]),
          );
        },
        { timeoutMs: 30_000 },
      );
      const seenMs = performance.now();
      await eventually(() => {
        const later = books.answers.filter(({ sentMs }) => sentMs > seenMs);
        assert.ok(later.length >= manyAnswers);
        const answering = new Set(
          later.map(({ body }) => (JSON.parse(body) as { instance: string }).instance),
        );
        assert.deepEqual([...answering].sort(), wanted);
      });
      noneFailed();
    });
  }
});

function versionOf({ body }: { readonly body: string }): string {
  return (JSON.parse(body) as { version: string }).version;
}

function isError({ level }: { readonly level: string }): boolean {
  return level === 'error';
}
