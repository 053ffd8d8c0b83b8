/** The figures of a virtual cluster or of a route with a `stat_prefix`, by Envoy's names (`vhost.<name>.*`). */
import type { Counter, Histogram, MetricRegistry, Scope, ScopeName } from '#observe/metrics-contract.ts';
import { responseCounter } from '../cluster/stats.ts';

const counterNames = [
  'upstream_rq_total',
  'upstream_rq_timeout',
  'upstream_rq_retry',
  'upstream_rq_retry_limit_exceeded',
  'upstream_rq_retry_overflow',
  'upstream_rq_retry_success',
] as const;

/** Of what is done with a request, besides the response. */
export type RouteCounter = (typeof counterNames)[number];

export class RouteStats {
  readonly #name: ScopeName;
  #scope: Scope | undefined;
  #counters: Readonly<Record<RouteCounter, Counter>> | undefined;
  #time: Histogram | undefined;
  #count: ((status: number) => void) | undefined;

  private constructor(name: ScopeName) {
    this.#name = name;
  }

  static ofVirtualCluster(host: string, name: string): RouteStats {
    return new RouteStats({
      path: `vhost.${host}.vcluster.${name}`,
      family: 'vhost_vcluster',
      labels: { envoy_virtual_host: host, envoy_virtual_cluster: name },
    });
  }

  static ofRoute(host: string, prefix: string): RouteStats {
    return new RouteStats({
      path: `vhost.${host}.route.${prefix}`,
      family: 'vhost_route',
      labels: { envoy_virtual_host: host, envoy_route: prefix },
    });
  }

  /** Nothing is counted before. @param metrics of the table in force */
  open(metrics: MetricRegistry): void {
    const scope = metrics.scope(this.#name);
    this.#scope = scope;
    this.#counters = Object.fromEntries(counterNames.map((name) => [name, scope.counter(name)])) as Record<
      RouteCounter,
      Counter
    >;
    this.#time = undefined;
    this.#count = undefined;
  }

  count(name: RouteCounter): void {
    this.#counters?.[name].inc();
  }

  /** Of a response that the client gets. */
  countStatus(status: number): void {
    if (this.#scope === undefined) return;
    this.#count ??= responseCounter(this.#scope, '');
    this.#count(status);
  }

  recordTime(ms: number): void {
    if (this.#scope === undefined) return;
    this.#time ??= this.#scope.histogram('upstream_rq_time');
    this.#time.record(ms);
  }
}
