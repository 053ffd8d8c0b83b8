/** A real Envoy accepts what the translation makes: every golden case, as static resources of a bootstrap. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { JsonObject } from '@bufbuild/protobuf';
import type { ProxySnapshot } from '#control/translate/snapshot.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { TestRoot } from '../support/certificates.ts';
import { json, readCase, snapshotOfCase } from '../support/golden-case.ts';
import { requirePeer } from '../support/peer.ts';
import { staticListeners } from '../support/static-bootstrap.ts';
import { tempDir } from '../support/temp-dir.ts';

const cases = globSync(path.join(import.meta.dirname, '../../src/control/translate/testdata/*.yaml'));

describe('envoy --mode validate', () => {
  for (const file of cases) {
    test(path.basename(file, '.yaml'), async (t) => {
      const envoy = requirePeer(t, 'envoy');
      if (envoy === undefined) return;
      const golden = readCase(readFileSync(file, 'utf8'), file);
      if (golden.node.metadata.GENERATOR === 'grpc') return t.skip('made for gRPC clients');
      const snapshot = snapshotOfCase({ ...golden, node: { ...golden.node, userAgentName: 'envoy' } });
      const held = snapshot.patches?.held ?? [];
      if (held.length > 0) return t.skip('what listeners refer to is held back');
      const folder = tempDir(t);
      const bootstrap = path.join(folder, 'bootstrap.json');
      writeFileSync(bootstrap, await withFiles(JSON.stringify(bootstrapOf(snapshot)), folder));
      const args = ['--mode', 'validate', '-c', bootstrap, '-l', 'error'];
      const { stdout } = await promisify(execFile)(envoy, args);
      assert.match(stdout, /OK/);
    });
  }
});

/** Files that cases name have to be there: those of certificates, and one to write to that is no socket. */
async function withFiles(bootstrap: string, folder: string): Promise<string> {
  const root = await TestRoot.create('files of cases');
  const { cert, key } = await root.issue({ dns: ['a.example.com'] });
  const files = { chain: cert, key, roots: root.pem, crl: await root.revocationList([]) };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, `${name}.pem`), text);
  return bootstrap
    .replaceAll(/"\/etc\/(\w+\.pem)"/g, (_, name: string) => JSON.stringify(path.join(folder, name)))
    .replaceAll('"/dev/stdout"', JSON.stringify(path.join(folder, 'access.log')));
}

function bootstrapOf(snapshot: ProxySnapshot): JsonObject {
  return {
    node: { id: 'test', cluster: 'test' },
    bootstrapExtensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typedConfig: {
          '@type': 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
        },
      },
    ],
    dynamicResources: {
      adsConfig: {
        apiType: 'GRPC',
        transportApiVersion: 'V3',
        grpcServices: [{ envoyGrpc: { clusterName: 'xds-grpc' } }],
      },
    },
    staticResources: {
      clusters: [
        ...['xds-grpc', 'sds-grpc'].map(grpcCluster),
        ...snapshot.clusters.map((one) => json(ClusterSchema, one)),
      ],
      listeners: staticListeners(snapshot),
    },
  };
}

function grpcCluster(name: string): JsonObject {
  const http2 = { explicitHttpConfig: { http2ProtocolOptions: {} } };
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    name,
    type: 'STATIC',
    typedExtensionProtocolOptions: { [type]: { '@type': `type.googleapis.com/${type}`, ...http2 } },
  };
}
