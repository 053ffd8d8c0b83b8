/** What a `Cluster` of type ORIGINAL_DST says of its endpoints, judged as Envoy does. */
import {
  type Cluster,
  Cluster_LbPolicy as Lb,
  type Cluster_OriginalDstLbConfig as LbConfig,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterProvidedSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';
import type { OriginalDestinationSettings } from './original-destinations.ts';

/** Envoy's defaults. */
const HEADER = 'x-envoy-original-dst-host';
const CLEANUP_MS = 5000;
const MAX_PORT = 65_535;

export function readOriginalDestination(cluster: Cluster, findings: Findings): OriginalDestinationSettings {
  if (!isClusterProvided(cluster)) {
    findings.error('lb_policy', 'must be CLUSTER_PROVIDED, as the type is ORIGINAL_DST');
  }
  if ((cluster.loadAssignment?.endpoints.length ?? 0) > 0) {
    findings.error(
      'load_assignment',
      'must be empty: endpoints of ORIGINAL_DST are where connections were made to',
    );
  }
  const { lbConfig } = cluster;
  const config = lbConfig.case === 'originalDstLbConfig' ? lbConfig.value : undefined;
  const port = config?.upstreamPortOverride ?? 0;
  if (port > MAX_PORT) {
    findings.error('original_dst_lb_config.upstream_port_override', `must be at most ${MAX_PORT}`);
  }
  return {
    header: headerOf(config, findings),
    port,
    cleanupMs: findings.durationMs('cleanup_interval', cluster.cleanupInterval) || CLEANUP_MS,
  };
}

function headerOf(config: LbConfig | undefined, findings: Findings): string {
  if (config === undefined) return '';
  const { useHttpHeader, httpHeaderName } = config;
  if (useHttpHeader) return httpHeaderName === '' ? HEADER : httpHeaderName.toLowerCase();
  if (httpHeaderName !== '') {
    findings.error('original_dst_lb_config.http_header_name', 'needs use_http_header: true');
  }
  return '';
}

export function isClusterProvided({ lbPolicy, loadBalancingPolicy }: Cluster): boolean {
  if (loadBalancingPolicy === undefined) return lbPolicy === Lb.CLUSTER_PROVIDED;
  return loadBalancingPolicy.policies.some(
    ({ typedExtensionConfig }) =>
      typeNameOf(typedExtensionConfig?.typedConfig) === ClusterProvidedSchema.typeName,
  );
}
