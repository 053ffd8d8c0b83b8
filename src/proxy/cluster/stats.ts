/** The statistics of a cluster, by Envoy's names (Envoy, "Cluster statistics"). */
import { type LayMetrics, MetricLayout, metricsLaidOut } from '#observe/metric-layout.ts';
import type {
  Counter,
  FiguresAtRest,
  Histogram,
  MetricRegistry,
  Scope,
  ScopeName,
} from '#observe/metrics-contract.ts';
import { createHttp2Stats, type Http2Stats } from '../http2/stats.ts';

const counterNames = [
  'upstream_cx_total',
  'upstream_cx_http1_total',
  'upstream_cx_http2_total',
  'upstream_cx_close_notify',
  'upstream_cx_max_duration_reached',
  'upstream_cx_connect_fail',
  'upstream_cx_connect_timeout',
  'upstream_cx_connect_attempts_exceeded',
  'upstream_cx_destroy',
  'upstream_cx_destroy_local',
  'upstream_cx_destroy_remote',
  'upstream_cx_destroy_with_active_rq',
  'upstream_cx_destroy_local_with_active_rq',
  'upstream_cx_destroy_remote_with_active_rq',
  'upstream_cx_idle_timeout',
  'upstream_cx_max_requests',
  'upstream_cx_none_healthy',
  'upstream_cx_overflow',
  'upstream_cx_protocol_error',
  'upstream_cx_rx_bytes_total',
  'upstream_cx_tx_bytes_total',
  'upstream_rq_total',
  'upstream_rq_completed',
  'upstream_rq_cancelled',
  'upstream_rq_pending_total',
  'upstream_rq_pending_overflow',
  'upstream_rq_active_overflow',
  'upstream_rq_pending_failure_eject',
  'upstream_rq_timeout',
  'upstream_rq_per_try_timeout',
  'upstream_rq_per_try_idle_timeout',
  'upstream_rq_max_duration_reached',
  'upstream_rq_rx_reset',
  'upstream_rq_tx_reset',
  'upstream_rq_maintenance_mode',
  'upstream_rq_retry',
  'upstream_rq_retry_success',
  'upstream_rq_retry_overflow',
  'upstream_rq_retry_limit_exceeded',
  'upstream_rq_retry_backoff_exponential',
  'upstream_rq_retry_backoff_ratelimited',
  'upstream_flow_control_paused_reading_total',
  'upstream_flow_control_resumed_reading_total',
  'retry_or_shadow_abandoned',
  'upstream_internal_redirect_succeeded_total',
  'upstream_internal_redirect_failed_total',
  'membership_change',
  'lb_healthy_panic',
  'lb_local_cluster_not_ok',
  'lb_recalculate_zone_structures',
  'lb_subsets_created',
  'lb_subsets_fallback',
  'lb_subsets_fallback_panic',
  'lb_subsets_removed',
  'lb_subsets_selected',
  'lb_zone_cluster_too_small',
  'lb_zone_no_capacity_left',
  'lb_zone_routing_all_directly',
  'lb_zone_routing_cross_zone',
  'lb_zone_routing_sampled',
  'update_attempt',
  'update_success',
  'update_failure',
  'update_empty',
  'update_no_rebuild',
  'assignment_stale',
  'assignment_timeout_received',
  'assignment_use_cached',
  'bind_errors',
  'upstream_cx_connect_with_0_rtt',
  'upstream_cx_http3_total',
  'upstream_http3_broken',
  'upstream_rq_0rtt',
  'default.total_match_count',
] as const;

const gaugeNames = [
  'upstream_cx_active',
  'upstream_rq_active',
  'upstream_rq_pending_active',
  'lb_subsets_active',
  'membership_total',
  'membership_healthy',
  'membership_degraded',
  'membership_excluded',
  'max_host_weight',
  'version',
  'warming_state',
  'circuit_breakers.default.cx_open',
  'circuit_breakers.default.cx_pool_open',
  'circuit_breakers.default.rq_open',
  'circuit_breakers.default.rq_pending_open',
  'circuit_breakers.default.rq_retry_open',
  'circuit_breakers.high.cx_open',
  'circuit_breakers.high.cx_pool_open',
  'circuit_breakers.high.rq_open',
  'circuit_breakers.high.rq_pending_open',
  'circuit_breakers.high.rq_retry_open',
] as const;

const histogramNames = ['upstream_rq_time', 'upstream_cx_connect_ms', 'upstream_cx_length_ms'] as const;

