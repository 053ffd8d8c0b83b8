/** examples/traffic: each of its files does what it says, in one mesh, one after the other. */
import assert from 'node:assert/strict';
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

const examples = resolve(import.meta.dirname, '../../examples/traffic');
const folder = mkdtempSync(join(tmpdir(), 'heddle-traffic-'));
const tried = new Set(['mesh.yaml']);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Said {
  readonly name: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const said = ({ text }: Pick<Answer, 'text'>): Said => JSON.parse(text) as Said;

describe('examples/traffic', () => {
  let mesh: RunningMesh;
  before(async () => {
    for (const file of ['mesh.yaml', 'app.mjs']) copyFileSync(join(examples, file), join(folder, file));
    mesh = await startMesh([folder]);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  const ask = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    new Promise((done, failed) => {
      const request = get(`${mesh.ingressUrl}${path}`, { headers }, (response) => {
        const { statusCode: status = 0, headers } = response;
        text(response).then((text) => done({ status, headers, text }), failed);
      });
      request.on('error', failed);
    });

  /** What the front gets when it calls. */
  async function call(to: string, user = 'somebody'): Promise<Pick<Answer, 'status' | 'text'>> {
    const answer = await ask(`/call?${new URLSearchParams({ to })}`, { 'end-user': user });
    assert.equal(answer.status, 200);
    return JSON.parse(answer.text) as Pick<Answer, 'status' | 'text'>;
  }

  /** Who answers the front. */
  async function reviewer(user?: string): Promise<string> {
    const answer = await call('http://reviews/', user);
    assert.equal(answer.status, 200, answer.text);
    return said(answer).name;
  }

  async function reviewers(count: number): Promise<readonly string[]> {
    const names: string[] = [];
    for (let i = 0; i < count; i++) names.push(await reviewer());
    return names;
  }

  function shows(file: string, effect: () => Promise<void>): void {
    tried.add(file);
    test(`${file}: ${readFileSync(join(examples, file), 'utf8').split('\n', 1)[0]?.slice(2)}`, async () => {
      const place = join(folder, file);
      copyFileSync(join(examples, file), place);
      try {
        await effect();
      } finally {
        rmSync(place);
      }
    });
  }

  test('without any of them both versions answer', async () => {
    await eventually(async () => assert.equal(new Set(await reviewers(20)).size, 2));
  });

  shows('by-header.yaml', async () => {
    await eventually(async () => assert.deepEqual(new Set(await reviewers(20)), new Set(['reviews-v1'])));
    assert.equal(await reviewer('tester'), 'reviews-v2');
  });

  shows('canary.yaml', async () => {
    await eventually(async () => {
      const versions = new Set<string>();
      for (let i = 0; i < 40; i++) {
        const version = await reviewer(`user-${i}`);
        versions.add(version);
        assert.equal(await reviewer(`user-${i}`), version);
      }
      assert.equal(versions.size, 2);
    });
  });

  shows('faults.yaml', async () => {
    await eventually(async () => assert.equal((await call('http://reviews/', 'unlucky')).status, 500));
    const before = performance.now();
    await reviewer('patient');
    assert.ok(performance.now() - before >= 190);
    await reviewer();
  });

  shows('mirror.yaml', async () => {
    const [newer] = mesh.instancesOf('reviews-v2');
    assert.ok(newer);
    const copies = async (): Promise<number> =>
      (await mesh.metricsOf(newer))
        .filter(({ name, labels }) => name === 'istio_requests_total' && labels.reporter === 'destination')
        .reduce((sum, { value }) => sum + value, 0);
    await eventually(async () => assert.deepEqual(new Set(await reviewers(20)), new Set(['reviews-v1'])));
    const before = await copies();
    await reviewers(5);
    await eventually(async () => assert.ok((await copies()) >= before + 5));
  });

  shows('retries.yaml', async () => {
    await eventually(async () => assert.equal((await call('http://reviews/slow')).status, 504));
    for (let i = 0; i < 6; i++) assert.equal((await call('http://reviews/flaky')).status, 200);
  });

  shows('tcp.yaml', async () => {
    const dialled = async (): Promise<string> =>
      (JSON.parse((await ask('/dial')).text) as { readonly text: string }).text;
    await eventually(async () => {
      for (let i = 0; i < 10; i++) assert.equal(await dialled(), 'reviews-v2');
    });
  });

  shows('egress.yaml', async () => {
    await eventually(async () => {
      const answer = await call('http://partner.example.com/');
      assert.equal(answer.status, 200, answer.text);
      const { name, headers } = said(answer);
      assert.equal(name, 'partner');
      assert.equal(headers['x-customer'], 'bookshop');
    });
  });

  shows('edge.yaml', async () => {
    const host = { host: 'shop.example.com' };
    await eventually(async () => assert.equal((await ask('/robots.txt', host)).text, 'User-agent: *'));
    const moved = await ask('/old', host);
    assert.equal(moved.status, 301);
    assert.equal(moved.headers.location, 'http://shop.example.com/new');
    const origin = 'https://partner.example.com';
    const rewritten = await ask('/api/latest', { ...host, origin, 'x-secret': 'x' });
    const { path, headers } = said(rewritten);
    assert.equal(path, '/latest');
    assert.equal(headers['x-from'], 'edge');
    assert.equal(headers['x-secret'], undefined);
    assert.equal(rewritten.headers['x-served-by'], 'shop');
    assert.equal(rewritten.headers['access-control-allow-origin'], origin);
    const foreign = await ask('/api/latest', { ...host, origin: 'https://example.org' });
    assert.equal(foreign.headers['access-control-allow-origin'], undefined);
  });

  shows('delegates.yaml', async () => {
    const nameOf = async (path: string): Promise<string> =>
      said(await ask(path, { host: 'shop.example.com' })).name;
    await eventually(async () => assert.equal(await nameOf('/reviews/beta'), 'reviews-v2'));
    assert.equal(await nameOf('/reviews'), 'reviews-v1');
    assert.equal(await nameOf('/'), 'front');
  });

  shows('locality.yaml', async () => {
    await eventually(async () => assert.deepEqual(new Set(await reviewers(20)), new Set(['reviews-v1'])));
    await call('http://reviews/fail');
    await call('http://reviews/fail');
    await eventually(async () => assert.equal(await reviewer(), 'reviews-v2'));
  });

  test('there is no file that is not tried', () => {
    assert.deepEqual(new Set(globSync('*.yaml', { cwd: examples })), tried);
  });
});
