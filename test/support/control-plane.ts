/** A control plane on real ports with a configuration that the test sets resource by resource. */

import type { TestContext } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { requestCertificate } from '#app/certificate-client.ts';
import { type ControlPlane, startControlPlane } from '#app/control-plane.ts';
import { createSigningRequest, generateKeyPair, privateKeyPem } from '#identity/signing-request.ts';
import { type ServiceAccountRef, workloadId } from '#identity/spiffe-id.ts';
import { silentLogger } from '#observe/log.ts';
import { Cluster_DiscoveryType, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { LbEndpointSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { createResourceEncoder, type EncodedResource, snapshotOf } from '#xds/snapshot.ts';

const encode = createResourceEncoder();

export const resources = {
  cluster: (name: string, statPrefix = ''): EncodedResource =>
    encode(
      'cluster',
      create(ClusterSchema, {
        name,
        altStatName: statPrefix,
        clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
        edsClusterConfig: { edsConfig: { configSourceSpecifier: { case: 'ads', value: {} } } },
      }),
    ),
  endpoint: (cluster: string, ...ports: number[]): EncodedResource =>
    encode(
      'endpoint',
      create(ClusterLoadAssignmentSchema, {
        clusterName: cluster,
        endpoints: [
          {
            lbEndpoints: ports.map((port) => create(LbEndpointSchema, lbEndpoint(port))),
          },
        ],
      }),
    ),
  listener: (name: string, statPrefix = ''): EncodedResource =>
    encode('listener', create(ListenerSchema, { name, statPrefix })),
  route: (name: string, ...hosts: string[]): EncodedResource =>
    encode(
      'route',
      create(RouteConfigurationSchema, {
        name,
        virtualHosts: hosts.map((host) => ({ name: host, domains: [host] })),
      }),
    ),
  secret: (name: string): EncodedResource => encode('secret', create(SecretSchema, { name })),
  names: (addresses: Readonly<Record<string, string[]>>): EncodedResource => {
    const entries = Object.entries(addresses).map(([name, ips]) => [name, { ips, namespace: 'default' }]);
    return encode('nameTable', create(NameTableSchema, { table: Object.fromEntries(entries) }));
  },
} as const;

function lbEndpoint(portValue: number): MessageInitShape<typeof LbEndpointSchema> {
  const value = { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: portValue } } as const;
  const address = { address: { case: 'socketAddress', value } } as const;
  return { hostIdentifier: { case: 'endpoint', value: { address } } };
}

export interface TestControlPlane extends ControlPlane {
  readonly plaintextAddress: string;
  readonly tlsAddress: string;
  readonly apiUrl: string;
  /** What every proxy should have from now on. Undefined: not loaded. */
  set(resources: readonly EncodedResource[] | undefined): void;
  /** A certificate by a fresh token. */
  certificate(
    account: ServiceAccountRef,
    validitySeconds?: number,
  ): Promise<{ rootPem: string; certificateChainPem: string; privateKeyPem: string }>;
}

export interface TestControlPlaneOptions {
  readonly stateFolder: string;
  readonly resources?: readonly EncodedResource[];
  /** By `NAMESPACE/POD`. */
  readonly accounts?: Readonly<Record<string, string>>;
  readonly ports?: ControlPlane['ports'];
}

/** Closed when the test ends, if the test did not do so before. */
export async function startTestControlPlane(
  t: Pick<TestContext, 'after'>,
  options: TestControlPlaneOptions,
): Promise<TestControlPlane> {
  let current = options.resources;
  const plane = await startControlPlane({
    stateFolder: options.stateFolder,
    trustDomain: 'cluster.local',
    host: '127.0.0.1',
    ports: options.ports ?? { plaintext: 0, tls: 0, api: 0 },
    name: 'control-test',
    source: {
      ready: () => current !== undefined,
      snapshot(_node, previous) {
        return snapshotOf(current ?? [], previous);
      },
      serviceAccountOf: (namespace, pod) => options.accounts?.[`${namespace}/${pod}`],
    },
    report: () => ({
      resources: [],
      problems: [],
      allowedUnsupported: [],
      loadedAt: new Date(0).toISOString(),
    }),
    log: silentLogger,
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= plane.close();
    return closing;
  };
  t.after(close);
  const tlsAddress = `127.0.0.1:${plane.ports.tls}`;
  return {
    ...plane,
    close,
    plaintextAddress: `127.0.0.1:${plane.ports.plaintext}`,
    tlsAddress,
    apiUrl: `http://127.0.0.1:${plane.ports.api}`,
    set(next): void {
      current = next;
      plane.changed();
    },
    async certificate(account, validitySeconds = 0) {
      const { token } = await plane.tokens.mint({ ...account, pod: 'any' });
      const keys = await generateKeyPair();
      const [certificateChainPem = ''] = await requestCertificate({
        address: tlsAddress,
        rootCaPem: plane.rootPem,
        credential: { kind: 'token', token },
        csr: createSigningRequest(keys, workloadId('cluster.local', account)),
        validitySeconds,
        signal: AbortSignal.timeout(10_000),
      });
      return { rootPem: plane.rootPem, certificateChainPem, privateKeyPem: privateKeyPem(keys.privateKey) };
    },
  };
}
