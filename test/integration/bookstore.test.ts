/** The main job: the bookstore runs, its canary divides as written, and both sides count the same. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { type Sample, sumOf } from '../support/prometheus-text.ts';
import { tally } from '../support/tally.ts';

const requests = 1000;
/** Points around 80 and 20; three standard deviations of a thousand draws. */
const tolerancePoints = 4;

interface Part {
  readonly ok: boolean;
  readonly error?: string;
  readonly body: { readonly version?: string };
}

describe('bookstore', () => {
  let mesh: RunningMesh;
  before(async () => {
    mesh = await startMesh(['examples/bookstore']);
  });
  after(() => mesh?.stop());

  const reviewsVersion = async (headers: Record<string, string> = {}): Promise<string> => {
    const response = await fetch(`${mesh.ingressUrl}/api/reviews`, { headers });
    const body = (await response.json()) as { version: string };
    assert.equal(response.status, 200, JSON.stringify(body));
    return body.version;
  };

  test('the page is composed from all services', async () => {
    const response = await fetch(`${mesh.ingressUrl}/api/page`);
    assert.equal(response.status, 200);
    const page = (await response.json()) as Record<'catalog' | 'reviews' | 'recommendations' | 'stock', Part>;
    for (const name of ['catalog', 'reviews', 'recommendations', 'stock'] as const) {
      assert.ok(page[name].ok, `${name}: ${page[name].error}`);
    }
    const html = await (await fetch(mesh.ingressUrl)).text();
    assert.match(html, /<h2>Middlemarch<\/h2>/);
    assert.doesNotMatch(html, /did not answer/);
  });

  test('reviews divide 80 to 20, and both sides count every request', async () => {
    const before = await reviewsCounts(mesh);
    const versions = await tally(requests, () => reviewsVersion());
    assert.deepEqual([...versions.keys()].sort(), ['v1', 'v2']);
    const share = ((versions.get('v2') ?? 0) / requests) * 100;
    assert.ok(Math.abs(share - 20) <= tolerancePoints, `v2 got ${share} %`);
    await eventually(async () => {
      const now = await reviewsCounts(mesh);
      assert.equal(now.source - before.source, requests, 'reporter=source');
      assert.equal(now.destination - before.destination, requests, 'reporter=destination');
    });
  });

  test('testers always get v3', async () => {
    const versions = await tally(100, () => reviewsVersion({ 'x-tester': 'true' }));
    assert.deepEqual([...versions], [['v3', 100]]);
  });

  test('no label is unknown inside the mesh', async () => {
    await fetch(mesh.ingressUrl);
    const workloads = mesh.state().instances.filter(({ sidecar }) => sidecar === 'heddle');
    for (const instance of workloads) {
      for (const sample of await mesh.metricsOf(instance)) {
        if (sample.name === 'istio_requests_total')
          assert.deepEqual(unknownLabels(sample), [], instance.name);
      }
    }
  });
});

/** Requests to reviews, as its callers' and its own sidecars have counted them. */
async function reviewsCounts(mesh: RunningMesh): Promise<{ source: number; destination: number }> {
  const service = { destination_service_name: 'reviews' };
  const storefront = (await Promise.all(mesh.instancesOf('storefront-v1').map(mesh.metricsOf))).flat();
  const reviews = ['reviews-v1', 'reviews-v2', 'reviews-v3'].flatMap((workload) =>
    mesh.instancesOf(workload),
  );
  const answered = (await Promise.all(reviews.map(mesh.metricsOf))).flat();
  return {
    source: sumOf(storefront, 'istio_requests_total', {
      ...service,
      reporter: 'source',
      response_code: '200',
    }),
    destination: sumOf(answered, 'istio_requests_total', {
      ...service,
      reporter: 'destination',
      response_code: '200',
      connection_security_policy: 'mutual_tls',
    }),
  };
}

function unknownLabels({ labels }: Sample): string[] {
  return Object.entries(labels)
    .filter(([name, value]) => {
      // Only gRPC has one.
      if (name === 'grpc_response_status') return false;
      return value === 'unknown' || value === '';
    })
    .map(([name]) => name);
}
