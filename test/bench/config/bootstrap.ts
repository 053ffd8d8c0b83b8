/** The bootstrap that Heddle and Envoy both run. Heddle's istio_requests_total comes on top of it. */
import {
  type Hop,
  leafDnsName,
  leafSpiffeId,
  maxConnections,
  retries,
  routeTimeoutSeconds,
  upstreamConnections,
} from './work.ts';

export const typeUrl = (name: string): string => `type.googleapis.com/${name}`;
const network = 'envoy.extensions.filters.network';
const tls = typeUrl('envoy.extensions.transport_sockets.tls.v3');

export const address = (port: number, host = '127.0.0.1'): object => ({
  socket_address: { address: host, port_value: port },
});

/** `istioStats` puts Heddle's own statistics filter before the router. */
export interface Dialect {
  readonly istioStats: boolean;
}

/** JSON text of a whole bootstrap. */
export function bootstrap(hop: Hop, dialect: Dialect): string {
  return JSON.stringify(
    {
      node: { id: `bench-${hop.listenPort}`, cluster: 'bench' },
      admin: { address: address(hop.statsPort) },
      static_resources: {
        listeners: [listener(hop, dialect)],
        clusters: [cluster(hop), ...otherClusters(hop)],
      },
    },
    undefined,
    2,
  );
}

function listener(hop: Hop, dialect: Dialect): object {
  const filter =
    hop.traffic === 'tcp'
      ? { name: `${network}.tcp_proxy`, typed_config: tcpProxy(hop) }
      : {
          name: `${network}.http_connection_manager`,
          typed_config: connectionManager({
            statPrefix: 'front',
            accessLog: hop.accessLog,
            routes: { route_config: routeTable(hop) },
            websocket: hop.traffic === 'websocket',
            filters: hop.besides?.filters ?? [],
            ...dialect,
          }),
        };
  const secured = hop.tls === 'terminate' || hop.tls === 'serve';
  return {
    name: 'front',
    address: address(hop.listenPort),
    filter_chains: [
      { filters: [filter], ...(secured ? { transport_socket: transportSocket(hop, hop.tls) } : {}) },
    ],
  };
}

export interface ConnectionManager extends Dialect {
  readonly statPrefix: string;
  readonly accessLog: string;
  /** `route_config` or `rds`. */
  readonly routes: object;
  readonly websocket?: boolean;
  /** Before the router. */
  readonly filters?: readonly object[];
}

export function connectionManager(settings: ConnectionManager): object {
  const stats = {
    name: 'heddle.istio_stats',
    typed_config: {
      '@type': typeUrl('heddle.filters.http.istio_stats.v1.IstioStats'),
      reporter: 'SERVER',
      self: { name: 'bench-v1', namespace: 'default', canonical_name: 'bench', canonical_revision: 'v1' },
    },
  };
  const router = typeUrl('envoy.extensions.filters.http.router.v3.Router');
  return {
    '@type': typeUrl(`${network}.http_connection_manager.v3.HttpConnectionManager`),
    stat_prefix: settings.statPrefix,
    use_remote_address: true,
    generate_request_id: true,
    access_log: fileLog(settings.accessLog),
    ...(settings.websocket === true ? { upgrade_configs: [{ upgrade_type: 'websocket' }] } : {}),
    http_filters: [
      ...(settings.istioStats ? [stats] : []),
      ...(settings.filters ?? []),
      { name: 'envoy.filters.http.router', typed_config: { '@type': router } },
    ],
    ...settings.routes,
  };
}

const fileLog = (path: string): object[] => [
  {
    name: 'envoy.access_loggers.file',
    typed_config: { '@type': typeUrl('envoy.extensions.access_loggers.file.v3.FileAccessLog'), path },
  },
];

const tcpProxy = (hop: Hop): object => ({
  '@type': typeUrl(`${network}.tcp_proxy.v3.TcpProxy`),
  stat_prefix: 'front',
  cluster: 'back',
  access_log: fileLog(hop.accessLog),
});

