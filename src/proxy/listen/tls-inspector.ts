/** Reads server name and protocols from a ClientHello (Envoy, `tls_inspector`). */
import type { Counter, Histogram, MetricRegistry } from '#observe/metrics-contract.ts';
import type { AcceptedConnection } from './accepted.ts';
import { readClientHello } from './client-hello.ts';
import { type ListenerFilter, MORE, REFUSE } from './listener-filter.ts';

export interface TlsInspectorSettings {
  readonly maxHelloBytes: number;
  readonly closeUnlessHello: boolean;
}

const counterNames = [
  'tls_found',
  'tls_not_found',
  'alpn_found',
  'alpn_not_found',
  'sni_found',
  'sni_not_found',
  'client_hello_too_large',
] as const;

export class TlsInspector implements ListenerFilter {
  readonly #settings: TlsInspectorSettings;
  readonly #stats: Readonly<Record<(typeof counterNames)[number], Counter>>;
  readonly #bytesProcessed: Histogram;

  constructor(settings: TlsInspectorSettings, metrics: MetricRegistry) {
    this.#settings = settings;
    const scope = metrics.scope({ path: 'tls_inspector', family: 'tls_inspector', labels: {} });
    this.#stats = Object.fromEntries(counterNames.map((name) => [name, scope.counter(name)])) as Record<
      (typeof counterNames)[number],
      Counter
    >;
    this.#bytesProcessed = scope.histogram('bytes_processed');
  }

  onAccept(): boolean {
    return true;
  }

  onBytes(connection: AcceptedConnection, bytes: Buffer): number {
    const { maxHelloBytes, closeUnlessHello } = this.#settings;
    const hello = readClientHello(bytes.length > maxHelloBytes ? bytes.subarray(0, maxHelloBytes) : bytes);
    if (hello === 'more') {
      if (bytes.length < maxHelloBytes) return MORE;
      this.#stats.client_hello_too_large.inc();
      return REFUSE;
    }
    this.#bytesProcessed.record(bytes.length);
    if (hello === 'none') {
      this.#stats.tls_not_found.inc();
      return closeUnlessHello ? REFUSE : 0;
    }
    const { serverName, applicationProtocols } = hello;
    this.#stats.tls_found.inc();
    this.#stats[serverName === '' ? 'sni_not_found' : 'sni_found'].inc();
    this.#stats[applicationProtocols.length === 0 ? 'alpn_not_found' : 'alpn_found'].inc();
    connection.sawTls(serverName, applicationProtocols);
    return 0;
  }
}
