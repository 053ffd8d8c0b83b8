/** gRPC's own xDS client accepts what the translation makes for it, by the code that would refuse it. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, test } from 'node:test';
import { type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { resourceTypes } from '#xds/resource-type.ts';
import { readCase, snapshotOfCase } from '../support/golden-case.ts';

interface Decoded {
  readonly error?: string;
  readonly value?: {
    readonly securityUpdate?: { readonly subjectAltNameMatchers: readonly unknown[] };
  };
}

interface ResourceType {
  decode(context: object, resource: { readonly type_url: string; readonly value: Buffer }): Decoded;
}

const require = createRequire(import.meta.url);
const library = path.dirname(require.resolve('@grpc/grpc-js-xds'));
require(library).register();

function resourceType(file: string, name: string): ResourceType {
  return require(path.join(library, 'xds-resource-type', file))[name].get();
}

const types = {
  listener: resourceType('listener-resource-type.js', 'ListenerResourceType'),
  route: resourceType('route-config-resource-type.js', 'RouteConfigurationResourceType'),
  cluster: resourceType('cluster-resource-type.js', 'ClusterResourceType'),
  endpoint: resourceType('endpoint-resource-type.js', 'EndpointResourceType'),
};

/** As after a bootstrap with the certificate provider that `heddle bootstrap --for grpc` writes. */
const context = { server: { serverFeatures: [] }, bootstrap: { certificateProviders: { default: {} } } };

function decode(kind: keyof typeof types, message: Message): Decoded {
  const { schema, typeUrl }: { schema: DescMessage; typeUrl: string } = resourceTypes[kind];
  return types[kind].decode(context, { type_url: typeUrl, value: Buffer.from(toBinary(schema, message)) });
}

describe('grpc-js-xds', () => {
  for (const file of globSync(
    path.join(import.meta.dirname, '../../src/control/translate/testdata/*.yaml'),
  )) {
    test(path.basename(file, '.yaml'), (t) => {
      const golden = readCase(readFileSync(file, 'utf8'), file);
      if (golden.node.id.startsWith('router')) return t.skip('made for a gateway');
      const metadata = { ...golden.node.metadata, GENERATOR: 'grpc' };
      const snapshot = snapshotOfCase({ ...golden, node: { ...golden.node, metadata } });
      for (const listener of snapshot.listeners) assert.equal(decode('listener', listener).error, undefined);
      for (const route of snapshot.routes) assert.equal(decode('route', route).error, undefined);
      for (const endpoint of snapshot.endpoints) assert.equal(decode('endpoint', endpoint).error, undefined);
      for (const cluster of snapshot.clusters) {
        const { error, value } = decode('cluster', cluster);
        assert.equal(error, undefined);
        // An empty list would let any identity of the mesh answer.
        if (value?.securityUpdate !== undefined)
          assert.ok(value.securityUpdate.subjectAltNameMatchers.length > 0);
      }
    });
  }
});
