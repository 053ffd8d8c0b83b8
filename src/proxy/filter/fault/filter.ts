/** Delays and aborts requests, and slows responses down, on purpose (Envoy, "Fault injection"). */
import type { Parsed } from '#core/problem.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { headerOf } from '#http/header-list.ts';
import { HTTPFaultSchema } from '#xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { Findings } from '../../findings.ts';
import { noRuntime, type RuntimeValues } from '../../runtime/values.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, LocalReply, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type FaultKeys, type FaultSettings, keyOfCaller, readFault } from './settings.ts';
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

class FaultFilter implements HttpFilter {
  readonly deps: FilterDeps;
  readonly stats: FaultStats;
  /** Faults under way on this thread. */
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
    const fault = new Fault(this, exchange, settings);
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

function isMeant(exchange: Exchange, settings: FaultSettings): boolean {
  const { upstreamCluster, downstreamNodes, headers } = settings;
  if (upstreamCluster !== '' && exchange.cluster?.name !== upstreamCluster) return false;
  if (downstreamNodes.size > 0) {
    const node = headerOf(exchange.requestHeaders, 'x-envoy-downstream-service-node');
    if (node === undefined || !downstreamNodes.has(node)) return false;
  }
  return headers.every((matches) => matches(exchange));
}

/** What is done to one request. */
class Fault implements TimerOwner {
  limiter: RateLimiter | undefined = undefined;
  readonly #filter: FaultFilter;
  readonly #exchange: Exchange;
  readonly #settings: FaultSettings;
  readonly #caller: string;
  #timer: Timer | undefined = undefined;
  #isActive = false;

  constructor(filter: FaultFilter, exchange: Exchange, settings: FaultSettings) {
    this.#filter = filter;
    this.#exchange = exchange;
    this.#settings = settings;
    this.#caller = settings.countsClusters ? (this.#header('x-envoy-downstream-service-cluster') ?? '') : '';
  }

  begin(): Verdict {
    this.#limitRate();
    return this.#delay() ? 'wait' : this.#abort();
  }

  onTimer(): void {
    this.#exchange.resume(this.#abort());
  }

  end(): void {
    if (this.#timer !== undefined) this.#exchange.wheel.disarm(this.#timer);
    this.limiter?.stop();
    if (!this.#isActive) return;
    this.#isActive = false;
    this.#filter.active--;
    this.#filter.stats.active_faults.add(-1);
  }

  get #runtime(): RuntimeValues {
    return this.#filter.deps.runtime ?? noRuntime;
  }

  /** Of the calling cluster, where that is known. */
  #key(name: keyof FaultKeys): string {
    return this.#caller === '' ? this.#settings.keys[name] : keyOfCaller(this.#caller, name);
  }

  #value(name: keyof FaultKeys, otherwise: number): number {
    const runtime = this.#runtime;
    if (runtime.version === 0) return otherwise;
    const value = runtime.integer(this.#settings.keys[name], otherwise);
    return this.#caller === '' ? value : runtime.integer(keyOfCaller(this.#caller, name), value);
  }

  #header(name: string): string | undefined {
    return headerOf(this.#exchange.requestHeaders, name);
  }

  /** Undefined where there is none, or none that is a number. */
  #number(name: string): number | undefined {
    const value = this.#header(name);
    return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  }

  /** @returns whether there may be one fault more */
  #becomeActive(): boolean {
    if (this.#isActive) return true;
    const { stats } = this.#filter;
    const { maxActive, keys } = this.#settings;
    if (this.#filter.active >= this.#runtime.integer(keys.maxActive, maxActive)) {
      stats.faults_overflow.inc();
      return false;
    }
    this.#isActive = true;
    this.#filter.active++;
    stats.active_faults.add(1);
    return true;
  }

  #limitRate(): void {
    const { rateLimit } = this.#settings;
    if (rateLimit === undefined) return;
    const byHeader = rateLimit.kbps === undefined;
    const atMost = byHeader ? this.#number('x-envoy-fault-throughput-response-percentage') : undefined;
    if (!rateLimit.share.draw(atMost, this.#settings.keys.ratePercent)) return;
    const kbps = rateLimit.kbps ?? this.#number('x-envoy-fault-throughput-response') ?? 0;
    if (kbps === 0 || !this.#becomeActive()) return;
    const { deps, stats } = this.#filter;
    stats.response_rl_injected.inc();
    this.limiter = new RateLimiter(this.#exchange, deps.slot, deps.clock, kbps);
  }

  #delay(): boolean {
    const { delay } = this.#settings;
    if (delay === undefined) return false;
    const byHeader = delay.fixedMs === undefined;
    const atMost = byHeader ? this.#number('x-envoy-fault-delay-request-percentage') : undefined;
    if (!delay.share.draw(atMost, this.#key('delayPercent'))) return false;
    const asked = delay.fixedMs ?? this.#number('x-envoy-fault-delay-request') ?? 0;
    const delayMs = this.#value('delayMs', asked);
    if (delayMs === 0 || !this.#becomeActive()) return false;
    const exchange = this.#exchange;
    this.#timer = new Timer(this, 0);
    exchange.wheel.arm(this.#timer, delayMs);
    this.#filter.stats.count('delays_injected', this.#caller);
    exchange.addFlag('DI');
    this.#tell();
    return true;
  }

  #abort(): LocalReply | undefined {
    const { abort } = this.#settings;
    if (abort === undefined) return undefined;
    const byHeader = abort.httpStatus === undefined && abort.grpcStatus === undefined;
    const atMost = byHeader ? this.#number('x-envoy-fault-abort-request-percentage') : undefined;
    if (!abort.share.draw(atMost, this.#key('abortPercent'))) return undefined;
    const configured = byHeader ? this.#askedStatus() : abort.httpStatus;
    const asked = configured === undefined ? undefined : this.#value('httpStatus', configured);
    const grpcAsked =
      byHeader && asked === undefined ? this.#number('x-envoy-fault-abort-grpc-request') : abort.grpcStatus;
    const grpcStatus = grpcAsked === undefined ? undefined : this.#value('grpcStatus', grpcAsked);
    const status = grpcStatus === undefined ? asked : 200;
    if (status === undefined || !this.#becomeActive()) return undefined;
    this.#filter.stats.count('aborts_injected', this.#caller);
    this.#tell();
    const reply = { status, body: abort.body, flag: 'FI', details: 'fault_filter_abort' };
    return grpcStatus === undefined ? reply : { ...reply, grpcStatus };
  }

  #askedStatus(): number | undefined {
    const status = this.#number('x-envoy-fault-abort-request');
    return status !== undefined && status >= 200 && status <= 599 ? status : undefined;
  }

  #tell(): void {
    const { metadata } = this.#settings;
    if (metadata !== undefined) this.#exchange.setMetadata(this.#filter.deps.name, metadata);
  }
}
