/** All that configures a proxy, on a given transport, in front of a data path that only takes notes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { Configuration } from '#proxy/apply/configuration.ts';
import { createDiscovery } from '#proxy/apply/discovery.ts';
import { type AdoptNames, createReceiver } from '#proxy/apply/receive.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import { UnknownFieldsSeen } from '#proxy/apply/unknown-fields-seen.ts';
import type { SecretStore } from '#proxy/contract.ts';
import { adsSource, type ResourceSource } from '#proxy/resource-source.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Transport } from '#xds/transport.ts';
import { type FakeDataPath, fakeDataPath } from './fake-data-path.ts';

export interface ConfiguredProxy {
  readonly dataPath: FakeDataPath;
  readonly configuration: Configuration;
  readonly secrets: SecretStore;
  readonly metrics: Metrics;
  complete(): boolean;
}

export interface ConfiguredProxyOptions {
  /** Absent: there is no management server. */
  readonly transport?: Transport;
  /** To every SDS cluster but `sds-grpc`. */
  readonly secretTransport?: Transport;
  readonly listeners?: ResourceSource;
  readonly clusters?: ResourceSource;
  readonly protocol?: 'sotw' | 'delta';
  readonly nodeId?: string;
  readonly initialFetchTimeoutMs?: number;
  /** Absent: no names of DNS are asked for. */
  readonly adoptNames?: AdoptNames | undefined;
}

/** Secrets of cluster `sds-grpc` are the test's to put into `secrets`. */
export function configuredProxy(
  t: Pick<TestContext, 'after'>,
  options: ConfiguredProxyOptions,
): ConfiguredProxy {
  const {
    transport,
    protocol = 'delta',
    listeners = adsSource,
    clusters = adsSource,
    nodeId = 'test',
    initialFetchTimeoutMs = 60_000,
    adoptNames,
  } = options;
  const dataPath = fakeDataPath();
  const secrets = createSecretStore();
  const metrics = new Metrics();
  const log = silentLogger;
  const configuration = new Configuration({
    dataPath,
    secrets,
    log,
    initialFetchTimeoutMs,
    installFailed: () => {},
  });
  const server = metrics.scope({ path: 'server', family: 'server', labels: {} });
  const counts = { asked() {}, answered() {}, forget() {} };
  const receive = createReceiver({
    configuration,
    secrets,
    reader: { readFile: (path) => readFileSync(path), environment: () => undefined },
    unknownFields: 'warn',
    unknownFieldsSeen: new UnknownFieldsSeen(server.counter('dynamic_unknown_fields')),
    counts,
    adoptNames,
    log,
  });
  const discovery = createDiscovery({
    awaitsRuntime: false,
    names: adoptNames !== undefined,
    configuration,
    receive,
    counts,
    node: create(NodeSchema, { id: nodeId }),
    ads: transport && { protocol, services: [{ cluster: 'xds', initialMetadata: [] }] },
    listeners,
    clusters,
    ownSecrets: new Set(['sds-grpc']),
    initialFetchTimeoutMs,
    needsConfiguration: true,
    onProgress: () => {},
    log,
    metrics,
    random: () => 0,
    transportTo: (cluster) =>
      (cluster === 'xds' ? transport : options.secretTransport) ??
      assert.fail('nothing is asked of a management server'),
  });
  t.after(() => {
    discovery.close();
    configuration.close();
  });
  discovery.start();
  return { dataPath, configuration, secrets, metrics, complete: () => discovery.complete() };
}
