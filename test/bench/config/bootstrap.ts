/** The bootstrap that Heddle and Envoy both run. Heddle's istio_requests_total comes on top of it. */
import {
  type Hop,
  leafDnsName,
  leafSpiffeId,
  retries,
  routeTimeoutSeconds,
  upstreamConnections,
} from './work.ts';

const router = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const manager =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const tls = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** JSON text of a whole bootstrap. `istioStats` puts Heddle's own statistics filter before the router. */
export function bootstrap(hop: Hop, { istioStats }: { readonly istioStats: boolean }): string {
  return JSON.stringify(
    {
      node: { id: `bench-${hop.listenPort}`, cluster: 'bench' },
      admin: { address: address(hop.statsPort) },
      static_resources: { listeners: [listener(hop, istioStats)], clusters: [cluster(hop)] },
    },
    undefined,
    2,
  );
}

function listener(hop: Hop, istioStats: boolean): object {
  const transport = hop.tls === 'terminate' ? { transport_socket: transportSocket(hop) } : {};
  return {
    name: 'front',
    address: address(hop.listenPort),
    filter_chains: [
      {
        filters: [
          { name: 'envoy.filters.network.http_connection_manager', typed_config: http(hop, istioStats) },
        ],
        ...transport,
      },
    ],
  };
}

function http(hop: Hop, istioStats: boolean): object {
  const stats = {
    name: 'heddle.istio_stats',
    typed_config: {
      '@type': 'type.googleapis.com/heddle.filters.http.istio_stats.v1.IstioStats',
      reporter: 'SERVER',
      self: { name: 'bench-v1', namespace: 'default', canonical_name: 'bench', canonical_revision: 'v1' },
    },
  };
  return {
    '@type': manager,
    stat_prefix: 'front',
    use_remote_address: true,
    generate_request_id: true,
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
          path: hop.accessLog,
        },
      },
    ],
    http_filters: [
      ...(istioStats ? [stats] : []),
      { name: 'envoy.filters.http.router', typed_config: { '@type': router } },
    ],
    route_config: {
      name: 'front',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              route: {
                cluster: 'back',
                timeout: `${routeTimeoutSeconds}s`,
                retry_policy: { retry_on: 'connect-failure,refused-stream,reset', num_retries: retries },
              },
            },
          ],
        },
      ],
    },
  };
}

function cluster(hop: Hop): object {
  const transport = hop.tls === 'originate' ? { transport_socket: transportSocket(hop) } : {};
  return {
    name: 'back',
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    circuit_breakers: { thresholds: [{ max_connections: upstreamConnections }] },
    load_assignment: {
      cluster_name: 'back',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(hop.upstreamPort) } }] }],
    },
    ...transport,
  };
}

function transportSocket({ tls: side, certificates }: Hop): object {
  const common = {
    tls_certificates: [
      {
        certificate_chain: { filename: certificates.certificate },
        private_key: { filename: certificates.key },
      },
    ],
    validation_context: {
      trusted_ca: { filename: certificates.ca },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: leafSpiffeId } }],
    },
    alpn_protocols: ['http/1.1'],
  };
  const context =
    side === 'terminate'
      ? { '@type': `${tls}.DownstreamTlsContext`, require_client_certificate: true }
      : { '@type': `${tls}.UpstreamTlsContext`, sni: leafDnsName };
  return { name: 'envoy.transport_sockets.tls', typed_config: { ...context, common_tls_context: common } };
}
