/** Counters of gRPC calls, by cluster and method. */
import type { Counter, Histogram, MetricRegistry } from '#observe/metrics-contract.ts';

/** What is counted of one method of one cluster. */
export interface MethodStats {
  countMessages(sent: number, received: number): void;
  recordTime(elapsedMs: number): void;
  /** A call has ended. @param status gRPC's, as the server wrote it */
  count(status: string): void;
}

/** Methods of one cluster counted each on their own; those beyond are counted as one. */
const MAX_METHODS = 1000;
/** Statuses of gRPC; whatever else a server sends is counted as one. */
const MAX_STATUS = 16;

export class MethodStatsTable {
  readonly #metrics: MetricRegistry;
  /** `grpc` or `grpc-web`. */
  readonly #protocol: string;
  readonly #known = new Map<string, Map<string, MethodStats>>();

  constructor(metrics: MetricRegistry, protocol: string) {
    this.#metrics = metrics;
    this.#protocol = protocol;
  }

  /** @param method `service.method`; '' for all of the cluster @param isListed whether there is always room for it */
  of(cluster: string, method: string, isListed: boolean): MethodStats {
    let methods = this.#known.get(cluster);
    if (methods === undefined) {
      methods = new Map();
      this.#known.set(cluster, methods);
    }
    const name = isListed || methods.size < MAX_METHODS || methods.has(method) ? method : '';
    let stats = methods.get(name);
    if (stats === undefined) {
      stats = createStats(this.#metrics, this.#protocol, cluster, name);
      methods.set(name, stats);
    }
    return stats;
  }
}

/** `service.method` of a path; '' for one that is none of gRPC. */
export function methodOf(path: string, replaceDots: boolean): string {
  const question = path.indexOf('?');
  const [empty, service, method, ...rest] = (question === -1 ? path : path.slice(0, question)).split('/');
  if (empty !== '' || !service || !method || rest.length > 0) return '';
  return `${replaceDots ? service.replaceAll('.', '_') : service}.${method}`;
}

function createStats(
  metrics: MetricRegistry,
  protocol: string,
  cluster: string,
  method: string,
): MethodStats {
  const scope = metrics.scope({
    path: `cluster.${cluster}.${protocol}${method === '' ? '' : `.${method}`}`,
    family: `cluster_${protocol.replaceAll('-', '_')}`,
    labels: { envoy_cluster_name: cluster, ...(method === '' ? {} : methodLabels(method)) },
  });
  // These are made when first needed.
  const statuses = new Map<string, Counter>();
  let requests: Counter | undefined;
  let responses: Counter | undefined;
  let timeMs: Histogram | undefined;
  const total = scope.counter('total');
  const success = scope.counter('success');
  const failure = scope.counter('failure');
  return {
    countMessages(sent, received) {
      requests ??= scope.counter('request_message_count');
      responses ??= scope.counter('response_message_count');
      requests.inc(sent);
      responses.inc(received);
    },
    recordTime(elapsedMs) {
      timeMs ??= scope.histogram('upstream_rq_time');
      timeMs.record(elapsedMs);
    },
    count(status) {
      total.inc();
      (status === '0' ? success : failure).inc();
      const code = /^\d{1,2}$/.test(status) && Number(status) <= MAX_STATUS ? status : '-1';
      let counter = statuses.get(code);
      if (counter === undefined) {
        counter = scope.counter(code);
        statuses.set(code, counter);
      }
      counter.inc();
    },
  };
}

function methodLabels(method: string): Readonly<Record<string, string>> {
  const dot = method.lastIndexOf('.');
  return {
    envoy_grpc_bridge_service: method.slice(0, dot),
    envoy_grpc_bridge_method: method.slice(dot + 1),
  };
}
