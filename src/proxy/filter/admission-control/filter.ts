/** Refuses a share of requests where too many others failed (Envoy, "Admission Control"). Each thread judges by its own. */
import type { Parsed } from '#core/problem.ts';
import { headerOf } from '#http/header-list.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import { AdmissionControlSchema } from '#xds/gen/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js';
import { Findings } from '../../findings.ts';
import { isGrpcType } from '../../hcm/request-head.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { RequestHistory } from './history.ts';
import { type AdmissionSettings, readAdmission } from './settings.ts';

export const admissionControl: CataloguedFilter = defineFilter({
  kind: 'admission-control',
  schema: AdmissionControlSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readAdmission(config, path, deps.runtime, findings);
    return findings.result<HttpFilter>(new AdmissionFilter(settings, deps));
  },
});

const UNAVAILABLE = 503;
/** In how many steps the probability is drawn. */
const ACCURACY = 10_000;

/** What is still to be learnt of a request. */
type Awaited = 'head' | 'trailers';

class AdmissionFilter implements HttpFilter {
  readonly #settings: AdmissionSettings;
  readonly #deps: FilterDeps;
  readonly #history: RequestHistory;
  readonly #rejected: Counter;
  readonly #succeeded: Counter;
  readonly #failed: Counter;

  constructor(settings: AdmissionSettings, deps: FilterDeps) {
    const { metrics, statPrefix, clock } = deps;
    this.#settings = settings;
    this.#deps = deps;
    this.#history = new RequestHistory(settings.windowMs, () => clock.nowMs());
    const scope = metrics.scope({
      path: `http.${statPrefix}.admission_control`,
      family: 'http_admission_control',
      labels: { envoy_http_conn_manager_prefix: statPrefix },
    });
    this.#rejected = scope.counter('rq_rejected');
    this.#succeeded = scope.counter('rq_success');
    this.#failed = scope.counter('rq_failure');
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { isOn, minRequestsPerSecond } = this.#settings;
    if (!isOn() || exchange.isHealthCheck) return undefined;
    if (this.#history.requestsPerSecond >= minRequestsPerSecond() && this.#draws()) {
      this.#rejected.inc();
      return { status: UNAVAILABLE, body: '', flag: '', details: 'denied_by_admission_control' };
    }
    exchange.slots[this.#deps.slot] = 'head' satisfies Awaited;
    return undefined;
  }

  #draws(): boolean {
    const { successRate, aggression, maxProbability } = this.#settings;
    const history = this.#history;
    history.forget();
    const raw = (history.requests - history.successes / successRate()) / (history.requests + 1);
    const probability = Math.min(Math.max(raw, 0) ** (1 / aggression()), maxProbability());
    return ACCURACY * probability > this.#deps.random.below(ACCURACY);
  }

  onResponseHead(exchange: Exchange, endStream: boolean): undefined {
    if (exchange.slots[this.#deps.slot] === undefined) return;
    const { responseHeaders: headers, responseCode: code } = exchange;
    const status = headerOf(headers, 'grpc-status');
    if (!isGrpcResponse(exchange, endStream, status)) {
      this.#record(exchange, this.#settings.isHttpSuccess(code));
    } else if (status === undefined) exchange.slots[this.#deps.slot] = 'trailers' satisfies Awaited;
    else this.#record(exchange, this.#isGrpcSuccess(status));
  }

  onResponseTrailers(exchange: Exchange, trailers: readonly string[]): undefined {
    if (exchange.slots[this.#deps.slot] !== ('trailers' satisfies Awaited)) return;
    const status = headerOf(trailers, 'grpc-status');
    this.#record(exchange, status !== undefined && this.#isGrpcSuccess(status));
  }

  #isGrpcSuccess(status: string): boolean {
    return /^\d{1,9}$/.test(status) && this.#settings.isGrpcSuccess(Number(status));
  }

  #record(exchange: Exchange, success: boolean): void {
    exchange.slots[this.#deps.slot] = undefined;
    (success ? this.#succeeded : this.#failed).inc();
    this.#history.record(success);
  }
}

function isGrpcResponse(
  { responseHeaders, responseCode }: Exchange,
  endStream: boolean,
  status: string | undefined,
): boolean {
  if (endStream) return status !== undefined;
  const type = headerOf(responseHeaders, 'content-type');
  return responseCode === 200 && type !== undefined && isGrpcType(type);
}
