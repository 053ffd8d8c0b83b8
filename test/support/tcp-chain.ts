/** Listeners whose connections are not HTTP, as items of `static_resources.listeners`. */

const TYPES = 'type.googleapis.com/envoy.extensions';

export interface TcpListenerOptions {
  readonly name?: string;
  /** Fields of the `tcp_proxy`, flow style. */
  readonly proxy: string;
  /** Network filters before it, flow style. */
  readonly before?: readonly string[];
  /** More fields of the listener, as lines of YAML. */
  readonly listener?: readonly string[];
  readonly address?: string;
  /** Of the access log. */
  readonly format?: string;
}

/** A network filter of `envoy.extensions.filters.network`. */
export function networkFilter(type: string, fields = ''): string {
  return `{ name: f, typed_config: { '@type': ${TYPES}.filters.network.${type}${fields === '' ? '' : `, ${fields}`} } }`;
}

export const tlsInspector: string = `listener_filters: [{ name: tls, typed_config: { '@type': ${TYPES}.filters.listener.tls_inspector.v3.TlsInspector } }]`;

/** A listener with one `tcp_proxy`, on a free port, which logs flags and counts to `log`. */
export function tcpListener({
  name = 'tcp',
  proxy,
  before = [],
  listener = [],
  address = '127.0.0.1',
  format = '%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT%',
}: TcpListenerOptions): string {
  const log = `access_log: [{ name: log, typed_config: { '@type': ${TYPES}.access_loggers.file.v3.FileAccessLog, path: log, log_format: { text_format_source: { inline_string: "${format}\\n" } } } }]`;
  const filters = [
    ...before,
    networkFilter('tcp_proxy.v3.TcpProxy', `stat_prefix: ${name}, ${log}, ${proxy}`),
  ];
  return chainListener(name, filters, listener, address);
}

/** A listener with one chain of these network filters. */
export function chainListener(
  name: string,
  filters: readonly string[],
  listener: readonly string[] = [],
  address = '127.0.0.1',
): string {
  return `
  - name: ${name}
    address: { socket_address: { address: '${address}', port_value: 0 } }
${listener.map((line) => `    ${line}`).join('\n')}
    filter_chains: [{ filters: [${filters.join(', ')}] }]`;
}
