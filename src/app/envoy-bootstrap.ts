/**
 * The bootstrap of a real Envoy in a sidecar's place: everything comes over one delta ADS stream to
 * 15012, with the certificate that an agent serves over SDS on a Unix socket.
 */
import { SIDECAR_MARK } from '#host/network/sidecar-mark.ts';
import { SO_MARK, SOL_SOCKET } from '#host/socket-options.ts';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import { SECRET_NAMES } from './sds-server.ts';
import { type WorkloadPlace, workloadNode } from './workload-node.ts';

export interface EnvoyBootstrapPlace extends WorkloadPlace {
  /** `host:port` of xDS over TLS. */
  readonly secureXds: string;
  /** File with the root that the control plane's certificate must end in; absolute. */
  readonly rootCertificate: string;
  /** Unix socket of the agent. */
  readonly sdsSocket: string;
  /** Unix socket of its admin interface, to which the agent leads; absent: it is on a port of the address. */
  readonly adminSocket?: string | undefined;
}

/** Names that the configuration of the mesh refers to. */
const SDS_CLUSTER = 'sds-grpc';
const XDS_CLUSTER = 'xds-grpc';
const ADMIN_CLUSTER = 'admin';
export const ENVOY_ADMIN_PORT = 15_000;
const READINESS_PORT = 15_021;
const METRICS_PORT = 15_090;
/** Mode of a socket. */
const OWNER_ONLY = 0o600;

/**
 * Envoy cuts the name of a cluster out of a metric up to the first dot, and names of the mesh hold
 * dots: this takes all of `outbound|9080|v1|reviews.default.svc.cluster.local`.
 */
const CLUSTER_NAME_TAG = '^cluster\\.((.+?(\\.[^.|]+\\.svc\\.cluster\\.local)?)\\.)';

/** The kernel redirects what it does not know to be the proxy's own. */
const marking = { socket_options: [{ level: SOL_SOCKET, name: SO_MARK, int_value: SIDECAR_MARK }] };

const typeUrl = (name: string): string => `type.googleapis.com/envoy.${name}`;

export function envoyBootstrap(place: EnvoyBootstrapPlace): object {
  const { adminSocket, interceptionMode = 'NONE' } = place;
  const adminAddress =
    adminSocket === undefined
      ? socketAddress(place.address, ENVOY_ADMIN_PORT)
      : { pipe: { path: adminSocket, mode: OWNER_ONLY } };
  return {
    node: workloadNode(place),
    admin: { address: adminAddress },
    ...(interceptionMode !== 'NONE' && { cluster_manager: { upstream_bind_config: marking } }),
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: {
          '@type': typeUrl('extensions.bootstrap.internal_listener.v3.InternalListener'),
        },
      },
    ],
    stats_config: {
      use_all_default_tags: false,
      stats_tags: [
        { tag_name: 'envoy.cluster_name', regex: CLUSTER_NAME_TAG },
        ...[
          'envoy.response_code',
          'envoy.response_code_class',
          'envoy.http_conn_manager_prefix',
          'envoy.listener_address',
          'envoy.tcp_prefix',
        ].map((tag_name) => ({ tag_name })),
      ],
    },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: XDS_CLUSTER } }],
      },
      cds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      lds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
    },
    static_resources: {
      listeners: [
        toAdmin(place.address, READINESS_PORT, { path: '/healthz/ready', rewrite: '/ready' }),
        toAdmin(place.address, METRICS_PORT, { path: '/stats/prometheus' }),
      ],
      clusters: [
        {
          name: ADMIN_CLUSTER,
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: assignment(ADMIN_CLUSTER, adminAddress),
        },
        {
          name: SDS_CLUSTER,
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: http2(),
          load_assignment: assignment(SDS_CLUSTER, { pipe: { path: place.sdsSocket } }),
        },
        xdsCluster(place),
      ],
    },
  };
}

function xdsCluster({ secureXds, rootCertificate }: EnvoyBootstrapPlace): object {
  const at = secureXds.lastIndexOf(':');
  const address = socketAddress(secureXds.slice(0, at), Number(secureXds.slice(at + 1)));
  return {
    name: XDS_CLUSTER,
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: http2(),
    upstream_connection_options: {
      tcp_keepalive: { keepalive_probes: 3, keepalive_time: 30, keepalive_interval: 10 },
    },
    load_assignment: assignment(XDS_CLUSTER, address),
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': typeUrl('extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        sni: CONTROL_PLANE_DNS_NAME,
        common_tls_context: {
          alpn_protocols: ['h2'],
          tls_certificate_sds_secret_configs: [
            { name: SECRET_NAMES.certificate, sds_config: { ...sdsSource(), initial_fetch_timeout: '0s' } },
          ],
          validation_context: {
            trusted_ca: { filename: rootCertificate },
            match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: CONTROL_PLANE_DNS_NAME } }],
          },
        },
      },
    },
  };
}

function sdsSource(): object {
  return {
    resource_api_version: 'V3',
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [{ envoy_grpc: { cluster_name: SDS_CLUSTER } }],
    },
  };
}

/** A listener that shows one page of the admin interface, and nothing else of it. */
function toAdmin(
  address: string,
  port: number,
  { path, rewrite }: { readonly path: string; readonly rewrite?: string },
): object {
  const name = path.slice(1).replaceAll('/', '-');
  return {
    name,
    address: socketAddress(address, port),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': typeUrl('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
              stat_prefix: name,
              route_config: {
                virtual_hosts: [
                  {
                    name,
                    domains: ['*'],
                    routes: [
                      {
                        match: { path },
                        route: {
                          cluster: ADMIN_CLUSTER,
                          ...(rewrite !== undefined && { prefix_rewrite: rewrite }),
                        },
                      },
                    ],
                  },
                ],
              },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: { '@type': typeUrl('extensions.filters.http.router.v3.Router') },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

function http2(): object {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': typeUrl('extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: {} },
    },
  };
}

function socketAddress(address: string, port_value: number): object {
  return { socket_address: { address, port_value } };
}

function assignment(cluster_name: string, address: object): object {
  return { cluster_name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}
