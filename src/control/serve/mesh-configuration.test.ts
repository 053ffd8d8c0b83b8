/** What proxies keep when patches would make something invalid, and what is said of patches that mean nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from '#model/load.ts';
import { silentLogger } from '#observe/log.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { emptySnapshot, type Snapshot } from '#xds/snapshot.ts';
import { MeshStore } from '../store/mesh-store.ts';
import { checkPatchValues } from '../translate/envoy-filter/value.ts';
import { proxyNode } from '../translate/node.ts';
import { MeshConfiguration } from './mesh-configuration.ts';

const cluster = 'outbound|80||a.default.svc.cluster.local';
const documents = (timeout: string, host = 'a.default.svc.cluster.local'): string => `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: 10.96.1.1, selector: {app: a}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: x}
spec:
  configPatches:
    - applyTo: CLUSTER
      match: {cluster: {service: ${host}}}
      patch: {operation: MERGE, value: {connect_timeout: ${timeout}}}
    - applyTo: CLUSTER
      match: {proxy: {proxyVersion: "^never$"}}
      patch: {operation: REMOVE}
`;

function configuration(): {
  write(text: string): void;
  snapshot(previous?: Snapshot): Snapshot;
  told(): string;
} {
  const store = new MeshStore();
  const made = new MeshConfiguration({
    store,
    trustDomain: 'cluster.local',
    log: silentLogger,
    nowMs: () => 0,
  });
  const parsed = proxyNode(
    create(NodeSchema, {
      id: 'sidecar~127.9.1.1~b-0.default~default.svc.cluster.local',
      userAgentName: 'envoy',
      metadata: { INTERCEPTION_MODE: 'REDIRECT', WORKLOAD_NAME: 'b' },
    }),
  );
  assert.ok(parsed.ok);
  return {
    write(text): void {
      store.update('files', loadDocuments([{ file: 'x.yaml', text }], { lookInto: checkPatchValues }));
      made.refresh();
    },
    snapshot: (previous = emptySnapshot) => made.snapshot(parsed.value, previous),
    told: () => made.problems().map(formatProblem).join('\n'),
  };
}

describe('a patch that makes a cluster invalid', () => {
  test('leaves a proxy the version that it has', () => {
    const { write, snapshot, told } = configuration();
    write(documents('1s'));
    const good = snapshot();
    write(documents('0s'));
    const kept = snapshot(good);
    assert.ok(good.cluster.has(cluster));
    assert.equal(kept.cluster.get(cluster), good.cluster.get(cluster));
    assert.match(told(), /configPatches\[0\]: the cluster .* stays as it was: its connect_timeout/);
    write(documents('2s'));
    const next = snapshot(kept);
    assert.notEqual(next.cluster.get(cluster)?.version, good.cluster.get(cluster)?.version);
  });

  test('gives one that has none nothing, and all else', () => {
    const { write, snapshot } = configuration();
    write(documents('0s'));
    const { cluster: clusters } = snapshot();
    assert.equal(clusters.has(cluster), false);
    assert.ok(clusters.has('PassthroughCluster'));
  });
});

test('patches that no proxy has a use for are told of', () => {
  const { write, snapshot, told } = configuration();
  write(documents('1s', 'nobody.example.com'));
  assert.equal(told(), '');
  snapshot();
  assert.match(
    told(),
    /^x\.yaml:12:7: info: EnvoyFilter default\/x: spec\.configPatches\[0\]: nothing is patched/m,
  );
  assert.match(told(), /configPatches\[1\]: nothing is patched/);
});
