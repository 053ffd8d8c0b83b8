/**
 * Faults of each try of a request, where Envoy's filter has them once and above the router: what is
 * aborted is retried as the policy says, and time limits run while a try is delayed. Heddle's own.
 */
import type { Parsed } from '#core/problem.ts';
import {
  type AttemptFault,
  AttemptFaultSchema,
} from '#xds/gen/heddle/filters/http/attempt_fault/v1/attempt_fault_pb.js';
import { Findings } from '../../findings.ts';
import type {
  AttemptVerdict,
  CataloguedFilter,
  Exchange,
  FilterDeps,
  HeldAttempt,
  HttpFilter,
  LocalReply,
} from '../contract.ts';
import { defineFilter } from '../define.ts';
import { type Delayed, Fault, type FaultOwner, isMeant } from '../fault/fault.ts';
import { type FaultDeps, type FaultSettings, readFault } from '../fault/settings.ts';
import { FaultStats } from '../fault/stats.ts';

export const attemptFault: CataloguedFilter = defineFilter({
  kind: 'attempt-fault',
  schema: AttemptFaultSchema,
  stability: 'alpha',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readAttemptFault(config, path, deps, findings);
    return findings.result<HttpFilter>(new AttemptFaultFilter(settings, deps));
  },
  route: {
    schema: AttemptFaultSchema,
    create(config, path, deps): Parsed<unknown> {
      const findings = new Findings();
      return findings.result<unknown>(readAttemptFault(config, path, deps, findings));
    },
  },
});

function readAttemptFault(
  { fault }: AttemptFault,
  path: string,
  deps: FaultDeps,
  findings: Findings,
): FaultSettings | 'none' {
  if (fault === undefined) return 'none';
  if (fault.responseRateLimit !== undefined)
    findings.error(
      `${path}.fault.response_rate_limit`,
      'is of the whole response; write it for the filter envoy.filters.http.fault',
    );
  return readFault(fault, `${path}.fault`, deps, findings);
}

class AttemptFaultFilter implements HttpFilter, FaultOwner {
  readonly deps: FilterDeps;
  readonly stats: FaultStats;
  active = 0;
  readonly #settings: FaultSettings | 'none';

  constructor(settings: FaultSettings | 'none', deps: FilterDeps) {
    this.#settings = settings;
    this.deps = deps;
    this.stats = new FaultStats(deps);
  }

  onAttempt(exchange: Exchange, attempt: Delayed): AttemptVerdict {
    const ofRoute = exchange.routeConfig(this.deps.name) as FaultSettings | 'none' | undefined;
    const settings = ofRoute ?? this.#settings;
    if (settings === 'none' || !isMeant(exchange, settings)) return undefined;
    return new FaultOfAttempt(this, exchange, settings, attempt).begin();
  }
}

class FaultOfAttempt implements HeldAttempt, Delayed {
  readonly #fault: Fault;
  readonly #exchange: Exchange;
  readonly #attempt: Delayed;

  constructor(filter: FaultOwner, exchange: Exchange, settings: FaultSettings, attempt: Delayed) {
    this.#fault = new Fault(filter, exchange, settings, this);
    this.#exchange = exchange;
    this.#attempt = attempt;
  }

  begin(): AttemptVerdict {
    const verdict = this.#fault.begin();
    if (verdict === 'wait') return this;
    if (verdict !== undefined) this.#tell(verdict);
    this.release();
    return verdict;
  }

  resume(reply?: LocalReply): void {
    if (reply !== undefined) this.#tell(reply);
    this.#attempt.resume(reply);
  }

  release(): void {
    this.#fault.end();
  }

  /** Also where a retry succeeds. */
  #tell({ flag }: LocalReply): void {
    this.#exchange.addFlag(flag);
  }
}