const layout = new MetricLayout(counterNames, gaugeNames, histogramNames);
/** Of every cluster. */
export const baseLayout: MetricLayout = layout;
const LaidStats: LayMetrics<
  (typeof counterNames)[number],
  (typeof gaugeNames)[number],
  (typeof histogramNames)[number]
> = metricsLaidOut(layout);

export class ClusterStats extends LaidStats {
  /** For counters made on first use (`ssl.*`). */
  readonly scope: Scope;
  #count: ((status: number) => void) | undefined;
  #internalTime: Histogram | undefined;
  #externalTime: Histogram | undefined;
  #countInternal: ((status: number) => void) | undefined;
  #countExternal: ((status: number) => void) | undefined;
  #countRetried: ((status: number) => void) | undefined;
  #countCanary: ((status: number) => void) | undefined;
  #http2: Http2Stats | undefined;

  constructor(scope: Scope) {
    super(scope);
    this.scope = scope;
  }

  /**
   * Counts a response, our own too: `upstream_rq_completed`, `upstream_rq_503` and `upstream_rq_5xx`, and the
   * same by where the request came from.
   */
  countStatus(status: number, isInternal = false): void {
    this.#count ??= responseCounter(this.scope, '');
    this.#count(status);
    if (isInternal) {
      this.#countInternal ??= responseCounter(this.scope, 'internal.');
      this.#countInternal(status);
    } else {
      this.#countExternal ??= responseCounter(this.scope, 'external.');
      this.#countExternal(status);
    }
  }

  /** How long the upstream took for a request, in milliseconds. */
  recordTime(ms: number, isInternal: boolean): void {
    this.upstream_rq_time.record(ms);
    if (isInternal) {
      this.#internalTime ??= this.scope.histogram('internal.upstream_rq_time');
      this.#internalTime.record(ms);
    } else {
      this.#externalTime ??= this.scope.histogram('external.upstream_rq_time');
      this.#externalTime.record(ms);
    }
  }

  /** Counts a response that is not used, as the request is sent again: the same names below `retry.`. */
  countRetried(status: number): void {
    this.#countRetried ??= responseCounter(this.scope, 'retry.');
    this.#countRetried(status);
  }

  /** Counts a response of an endpoint that is a canary once more, below `canary.`. */
  countCanary(status: number): void {
    this.#countCanary ??= responseCounter(this.scope, 'canary.');
    this.#countCanary(status);
  }

  /** `http2.*`, made on first use. */
  http2(): Http2Stats {
    this.#http2 ??= createHttp2Stats(this.scope, 'http2.');
    return this.#http2;
  }
}

/** What is shown of a cluster from the start. */
export interface ClusterFigures {
  /** With all of the base layout. */
  readonly layout: MetricLayout;
  /** What they show before somebody counts; absent: all zero. */
  readonly atRest?: FiguresAtRest;
}

export function createClusterStats(
  metrics: MetricRegistry,
  name: string,
  figures: ClusterFigures,
): ClusterStats {
  return new ClusterStats(clusterScope(metrics, name, figures));
}

/** Where the statistics of a cluster are. */
export function clusterScope(
  metrics: MetricRegistry,
  name: string,
  { layout, atRest }: ClusterFigures,
): Scope {
  const scope = metrics.scope(clusterScopeName(name));
  scope.lay(layout, atRest);
  return scope;
}

/** @param name of the cluster as statistics call it */
export function clusterScopeName(name: string): ScopeName {
  return { path: `cluster.${name}`, family: 'cluster', labels: { envoy_cluster_name: name } };
}

/** Counters are made when first needed: most clusters never retry. */
export function responseCounter(scope: Scope, prefix: string): (status: number) => void {
  const count = statusCounter(scope, `${prefix}upstream_rq`);
  let completed: Counter | undefined;
  return (status) => {
    completed ??= scope.counter(`${prefix}upstream_rq_completed`);
    completed.inc();
    if (status < 600) count(status);
    else scope.counter(`${prefix}upstream_rq_unknown`).inc();
  };
}

/** A function that counts statuses under `prefix_NNN` and `prefix_Nxx`; counters are made when first needed. */
export function statusCounter(scope: Scope, prefix: string, each = true): (status: number) => void {
  const classes: (Counter | undefined)[] = [];
  const codes: (Counter | undefined)[] = [];
  return (status) => {
    const klass = Math.floor(status / 100);
    let counter = classes[klass];
    if (counter === undefined) {
      counter = scope.counter(`${prefix}_${klass}xx`);
      classes[klass] = counter;
    }
    counter.inc();
    if (!each) return;
    let code = codes[status];
    if (code === undefined) {
      code = scope.counter(`${prefix}_${status}`);
      codes[status] = code;
    }
    code.inc();
  };
}
