/** Refuses requests beyond what the upstreams seem to bear (Envoy, "Adaptive Concurrency"). Each thread judges by its own. */
import type { Parsed } from '#core/problem.ts';
import { AdaptiveConcurrencySchema } from '#xds/gen/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { GradientController } from './gradient-controller.ts';
import { type ConcurrencySettings, readConcurrency } from './settings.ts';

export const adaptiveConcurrency: CataloguedFilter = defineFilter({
  kind: 'adaptive-concurrency',
  schema: AdaptiveConcurrencySchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readConcurrency(config, path, deps.runtime, findings);
    return findings.result<HttpFilter>(new ConcurrencyFilter(settings, deps));
  },
});

/** A request that is under way. */
interface Admitted {
  readonly startMs: number;
}

class ConcurrencyFilter implements HttpFilter {
  readonly #settings: ConcurrencySettings;
  readonly #deps: FilterDeps;
  readonly #controller: GradientController;

  constructor(settings: ConcurrencySettings, deps: FilterDeps) {
    const { metrics, statPrefix, random, clock } = deps;
    this.#settings = settings;
    this.#deps = deps;
    const scope = metrics.scope({
      path: `http.${statPrefix}.adaptive_concurrency.gradient_controller`,
      family: 'http_adaptive_concurrency_gradient_controller',
      labels: { envoy_http_conn_manager_prefix: statPrefix },
    });
    const stats = {
      rq_blocked: scope.counter('rq_blocked'),
      burst_queue_size: scope.gauge('burst_queue_size'),
      concurrency_limit: scope.gauge('concurrency_limit'),
      gradient: scope.gauge('gradient'),
      min_rtt_calculation_active: scope.gauge('min_rtt_calculation_active'),
      min_rtt_msecs: scope.gauge('min_rtt_msecs'),
      sample_rtt_msecs: scope.gauge('sample_rtt_msecs'),
    };
    this.#controller = new GradientController(settings.gradient, stats, random, clock.nowMs());
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { isOn, status } = this.#settings;
    if (!isOn() || exchange.isHealthCheck) return undefined;
    const nowMs = this.#deps.clock.nowMs();
    if (!this.#controller.admit(nowMs)) {
      const details = 'reached_concurrency_limit';
      return { status, body: 'reached concurrency limit', flag: '', details };
    }
    exchange.slots[this.#deps.slot] = { startMs: nowMs } satisfies Admitted;
    return undefined;
  }

  onResponseEnd(exchange: Exchange): undefined {
    const admitted = this.#take(exchange);
    if (admitted !== undefined) this.#controller.record(admitted.startMs, this.#deps.clock.nowMs());
  }

  onEnd(exchange: Exchange): void {
    if (this.#take(exchange) !== undefined) this.#controller.cancel();
  }

  #take(exchange: Exchange): Admitted | undefined {
    const { slot } = this.#deps;
    const admitted = exchange.slots[slot] as Admitted | undefined;
    exchange.slots[slot] = undefined;
    return admitted;
  }
}
