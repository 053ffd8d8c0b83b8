/** Delays and aborts requests, and slows responses down, on purpose (Envoy, "Fault injection"). */
import type { Parsed } from '#core/problem.ts';
import { HTTPFaultSchema } from '#xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { Fault, type FaultOwner, isMeant } from './fault.ts';
import { type FaultSettings, readFault } from './settings.ts';
import { FaultStats } from './stats.ts';

export const fault: CataloguedFilter = defineFilter({
  kind: 'fault',
  schema: HTTPFaultSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readFault(config, path, deps, findings);
    return findings.result<HttpFilter>(new FaultFilter(settings, deps));
  },
  route: {
    schema: HTTPFaultSchema,
    create(config, path, deps): Parsed<unknown> {
      const findings = new Findings();
      return findings.result<unknown>(readFault(config, path, deps, findings));
    },
  },
});

const nothing: Buffer = Buffer.alloc(0);

class FaultFilter implements HttpFilter, FaultOwner {
  readonly deps: FilterDeps;
  readonly stats: FaultStats;
  active = 0;
  readonly #settings: FaultSettings;

  constructor(settings: FaultSettings, deps: FilterDeps) {
    this.#settings = settings;
    this.deps = deps;
    this.stats = new FaultStats(deps);
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { name, slot } = this.deps;
    const settings = (exchange.routeConfig(name) as FaultSettings | undefined) ?? this.#settings;
    if (!isMeant(exchange, settings)) return undefined;
    const fault = new Fault(this, exchange, settings, exchange);
    exchange.slots[slot] = fault;
    return fault.begin();
  }

  onResponseData(exchange: Exchange, data: Buffer): Buffer | undefined {
    const limiter = this.#faultOf(exchange)?.limiter;
    if (limiter === undefined) return undefined;
    limiter.write(data);
    return nothing;
  }

  onResponseEnd(exchange: Exchange): undefined | 'wait' {
    return this.#faultOf(exchange)?.limiter?.end() === true ? 'wait' : undefined;
  }

  onEnd(exchange: Exchange): void {
    this.#faultOf(exchange)?.end();
  }

  #faultOf(exchange: Exchange): Fault | undefined {
    return exchange.slots[this.deps.slot] as Fault | undefined;
  }
}
