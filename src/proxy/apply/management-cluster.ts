/** Clusters that lead to management servers: they are asked over gRPC and not by requests. */
import { fromBinary } from '@bufbuild/protobuf';
import { type Bootstrap, BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { type Cluster, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ApiConfigSource } from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
import { HttpProtocolOptionsSchema } from '#xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { Dependencies } from '../contract.ts';
import { secretConfigsOf } from './file-secrets.ts';

/** Names of the clusters of `ads_config` and of every `sds_config`. */
export function managementClusters(bootstrap: Bootstrap): ReadonlySet<string> {
  const ads = bootstrap.dynamicResources?.adsConfig;
  const sds = secretConfigsOf(BootstrapSchema, bootstrap).flatMap(({ sdsConfig }) => {
    const source = sdsConfig?.configSourceSpecifier;
    return source?.case === 'apiConfigSource' ? [source.value] : [];
  });
  return new Set([...(ads === undefined ? [] : [ads]), ...sds].flatMap(clusterNames));
}

function clusterNames({ grpcServices }: ApiConfigSource): string[] {
  return grpcServices.flatMap(({ targetSpecifier: target }) =>
    target.case === 'envoyGrpc' ? [target.value.clusterName] : [],
  );
}

/** The secrets that its TLS context names, with the cluster that serves them. */
export function secretsOf(cluster: Cluster): Dependencies['secrets'] {
  return secretConfigsOf(ClusterSchema, cluster).flatMap(({ name, sdsConfig }) => {
    const source = sdsConfig?.configSourceSpecifier;
    const [sdsCluster] = source?.case === 'apiConfigSource' ? clusterNames(source.value) : [];
    return sdsCluster === undefined ? [] : [{ name, sdsCluster }];
  });
}

/** Whether requests to `cluster` would be HTTP/2, as gRPC servers want it. */
export function speaksHttp2({
  typedExtensionProtocolOptions: options,
  http2ProtocolOptions,
}: Cluster): boolean {
  if (http2ProtocolOptions !== undefined) return true;
  const any = Object.values(options).find(({ typeUrl }) =>
    typeUrl.endsWith(`/${HttpProtocolOptionsSchema.typeName}`),
  );
  if (any === undefined) return false;
  const { upstreamProtocolOptions: upstream } = fromBinary(HttpProtocolOptionsSchema, any.value);
  return (
    upstream.case === 'explicitHttpConfig' && upstream.value.protocolConfig.case === 'http2ProtocolOptions'
  );
}
