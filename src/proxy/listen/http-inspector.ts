/** Finds out which version of HTTP a plain connection speaks (Envoy, `http_inspector`). */
import type { Counter, MetricRegistry } from '#observe/metrics-contract.ts';
import type { AcceptedConnection } from './accepted.ts';
import { type HttpStart, readHttpStart } from './http-start.ts';
import { type ListenerFilter, MORE, REFUSE } from './listener-filter.ts';

/** A request line ends within so much (Envoy). */
const MAX_LINE_BYTES = 64 * 1024;
/** What cannot be HTTP shows within so much; after it only the end of the line is looked for. */
const LOOK_AGAIN_BYTES = 256;
const LF = 0x0a;

const counterNames = ['http10_found', 'http11_found', 'http2_found', 'http_not_found', 'read_error'] as const;
type CounterName = (typeof counterNames)[number];

const outcomes: Readonly<Record<Exclude<HttpStart, 'more'>, CounterName>> = {
  'http/1.0': 'http10_found',
  'http/1.1': 'http11_found',
  h2c: 'http2_found',
  none: 'http_not_found',
};

export class HttpInspector implements ListenerFilter {
  readonly #stats: Readonly<Record<CounterName, Counter>>;

  constructor(metrics: MetricRegistry) {
    const scope = metrics.scope({ path: 'http_inspector', family: 'http_inspector', labels: {} });
    this.#stats = Object.fromEntries(counterNames.map((name) => [name, scope.counter(name)])) as Record<
      CounterName,
      Counter
    >;
  }

  onAccept({ transportProtocol }: AcceptedConnection): boolean {
    return transportProtocol !== 'tls';
  }

  onBytes(connection: AcceptedConnection, bytes: Buffer, from: number): number {
    const wait = from >= LOOK_AGAIN_BYTES && bytes.indexOf(LF, from) === -1;
    const found = wait ? 'more' : readHttpStart(bytes);
    if (found === 'more') {
      if (bytes.length < MAX_LINE_BYTES) return MORE;
      this.#stats.read_error.inc();
      return REFUSE;
    }
    this.#stats[outcomes[found]].inc();
    if (found !== 'none') connection.applicationProtocols = [found];
    return 0;
  }
}
