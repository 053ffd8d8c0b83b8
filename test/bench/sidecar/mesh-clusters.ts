/** Clusters as a control plane of Istio's kind sends them: what they cost a proxy that does not use them. */
import type { ResourceKind } from '#xds/resource-type.ts';
import type { EncodedResource } from '#xds/snapshot.ts';
import { address, typeUrl } from '../config/bootstrap.ts';
import { type Certificates, leafSpiffeId } from '../config/work.ts';

type MakeResource = (kind: ResourceKind, value: object) => EncodedResource;

interface MeshClusters {
  readonly clusters: number;
  /** Of each. */
  readonly endpoints: number;
}

const ads = { ads: {}, resource_api_version: 'V3' };
const unlimited = 0xffff_ffff;
const identitySecret = 'default';
const rootSecret = 'ROOTCA';

export function meshClusters(
  { clusters, endpoints }: MeshClusters,
  resource: MakeResource,
): EncodedResource[] {
  const names = Array.from({ length: clusters }, (_, at) => `service-${at}`);
  return [
    ...names.map((name) => resource('cluster', meshCluster(name))),
    ...names.map((name, at) => resource('endpoint', meshEndpoints(name, at, endpoints))),
  ];
}

/** What all of the clusters name: secrets of the bootstrap. */
export const meshSecrets = ({ ca, certificate, key }: Certificates): object[] => [
  {
    name: identitySecret,
    tls_certificate: { certificate_chain: { filename: certificate }, private_key: { filename: key } },
  },
  { name: rootSecret, validation_context: { trusted_ca: { filename: ca } } },
];

const hostOf = (name: string): string => `${name}.default.svc.cluster.local`;
const clusterOf = (name: string): string => `outbound|9080||${hostOf(name)}`;

const meshCluster = (name: string): object => ({
  name: clusterOf(name),
  type: 'EDS',
  eds_cluster_config: { eds_config: ads, service_name: clusterOf(name) },
  connect_timeout: '10s',
  lb_policy: 'LEAST_REQUEST',
  circuit_breakers: {
    thresholds: [
      {
        max_connections: unlimited,
        max_pending_requests: unlimited,
        max_requests: unlimited,
        max_retries: unlimited,
        track_remaining: true,
      },
    ],
  },
  metadata: {
    filter_metadata: { istio: { services: [{ host: hostOf(name), name, namespace: 'default' }] } },
  },
  transport_socket_matches: [
    { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transport_socket: mutualTls(name) },
    {
      name: 'tlsMode-disabled',
      match: {},
      transport_socket: {
        name: 'envoy.transport_sockets.raw_buffer',
        typed_config: { '@type': typeUrl('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') },
      },
    },
  ],
});

const secret = (name: string): object => ({ name });

const mutualTls = (name: string): object => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': typeUrl('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
    sni: `outbound_.9080_._.${hostOf(name)}`,
    common_tls_context: {
      alpn_protocols: ['istio-http/1.1', 'istio', 'http/1.1'],
      tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificate_sds_secret_configs: [secret(identitySecret)],
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: leafSpiffeId } }],
        },
        validation_context_sds_secret_config: secret(rootSecret),
      },
    },
  },
});

/** A host of each cluster: all are different, none is ever called. */
const meshEndpoints = (name: string, at: number, count: number): object => ({
  cluster_name: clusterOf(name),
  endpoints: [
    {
      locality: { region: 'here', zone: 'a' },
      load_balancing_weight: count,
      lb_endpoints: Array.from({ length: count }, (_, i) => ({
        endpoint: { address: address(9080, `10.${at >> 8}.${at & 255}.${i + 1}`) },
        metadata: {
          filter_metadata: {
            istio: { workload: `${name}-v1;default;${name};v1;Kubernetes` },
            'envoy.transport_socket_match': { tlsMode: 'istio' },
          },
        },
        load_balancing_weight: 1,
      })),
    },
  ],
});
