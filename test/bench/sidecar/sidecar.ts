/** A sidecar that gets everything by ADS, Heddle or Envoy, as a process of its own on the proxies' core. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EncodedResource } from '#xds/snapshot.ts';
import { type Bed, proxyCore } from '../bed.ts';
import { address, explicitHttp2 } from '../config/bootstrap.ts';
import { answers, type Target } from '../probe.ts';
import { freePorts, lastWords, ready, spawnPinned, stopChild } from '../process.ts';
import { bootstrapArguments, commandOf } from '../program.ts';
import type { Question } from '../row.ts';
import type { Control } from './control.ts';
import { sidecarResources } from './resources.ts';

export interface Sidecar {
  readonly pid: number;
  readonly nodeId: string;
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly accessLog: string;
  stop(): Promise<void>;
}

/** What it is sent, by its ports and the file of its log. */
export type ResourcesOf = (
  place: Pick<Sidecar, 'outboundPort' | 'inboundPort' | 'accessLog'>,
) => EncodedResource[];

/** @param at tells sidecars of one control plane apart. @param secrets of the bootstrap. Resolves when the outbound listener answers. */
export async function startSidecar(
  { name, bed }: Pick<Question, 'name' | 'bed'>,
  control: Control,
  at: number,
  resourcesOf: ResourcesOf,
  secrets: readonly object[] = [],
): Promise<Sidecar> {
  if (name !== 'heddle' && name !== 'envoy') throw new Error(`${name} is no sidecar`);
  const folder = join(bed.folder, `sidecar-${name}-${at}`);
  mkdirSync(folder, { recursive: true });
  const [outboundPort = 0, inboundPort = 0, adminPort = 0] = await freePorts(3);
  const accessLog = join(folder, 'access.log');
  const nodeId = `sidecar~127.0.0.1~bench-${name}-${at}.default~default.svc.cluster.local`;
  control.set(nodeId, resourcesOf({ outboundPort, inboundPort, accessLog }));
  const text = bootstrapOf(nodeId, adminPort, control.port, secrets);
  const args = bootstrapArguments(name, { folder, threads: 1, text });
  const child = spawnPinned({ command: commandOf(name), args, cores: String(proxyCore), folder });
  const target: Target = { traffic: 'h1', tls: 'none', port: outboundPort, certificates: bed.certificates };
  try {
    await ready(() => answers(target), [child]);
  } catch (error) {
    await stopChild(child);
    throw new Error(`${(error as Error).message}; it said: ${lastWords(folder)}`);
  }
  return {
    pid: child.pid ?? 0,
    nodeId,
    outboundPort,
    inboundPort,
    accessLog,
    stop: () => stopChild(child),
  };
}

/** A sidecar of the mesh of {@link sidecarResources}. */
export const meshResources =
  (name: string, bed: Bed): ResourcesOf =>
  (place) =>
    sidecarResources({
      ...place,
      istioStats: name === 'heddle',
      applicationPort: bed.backends.h1,
      certificates: bed.certificates,
    });

function bootstrapOf(id: string, adminPort: number, controlPort: number, secrets: readonly object[]): string {
  const ads = { ads: {}, resource_api_version: 'V3' };
  const endpoint = { endpoint: { address: address(controlPort) } };
  const control = {
    name: 'xds',
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: explicitHttp2,
    load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [endpoint] }] },
  };
  return JSON.stringify(
    {
      node: { id, cluster: 'bench', metadata: { INTERCEPTION_MODE: 'NONE', NAMESPACE: 'default' } },
      admin: { address: address(adminPort) },
      dynamic_resources: {
        ads_config: {
          api_type: 'DELTA_GRPC',
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
        },
        lds_config: ads,
        cds_config: ads,
      },
      static_resources: { clusters: [control], secrets },
    },
    undefined,
    2,
  );
}
