/** Connections of a TCP service are counted by the sidecars of both ends, with labels that agree. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bookstoreFiles } from '../support/bookstore.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { type Sample, sumOf } from '../support/prometheus-text.ts';

const connections = 20;
const question = 'GET 1\nGET 5\nGET 99\n';
const answer = '12\n25\n-\n';

const families = [
  'istio_tcp_connections_opened_total',
  'istio_tcp_connections_closed_total',
  'istio_tcp_sent_bytes_total',
  'istio_tcp_received_bytes_total',
] as const;

const storefront = 'spiffe://cluster.local/ns/default/sa/storefront';
const stock = 'spiffe://cluster.local/ns/default/sa/stock';

/** What both sides know: one by the endpoint it chose, the other as itself; principals by the certificates. */
const common = {
  source_workload_namespace: 'default',
  source_principal: storefront,
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
  source_workload: 'storefront-v1',
  source_canonical_service: 'storefront',
  source_canonical_revision: 'v1',
  source_app: 'storefront',
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
    mesh = await startMesh(bookstoreFiles('catalog', 'reviews', 'ratings', 'recommendations', 'traffic'));
  });
  after(() => mesh?.stop());

  const samplesOf = async (workload: string): Promise<Sample[]> => {
    const samples = await Promise.all(mesh.instancesOf(workload).map(mesh.metricsOf));
    return samples.flat().filter(({ name }) => name.startsWith('istio_tcp_'));
  };

  /** What stock answers to {@link question} at the place where the storefront's sidecar listens for it. */
  const ask = async (port: number): Promise<string> => {
    const [storefront] = mesh.instancesOf('storefront-v1');
    const socket = connect({ host: storefront?.meshAddress, port });
    socket.write(question);
    let said = '';
    for await (const chunk of socket) {
      said += String(chunk);
      if (said.length >= answer.length) break;
    }
    return said;
  };

  test('both ends count the same connections and bytes', async () => {
    const port = stockPort(mesh);
    for (let at = 0; at < connections; at++) assert.equal(await ask(port), answer);
    await eventually(async () => {
      for (const [workload, labels] of [
        ['storefront-v1', bySource],
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
      ['storefront-v1', bySource],
      ['stock-v1', byDestination],
    ] as const) {
      const samples = await samplesOf(workload);
      assert.equal(samples.length, families.length, JSON.stringify(samples));
      for (const sample of samples) assert.deepEqual(sample.labels, labels);
    }
  });
});

/** As the application is told by `STOCK_SERVICE_PORT`. */
function stockPort({ stateDirectory, instancesOf }: RunningMesh): number {
  const [instance] = instancesOf('storefront-v1');
  const folder = join(stateDirectory, 'pods');
  const file = readdirSync(folder).find((name) => name.includes(String(instance?.name)));
  const pod = JSON.parse(readFileSync(join(folder, String(file)), 'utf8')) as {
    metadata: { annotations: Record<string, string> };
  };
  const ports = JSON.parse(pod.metadata.annotations['heddle.dev/service-ports'] ?? '{}') as Record<
    string,
    number
  >;
  const port = ports['stock.default.svc.cluster.local:7379'];
  assert.ok(port, JSON.stringify(ports));
  return port;
}
