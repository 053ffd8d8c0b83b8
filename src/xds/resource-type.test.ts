import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType, ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { packAny, unpackAny } from './registry.ts';
import {
  decodeResource,
  kindOfTypeUrl,
  resourceKinds,
  resourceTypes,
  serviceOfTypeUrl,
} from './resource-type.ts';
import { resource } from './server/fixture.ts';

const clusterUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

test('kinds and type URLs name each other', () => {
  for (const kind of resourceKinds) assert.equal(kindOfTypeUrl(resourceTypes[kind].typeUrl), kind);
  assert.equal(resourceTypes.cluster.typeUrl, clusterUrl);
  assert.equal(serviceOfTypeUrl(clusterUrl), 'CDS');
  assert.equal(serviceOfTypeUrl('a/b'), 'a/b');
});

describe('decodeResource', () => {
  const cases: [typeUrl: string, bytes: number[], detail: RegExp, why: string][] = [
    [
      'type.googleapis.com/a.B',
      [],
      /^type "type.googleapis.com\/a.B" came where .*Cluster was expected$/,
      'another type',
    ],
    [clusterUrl, [0x0a, 0x7f], /^not a valid envoy.config.cluster.v3.Cluster: /, 'cut off'],
  ];
  for (const [typeUrl, bytes, detail, why] of cases) {
    test(`refuses ${typeUrl} ${bytes} (${why})`, () => {
      const decoded = decodeResource(
        'cluster',
        create(AnySchema, { typeUrl, value: Uint8Array.from(bytes) }),
      );
      assert.ok(!decoded.ok);
      assert.match(decoded.detail, detail);
    });
  }

  test('takes what was encoded, of every kind but secrets', () => {
    for (const letter of ['c', 'e', 'l', 'r']) {
      const { kind, any } = resource(`${letter}:name`);
      const decoded = decodeResource(kind, any);
      assert.equal(decoded.ok && decoded.name, 'name');
    }
  });

  test('refuses nothing at all', () => assert.equal(decodeResource('cluster', undefined).ok, false));
});

describe('the endpoints a cluster waits for', () => {
  const cases: [type: Cluster_DiscoveryType, serviceName: string, names: string[], why: string][] = [
    [Cluster_DiscoveryType.EDS, '', ['c'], 'its own name'],
    [Cluster_DiscoveryType.EDS, 's', ['s'], 'another name for them'],
    [Cluster_DiscoveryType.STATIC, 's', [], 'it brings its own'],
  ];
  for (const [value, serviceName, names, why] of cases) {
    test(`${Cluster_DiscoveryType[value]} "${serviceName}": [${names}] (${why})`, () => {
      const cluster = create(ClusterSchema, {
        name: 'c',
        clusterDiscoveryType: { case: 'type', value },
        edsClusterConfig: { serviceName },
      });
      assert.deepEqual(resourceTypes.cluster.endpointsOf(cluster), names);
    });
  }
});

describe('unpackAny', () => {
  test('gives back what packAny took', () => {
    const unpacked = unpackAny(packAny(ClusterSchema, create(ClusterSchema, { name: 'c' })));
    assert.ok(unpacked.ok);
    assert.equal(unpacked.schema, ClusterSchema);
  });
  test('says why it cannot', () => {
    const unknown = unpackAny(create(AnySchema, { typeUrl: 'x/a.B' }));
    assert.deepEqual(unknown, { ok: false, reason: 'unknown-type', detail: 'type "x/a.B" is not known' });
    const malformed = unpackAny(create(AnySchema, { typeUrl: clusterUrl, value: Uint8Array.of(0x0a, 0x7f) }));
    assert.equal(!malformed.ok && malformed.reason, 'malformed');
  });
});