/** A call that stays open has no time limit; everything else has one that never fires. */
const routeTable = ({ traffic, elsewhere, besides }: Hop): object => ({
  name: 'front',
  virtual_hosts: [
    ...Array.from({ length: elsewhere.hosts }, (_, i) => ({
      name: `host-${i}`,
      domains: [`host-${i}.example`],
      routes: [{ match: { prefix: '/' }, route: routeTo('back') }],
    })),
    {
      name: 'all',
      domains: ['*'],
      routes: [
        ...Array.from({ length: elsewhere.routes }, (_, i) => ({
          match: { prefix: `/service-${i}/` },
          route: routeTo('back'),
        })),
        { match: { prefix: '/' }, route: { ...routeTo('back', traffic === 'websocket'), ...besides?.route } },
      ],
    },
  ],
});

export const routeTo = (cluster: string, endless = false): object => ({
  cluster,
  timeout: endless ? '0s' : `${routeTimeoutSeconds}s`,
  retry_policy: { retry_on: 'connect-failure,refused-stream,reset', num_retries: retries },
});

function cluster(hop: Hop): object {
  const http2 = hop.traffic === 'h2' || hop.traffic === 'grpc';
  return {
    name: 'back',
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    circuit_breakers: {
      thresholds: [{ max_connections: upstreamConnections, max_requests: maxConnections }],
    },
    ...(http2 ? { typed_extension_protocol_options: explicitHttp2 } : {}),
    load_assignment: {
      cluster_name: 'back',
      endpoints: [{ lb_endpoints: endpointsOf(hop) }],
    },
    ...hop.besides?.cluster,
    ...(hop.tls === 'originate' ? { transport_socket: transportSocket(hop, 'originate') } : {}),
  };
}

/** The backend listens on so many addresses and more. */
function endpointsOf({ upstreamPort, besides = {} }: Hop): object[] {
  const { endpoints = 1, deadEndpoints = 0 } = besides;
  return [
    ...Array.from({ length: endpoints }, (_, at) => address(upstreamPort, `127.0.0.${at + 1}`)),
    ...Array.from({ length: deadEndpoints }, (_, at) => address(1, `127.0.0.${at + 1}`)),
  ].map((of) => ({ endpoint: { address: of } }));
}

const endpointsElsewhere = 50;

const otherClusters = ({ elsewhere }: Hop): object[] =>
  Array.from({ length: elsewhere.clusters }, (_, i) => ({
    name: `service-${i}`,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: `service-${i}`,
      endpoints: [
        {
          lb_endpoints: Array.from({ length: endpointsElsewhere }, (_none, at) => ({
            endpoint: { address: address(80, `10.${i >> 8}.${i & 255}.${at + 1}`) },
          })),
        },
      ],
    },
  }));

const protocolOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
export const explicitHttp2: object = {
  [protocolOptions]: {
    '@type': typeUrl(protocolOptions),
    explicit_http_config: { http2_protocol_options: {} },
  },
};

export function transportSocket(
  { certificates }: Pick<Hop, 'certificates'>,
  side: Exclude<Hop['tls'], 'none'>,
): object {
  const validation = {
    validation_context: {
      trusted_ca: { filename: certificates.ca },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: leafSpiffeId } }],
    },
  };
  const common = {
    tls_certificates: [
      {
        certificate_chain: { filename: certificates.certificate },
        private_key: { filename: certificates.key },
      },
    ],
    ...(side === 'serve' ? {} : validation),
    alpn_protocols: ['http/1.1'],
  };
  const context =
    side === 'originate'
      ? { '@type': `${tls}.UpstreamTlsContext`, sni: leafDnsName }
      : {
          '@type': `${tls}.DownstreamTlsContext`,
          ...(side === 'terminate' ? { require_client_certificate: true } : {}),
        };
  return { name: 'envoy.transport_sockets.tls', typed_config: { ...context, common_tls_context: common } };
}
