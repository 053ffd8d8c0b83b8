/** What one change costs on the wire, for one proxy in a mesh of a thousand services. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type KeptDocuments, loadDocuments, type SourceText } from '#model/load.ts';
import { silentLogger } from '#observe/log.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { createDeltaServerStream } from '#xds/server/delta.ts';
import { emptySnapshot } from '#xds/snapshot.ts';
import { addressOf, manifestOf, placeOf, podName, podOf } from '../../../test/support/large-mesh.ts';
import { MeshStore } from '../store/mesh-store.ts';
import { proxyNode } from '../translate/node.ts';
import { responseEncoder } from './encode-response.ts';
import { MeshConfiguration } from './mesh-configuration.ts';

const SERVICES = 1000;
const MOST_BYTES = 8 * 1024;
const asked: readonly ResourceKind[] = ['cluster', 'endpoint', 'listener', 'route', 'virtualHost'];

interface Connected {
  /** How many virtual hosts it has been told of. */
  readonly hosts: number;
  /** Bytes that `texts` cost, all kinds together. */
  change(texts: readonly SourceText[], kept: KeptDocuments): number;
}

/** Acknowledges everything it is sent, and asks for all that is pointed to. */
function connected(configuration: MeshConfiguration, store: MeshStore): Connected {
  const { namespace } = placeOf(0);
  const id = `sidecar~${addressOf(0, 0)}~${podName(0, 0)}.${namespace}~${namespace}.svc.cluster.local`;
  const rawNode = create(NodeSchema, {
    id,
    userAgentName: 'heddle',
    metadata: { NAMESPACE: namespace, INTERCEPTION_MODE: 'REDIRECT' },
  });
  const parsed = proxyNode(rawNode);
  assert.ok(parsed.ok);
  const node = { ...parsed.value, byDelta: true };
  const encoder = responseEncoder('control');
  let snapshot = configuration.snapshot(node, emptySnapshot);
  const stream = createDeltaServerStream({ nowMs: () => 0, snapshot });
  const take = (responses: readonly DeltaDiscoveryResponse[]): number => {
    let bytes = 0;
    for (const response of responses) {
      bytes += encoder.delta(response).length;
      const { typeUrl, nonce: responseNonce } = response;
      bytes += take(stream.onRequest(create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce })));
    }
    return bytes;
  };
  for (const kind of asked) {
    const { typeUrl } = resourceTypes[kind];
    const names = kind === 'endpoint' || kind === 'route' ? [...snapshot[kind].keys()] : ['*'];
    const request = { node: rawNode, typeUrl, resourceNamesSubscribe: names };
    take(stream.onRequest(create(DeltaDiscoveryRequestSchema, request)));
  }
  return {
    get hosts(): number {
      return snapshot.virtualHost.size;
    },
    change(texts, kept): number {
      store.update('files', loadDocuments(texts, { kept, withoutAnalysis: true }));
      configuration.refresh();
      snapshot = configuration.snapshot(node, snapshot);
      return take(stream.onSnapshot(snapshot));
    },
  };
}

test('a VirtualService that changed, and an instance that moved, cost a proxy no more than 8 KiB in a mesh of 1,000 services', () => {
  const texts = Array.from({ length: SERVICES }, (_, at): SourceText[] => [
    { file: `service-${at}.yaml`, text: manifestOf(at) },
    { file: `pod-${at}.json`, text: JSON.stringify(podOf(at, 0)) },
  ]).flat();
  const kept: KeptDocuments = new WeakMap();
  const store = new MeshStore();
  store.update('files', loadDocuments(texts, { kept, withoutAnalysis: true }));
  assert.deepEqual(store.problems, []);

  const configuration = new MeshConfiguration({
    store,
    trustDomain: 'cluster.local',
    log: silentLogger,
    nowMs: () => 0,
  });
  configuration.refresh();
  const proxy = connected(configuration, store);
  assert.equal(proxy.hosts, SERVICES);

  texts[2 * 500] = { file: 'service-500.yaml', text: manifestOf(500, 'other') };
  const routes = proxy.change(texts, kept);
  assert.ok(routes > 0 && routes <= MOST_BYTES, `a VirtualService costs ${routes} bytes`);

  texts[2 * 700 + 1] = { file: 'pod-700.json', text: JSON.stringify(podOf(700, 0, '10.250.0.1')) };
  const endpoints = proxy.change(texts, kept);
  assert.ok(endpoints > 0 && endpoints <= MOST_BYTES, `an instance costs ${endpoints} bytes`);
});
