/** Answers those who ask whether this proxy, or what stands behind it, is healthy (Envoy, "Health check"). */
import type { Parsed } from '#core/problem.ts';
import { hasHeader, setHeader } from '#http/header-list.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import {
  type HealthCheck as HealthCheckConfig,
  HealthCheckSchema,
} from '#xds/gen/envoy/extensions/filters/http/health_check/v3/health_check_pb.js';
import { Findings } from '../../findings.ts';
import { compileHeaderMatch, type HeaderMatch } from '../../route/header-match.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, LocalReply, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';

interface HealthCheckSettings {
  readonly passesThrough: boolean;
  /** 0: nothing is kept. */
  readonly cacheMs: number;
  /** Percent of each cluster that must be healthy. */
  readonly minimums: readonly (readonly [cluster: string, percent: number])[];
  readonly headers: readonly HeaderMatch[];
}

export const healthCheck: CataloguedFilter = defineFilter({
  kind: 'health-check',
  schema: HealthCheckSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readSettings(config, path, findings);
    return findings.result<HttpFilter>(new HealthCheck(settings, deps));
  },
});

function readSettings(config: HealthCheckConfig, at: string, findings: Findings): HealthCheckSettings {
  const { passThroughMode, cacheTime, clusterMinHealthyPercentages: percentages, headers } = config;
  if (passThroughMode === undefined) findings.error(`${at}.pass_through_mode`, 'is missing');
  const passesThrough = passThroughMode ?? false;
  const cacheMs = findings.durationMs(`${at}.cache_time`, cacheTime) ?? 0;
  if (cacheMs > 0 && !passesThrough) findings.error(`${at}.cache_time`, 'is for pass_through_mode only');
  const minimums = Object.entries(percentages).map(([cluster, { value }]) => [cluster, value] as const);
  if (minimums.length > 0 && passesThrough)
    findings.error(`${at}.cluster_min_healthy_percentages`, 'is not for pass_through_mode');
  return {
    passesThrough,
    cacheMs,
    minimums,
    headers: headers.map((matcher, i) => compileHeaderMatch(matcher, `${at}.headers[${i}]`, findings)),
  };
}

/** What the upstream said the last time. */
interface KeptAnswer {
  readonly status: number;
  readonly degraded: boolean;
  readonly untilMs: number;
}

const statNames = [
  'request_total',
  'ok',
  'failed',
  'cached_response',
  'failed_cluster_not_found',
  'failed_cluster_empty',
  'failed_cluster_unhealthy',
] as const;

const nothing: Buffer = Buffer.alloc(0);

class HealthCheck implements HttpFilter {
  readonly #settings: HealthCheckSettings;
  readonly #deps: FilterDeps;
  readonly #startMs: number;
  readonly #stats: Readonly<Record<(typeof statNames)[number], Counter>>;
  #kept: KeptAnswer | undefined = undefined;

  constructor(settings: HealthCheckSettings, deps: FilterDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#startMs = deps.clock.nowMs();
    const scope = deps.metrics.scope({
      path: `http.${deps.statPrefix}.health_check`,
      family: 'http_health_check',
      labels: { envoy_http_conn_manager_prefix: deps.statPrefix },
    });
    this.#stats = Object.fromEntries(statNames.map((name) => [name, scope.counter(name)])) as Readonly<
      Record<(typeof statNames)[number], Counter>
    >;
  }

  onRequestHead(exchange: Exchange, endStream: boolean): Verdict {
    if (!this.#settings.headers.every((matches) => matches(exchange))) return undefined;
    exchange.isHealthCheck = true;
    const passes = this.#settings.passesThrough && !exchange.health.failed && this.#answer() === undefined;
    if (passes) return undefined;
    exchange.slots[this.#deps.slot] = true;
    return endStream ? this.#reply(exchange) : 'hold';
  }

  onRequestData(exchange: Exchange): Buffer | undefined {
    return exchange.slots[this.#deps.slot] === true ? nothing : undefined;
  }

  onRequestComplete(exchange: Exchange): Verdict {
    return this.#reply(exchange);
  }

  onResponseHead(exchange: Exchange): undefined {
    const { responseHeaders: headers, responseCode: status } = exchange;
    if (exchange.isHealthCheck) {
      this.#keep(status, hasHeader(headers, 'x-envoy-degraded'));
      setHeader(headers, 'x-envoy-upstream-healthchecked-cluster', this.#deps.nodeCluster);
    }
    if (exchange.health.failed) setHeader(headers, 'x-envoy-immediate-health-check-fail', 'true');
  }

  /** Undefined where there is none, or one too old. */
  #answer(): KeptAnswer | undefined {
    const kept = this.#kept;
    return kept !== undefined && this.#deps.clock.nowMs() < kept.untilMs ? kept : undefined;
  }

  /** Until the end of the period under way. */
  #keep(status: number, degraded: boolean): void {
    const { cacheMs } = this.#settings;
    if (cacheMs === 0) return;
    const periods = Math.floor((this.#deps.clock.nowMs() - this.#startMs) / cacheMs) + 1;
    this.#kept = { status, degraded, untilMs: this.#startMs + periods * cacheMs };
  }

  #reply(exchange: Exchange): LocalReply {
    const reply = this.#judge(exchange);
    this.#stats.request_total.inc();
    (reply.flag === '' ? this.#stats.ok : this.#stats.failed).inc();
    return reply;
  }

  #judge({ health, membersOf }: Exchange): LocalReply {
    if (health.failed) return answer(503, 'health_check_failed');
    const kept = this.#answer();
    if (kept !== undefined) {
      this.#stats.cached_response.inc();
      const reply = answer(kept.status, 'health_check_cached');
      return kept.degraded ? { ...reply, headers: ['x-envoy-degraded', ''] } : reply;
    }
    const { minimums } = this.#settings;
    for (const [cluster, percent] of minimums) {
      const members = membersOf(cluster);
      if (members === undefined) {
        this.#stats.failed_cluster_not_found.inc();
        return answer(503, 'health_check_failed_no_cluster_found');
      }
      if (members.total === 0 && percent > 0) {
        this.#stats.failed_cluster_empty.inc();
        return answer(503, 'health_check_failed_cluster_empty');
      }
      if (100 * members.healthy < members.total * percent) {
        this.#stats.failed_cluster_unhealthy.inc();
        return answer(503, 'health_check_failed_cluster_unhealthy');
      }
    }
    return answer(200, minimums.length === 0 ? 'health_check_ok' : 'health_check_ok_cluster_healthy');
  }
}

function answer(status: number, details: string): LocalReply {
  return { status, body: '', flag: status >= 200 && status < 300 ? '' : 'LH', details };
}
