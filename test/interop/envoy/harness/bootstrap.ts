/** Parts of a bootstrap in the form of Envoy's messages, as short as a case can have them. */

/** A message as it stands in a file. */
export type Message = Readonly<Record<string, unknown>>;

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** @param type below `envoy.extensions`. */
export const extension = (name: string, type: string, fields: Message = {}): Message => ({
  name,
  typed_config: { '@type': `${EXTENSIONS}.${type}`, ...fields },
});

const FIELDS = [
  '%REQ(X-TEST)%',
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  '%REQ(:AUTHORITY)%',
  '%RESPONSE_CODE%',
  '%RESPONSE_FLAGS%',
  '%RESPONSE_CODE_DETAILS%',
  '%CONNECTION_TERMINATION_DETAILS%',
  'in=%BYTES_RECEIVED%',
  'out=%BYTES_SENT%',
  'to=%UPSTREAM_CLUSTER%',
];

/** The fields that every group compares. */
export const logFormat: string = `${FIELDS.join(' ')}\n`;

/** An access log with them. */
export const accessLog = (...more: readonly string[]): Message =>
  extension('log', 'access_loggers.file.v3.FileAccessLog', {
    path: '@LOG@',
    log_format: { text_format_source: { inline_string: `${[...FIELDS, ...more].join(' ')}\n` } },
  });

export const router = (fields: Message = {}): Message =>
  extension('envoy.filters.http.router', 'filters.http.router.v3.Router', fields);

export interface HttpOptions {
  /** Absent: AUTO. */
  readonly codec?: 'AUTO' | 'HTTP1' | 'HTTP2';
  /** Absent: everything to cluster `a`. */
  readonly routes?: readonly Message[];
  /** Instead of one host for all domains with `routes`. */
  readonly hosts?: readonly Message[];
  /** Fields of the virtual host. */
  readonly host?: Message;
  /** Fields of the route table. */
  readonly table?: Message;
  /** HTTP filters before the router. */
  readonly filters?: readonly Message[];
  /** More fields of the connection manager. */
  readonly hcm?: Message;
  /** More fields for the line of access log. */
  readonly log?: readonly string[];
}

export const route = (prefix: string, action: Message = {}, more: Message = {}): Message => ({
  match: { prefix },
  route: { cluster: 'a', ...action },
  ...more,
});

/** The connection manager, with a stat prefix of that name. */
export function http(name: string, options: HttpOptions = {}): Message {
  const { codec = 'AUTO', routes = [route('/')], host, table, filters = [], hcm, log = [] } = options;
  const hosts = options.hosts ?? [{ name: 'all', domains: ['*'], routes, ...host }];
  return extension(
    'envoy.filters.network.http_connection_manager',
    'filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: name,
      codec_type: codec,
      // A client of the comparison waits for the end of the connection.
      delayed_close_timeout: '0.05s',
      access_log: [accessLog(...log)],
      route_config: { name, validate_clusters: false, virtual_hosts: hosts, ...table },
      http_filters: [...filters, router()],
      ...hcm,
    },
  );
}

/** An access log of a connection without HTTP. */
export const tcpLog = (...fields: readonly string[]): Message =>
  extension('log', 'access_loggers.file.v3.FileAccessLog', {
    path: '@LOG@',
    log_format: { text_format_source: { inline_string: `tcp ${fields.join(' ')}\n` } },
  });

/** tcp_proxy, with a stat prefix of that name and an access log. */
export const tcpProxy = (name: string, fields: Message = { cluster: 'a' }): Message =>
  extension('envoy.filters.network.tcp_proxy', 'filters.network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: name,
    access_log: [
      tcpLog(
        '%RESPONSE_FLAGS%',
        '%CONNECTION_TERMINATION_DETAILS%',
        'in=%BYTES_RECEIVED%',
        'out=%BYTES_SENT%',
        'to=%UPSTREAM_CLUSTER%',
        'sni=%REQUESTED_SERVER_NAME%',
      ),
    ],
    ...fields,
  });

export const address = (port = 0, host = '127.0.0.1'): Message => ({
  address: { socket_address: { address: host, port_value: port } },
});

/** A listener on a free port, of one chain with one filter. */
export const listener = (name: string, filter: Message, more: Message = {}): Message => ({
  name,
  stat_prefix: name,
  ...address(),
  filter_chains: [{ filters: [filter] }],
  ...more,
});

export const httpListener = (name: string, options: HttpOptions = {}, more: Message = {}): Message =>
  listener(name, http(name, options), more);

/** One endpoint for each port; a text such as `::1` before a port is its host. */
export function cluster(name: string, ports: readonly (number | Message)[], more: Message = {}): Message {
  const endpoints = ports.map((port) => (typeof port === 'number' ? { endpoint: address(port) } : port));
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...more,
  };
}

/** Options of a cluster for HTTP. */
export const protocolOptions = (fields: Message): Message => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
      ...fields,
    },
  },
});

export const http2Cluster = (
  name: string,
  ports: readonly (number | Message)[],
  more: Message = {},
): Message =>
  cluster(name, ports, {
    ...protocolOptions({ explicit_http_config: { http2_protocol_options: {} } }),
    ...more,
  });

export const bootstrap = (
  listeners: readonly Message[],
  clusters: readonly Message[],
  more: Message = {},
): Message => ({
  admin: address(),
  static_resources: { listeners, clusters },
  ...more,
});

/** Text as a `DataSource`. */
export const inline = (text: string): Message => ({ inline_string: text });
