/** Connections of a TCP service are counted by the sidecars of both ends, with labels that agree. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { type Sample, sumOf } from '../support/prometheus-text.ts';

const connections = 20;
/** What the caller asks by each connection, and what stock answers. */
const question = 'GET 5\n';
const answer = '25\n';

const families = [
  'istio_tcp_connections_opened_total',
  'istio_tcp_connections_closed_total',
  'istio_tcp_sent_bytes_total',
  'istio_tcp_received_bytes_total',
] as const;

const caller = 'spiffe://cluster.local/ns/default/sa/caller';
const stock = 'spiffe://cluster.local/ns/default/sa/stock';

/** What both sides know: one by the endpoint it chose, the other as itself; principals by the certificates. */
const common = {
  source_workload_namespace: 'default',
  source_principal: caller,
  destination_workload: 'stock-v1',
  destination_workload_namespace: 'default',
  destination_canonical_service: 'stock',
  destination_canonical_revision: 'v1',
  destination_app: 'stock',
  destination_version: 'v1',
  destination_cluster: 'Kubernetes',
  destination_principal: stock,
  destination_service: 'stock.default.svc.cluster.local',
  destination_service_name: 'stock',
  destination_service_namespace: 'default',
  request_protocol: 'tcp',
  response_flags: '-',
  connection_security_policy: 'mutual_tls',
};

const bySource = {
  ...common,
  reporter: 'source',
  source_workload: 'caller-v1',
  source_canonical_service: 'caller',
  source_canonical_revision: 'v1',
  source_app: 'caller',
  source_version: 'v1',
  source_cluster: 'Kubernetes',
};

/** Bytes without HTTP carry no metadata: of the caller its certificate tells, and no more. */
const byDestination = {
  ...common,
  reporter: 'destination',
  source_workload: 'unknown',
  source_canonical_service: 'unknown',
  source_canonical_revision: 'unknown',
  source_app: 'unknown',
  source_version: 'unknown',
  source_cluster: 'unknown',
};

describe('metrics of a TCP service', () => {
  let mesh: RunningMesh;
  before(async () => {
    mesh = await startMesh([
      ...['heddle', 'namespace', 'stock'].map((name) => `examples/bookstore/${name}.yaml`),
      'test/apps/caller.yaml',
    ]);
  });
  after(() => mesh?.stop());

  const samplesOf = async (workload: string): Promise<Sample[]> => {
    const samples = await Promise.all(mesh.instancesOf(workload).map(mesh.metricsOf));
    return samples.flat().filter(({ name }) => name.startsWith('istio_tcp_'));
  };

  const ask = async (): Promise<string> => (await fetch(`${mesh.ingressUrl}/tcp`)).text();

  test('both ends count the same connections and bytes', async () => {
    for (let at = 0; at < connections; at++) assert.equal(await ask(), answer);
    await eventually(async () => {
      for (const [workload, labels] of [
        ['caller-v1', bySource],
        ['stock-v1', byDestination],
      ] as const) {
        const samples = await samplesOf(workload);
        const sums = families.map((family) => sumOf(samples, family, labels));
        const expected = [1, 1, answer.length, question.length].map((each) => each * connections);
        assert.deepEqual(sums, expected, workload);
      }
    });
  });

  test('no connection is counted under other labels', async () => {
    for (const [workload, labels] of [
      ['caller-v1', bySource],
      ['stock-v1', byDestination],
    ] as const) {
      const samples = await samplesOf(workload);
      assert.equal(samples.length, families.length, JSON.stringify(samples));
      for (const sample of samples) assert.deepEqual(sample.labels, labels);
    }
  });
});
