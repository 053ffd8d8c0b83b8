/** Fields with an underscore in their name, which some take for a dash (Envoy, `headers_with_underscores_action`). */
import type { HeaderList } from '#http/header-list.ts';
import type { Counter, MetricRegistry } from '#observe/metrics-contract.ts';

export interface UnderscoreStats {
  readonly dropped: Counter;
  readonly rejected: Counter;
}

/** Of a codec, for all connection managers together. */
export function createUnderscoreStats(metrics: MetricRegistry, codec: 'http1' | 'http2'): UnderscoreStats {
  const scope = metrics.scope({ path: codec, family: codec, labels: {} });
  return {
    dropped: scope.counter('dropped_headers_with_underscores'),
    rejected: scope.counter('requests_rejected_with_underscores_in_headers'),
  };
}

/** Takes them out. @returns how many there were */
export function dropUnderscored(headers: HeaderList): number {
  let to = 0;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.includes('_')) continue;
    headers[to] = headers[i]!;
    headers[to + 1] = headers[i + 1]!;
    to += 2;
  }
  const dropped = (headers.length - to) / 2;
  headers.length = to;
  return dropped;
}
