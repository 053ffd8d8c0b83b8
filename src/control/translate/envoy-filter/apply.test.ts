/** Whose resources are copied, and what is said of values. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from '#model/load.ts';
import { type Node, NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { indexResources, type ResourceIndex } from '../../store/resource-index.ts';
import { proxyNode } from '../node.ts';
import { buildSnapshot, type ProxySnapshot } from '../snapshot.ts';
import { checkPatchValues } from './value.ts';

const services = `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: 10.96.1.1, selector: {app: a}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {clusterIP: 10.96.1.2, selector: {app: b}, ports: [{name: http, port: 80}]}
---
`;

function load(text: string): ReturnType<typeof loadDocuments> {
  return loadDocuments([{ file: 'x.yaml', text }], { lookInto: checkPatchValues });
}

function snapshotOf(index: ResourceIndex, name: string, app: string): ProxySnapshot {
  const node: Node = create(NodeSchema, {
    id: `sidecar~127.9.1.1~${name}.default~default.svc.cluster.local`,
    userAgentName: 'envoy',
    metadata: { INTERCEPTION_MODE: 'REDIRECT', LABELS: { app } },
  });
  const parsed = proxyNode(node);
  assert.ok(parsed.ok);
  return buildSnapshot(index, parsed.value);
}

const filter = (spec: string): string =>
  `{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: x}, spec: ${spec}}`;

describe('sharing', () => {
  const { resources } = load(
    services +
      filter(
        '{workloadSelector: {labels: {app: a}}, configPatches: [{applyTo: CLUSTER, match: {cluster: {service: a.default.svc.cluster.local}}, patch: {operation: MERGE, value: {connect_timeout: 1s}}}]}',
      ),
  );
  const index = indexResources(resources);
  const [one, two, other] = [
    snapshotOf(index, 'a-0', 'a'),
    snapshotOf(index, 'a-1', 'a'),
    snapshotOf(index, 'b-0', 'b'),
  ];
  const cluster = ({ clusters }: ProxySnapshot, host: string): unknown =>
    clusters.find(({ name }) => name === `outbound|80||${host}.default.svc.cluster.local`);

  test('proxies with the same patches share what is patched', () => {
    assert.ok(cluster(one, 'a') !== undefined);
    assert.equal(cluster(one, 'a'), cluster(two, 'a'));
  });
  test('others keep what was made', () => {
    assert.notEqual(cluster(one, 'a'), cluster(other, 'a'));
    assert.equal(other.patches, undefined);
  });
  test('what no patch means is shared by all', () => {
    assert.equal(cluster(one, 'b'), cluster(other, 'b'));
  });
});

describe('values of patches', () => {
  const patch = (applyTo: string, value: string): string =>
    filter(`{configPatches: [{applyTo: ${applyTo}, patch: {operation: ADD, value: ${value}}}]}`);
  const cases: [document: string, expected: RegExp][] = [
    [
      patch('CLUSTER', '{conect_timeout: 1s}'),
      /^x\.yaml:1:\d+: error: EnvoyFilter default\/x: spec\.configPatches\[0\]\.patch\.value\.conect_timeout: .*did you mean "connect_timeout"\?/,
    ],
    [patch('CLUSTER', '{connect_timeout: soon}'), /value\.connect_timeout: expected a duration/],
    [patch('CLUSTER', '{lb_policy: RANDUM}'), /did you mean RANDOM\?/],
    [patch('HTTP_FILTER', '{name: x, typed_config: {}}'), /typed_config/],
    [
      patch(
        'HTTP_FILTER',
        '{name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}',
      ),
      /lua\.v3\.Lua" is not supported yet, and without it the mesh would be less strict.*--allow-unsupported/,
    ],
  ];
  for (const [document, expected] of cases) {
    test(document, () => {
      const { problems, resources } = load(document);
      assert.deepEqual(resources, []);
      assert.match(problems.map(formatProblem).join('\n'), expected);
    });
  }
});
