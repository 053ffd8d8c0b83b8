/** What is counted of faults, of all and by who called (Envoy, "Fault injection", statistics). */
import type { Counter, Gauge } from '#observe/metrics-contract.ts';
import type { FilterDeps } from '../contract.ts';

interface ByCaller {
  readonly delays_injected: Counter;
  readonly aborts_injected: Counter;
}

/** Callers counted each on their own; those beyond are counted only among all. */
const MAX_CALLERS = 1000;

export class FaultStats {
  readonly delays_injected: Counter;
  readonly aborts_injected: Counter;
  readonly faults_overflow: Counter;
  readonly response_rl_injected: Counter;
  readonly active_faults: Gauge;
  readonly #deps: FilterDeps;
  readonly #callers = new Map<string, ByCaller>();

  constructor(deps: FilterDeps) {
    this.#deps = deps;
    const scope = deps.metrics.scope({
      path: `http.${deps.statPrefix}.fault`,
      family: 'http_fault',
      labels: { envoy_http_conn_manager_prefix: deps.statPrefix },
    });
    this.delays_injected = scope.counter('delays_injected');
    this.aborts_injected = scope.counter('aborts_injected');
    this.faults_overflow = scope.counter('faults_overflow');
    this.response_rl_injected = scope.counter('response_rl_injected');
    this.active_faults = scope.gauge('active_faults');
  }

  /** @param caller its cluster; '' where it is not known */
  count(what: keyof ByCaller, caller: string): void {
    this[what].inc();
    if (caller === '') return;
    let known = this.#callers.get(caller);
    if (known === undefined && this.#callers.size < MAX_CALLERS) {
      const { metrics, statPrefix } = this.#deps;
      const scope = metrics.scope({
        path: `http.${statPrefix}.fault.${caller}`,
        family: 'http_fault_caller',
        labels: { envoy_http_conn_manager_prefix: statPrefix, envoy_downstream_cluster: caller },
      });
      known = {
        delays_injected: scope.counter('delays_injected'),
        aborts_injected: scope.counter('aborts_injected'),
      };
      this.#callers.set(caller, known);
    }
    known?.[what].inc();
  }
}
