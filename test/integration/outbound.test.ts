/**
 * How an application reaches others without knowing of the mesh: by names, Kubernetes' variables and, where traffic is
 * not captured, proxy variables and CONNECT.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { captureMode } from '../support/capture-mode.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { sumOf } from '../support/prometheus-text.ts';

const connected: readonly [path: string, why: string][] = [
  ['/connect', 'through CONNECT'],
  ['/connect?host=catalog.default.svc.cluster.local:9080', 'through CONNECT, by the whole name'],
];

/** Where traffic is captured nobody is told of a proxy; the way out of the mesh is tested in `captured-traffic.test.ts`. */
const proxied = captureMode === 'never';

describe('calls of an application', () => {
  let mesh: RunningMesh;
  before(async () => {
    mesh = await startMesh([
      ...['heddle', 'namespace', 'catalog', 'stock'].map((name) => `examples/bookstore/${name}.yaml`),
      'test/apps/caller.yaml',
    ]);
  });
  after(() => mesh?.stop());

  const call = async (path: string): Promise<string> => {
    const response = await fetch(`${mesh.ingressUrl}${path}`);
    const body = await response.text();
    assert.equal(response.status, 200, body);
    return body;
  };

  const rows: [path: string, why: string][] = [
    ['/http', 'by the name of the service'],
    ['/http?host=catalog.default:9080', 'by name and namespace'],
    ['/http?host=catalog.default.svc.cluster.local:9080', 'by the whole name'],
    ['/http?host=catalog.default.svc.cluster.local.:9080', 'by the whole name with a dot at its end'],
    ...(proxied ? connected : []),
  ];
  for (const [path, why] of rows) {
    test(`HTTP ${why}: mutual TLS, counted by the other side`, async () => {
      const before = await catalogRequests(mesh);
      assert.match(await call(path), /^200 .*Middlemarch/);
      await eventually(async () => assert.equal((await catalogRequests(mesh)) - before, 1));
    });
  }

  test('TCP by the variables of Kubernetes', async () => {
    assert.equal(await call('/tcp'), '25\n');
  });

  test('a host that the mesh does not know', { skip: !proxied }, async () => {
    const seen = new Set<string>();
    const outside = http.createServer(({ headers }, response) => {
      for (const name of Object.keys(headers)) seen.add(name);
      response.end('from outside');
    });
    outside.listen(0, '127.0.0.1');
    await once(outside, 'listening');
    const { port } = outside.address() as AddressInfo;
    try {
      for (const host of [`localhost:${port}`, `127.0.0.1:${port}`]) {
        const url = encodeURIComponent(`http://${host}/`);
        assert.equal(await call(`/outside?url=${url}`), '200 from outside', host);
        assert.equal(await call(`/connect?host=${host}`), '200 from outside', `CONNECT ${host}`);
      }
      // Who the caller is in the mesh is nobody's business outside.
      assert.deepEqual(
        [...seen].filter((name) => name.startsWith('x-envoy-')),
        [],
      );
    } finally {
      outside.closeAllConnections();
      outside.close();
    }
  });
});

/** Requests over mutual TLS from the caller, as both instances of catalog have counted them. */
async function catalogRequests(mesh: RunningMesh): Promise<number> {
  const samples = await Promise.all(mesh.instancesOf('catalog-v1').map(mesh.metricsOf));
  return sumOf(samples.flat(), 'istio_requests_total', {
    reporter: 'destination',
    source_workload: 'caller-v1',
    connection_security_policy: 'mutual_tls',
  });
}
