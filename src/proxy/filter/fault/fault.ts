/** What is done on purpose to one request, or to one try of it. */
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { headerOf } from '#http/header-list.ts';
import { noRuntime, type RuntimeValues } from '../../runtime/values.ts';
import type { Exchange, FilterDeps, LocalReply } from '../contract.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type FaultKeys, type FaultSettings, keyOfCaller } from './settings.ts';
import type { FaultStats } from './stats.ts';

/** The filter that a fault is of. */
export interface FaultOwner {
  readonly deps: FilterDeps;
  readonly stats: FaultStats;
  /** Faults under way on this thread. */
  active: number;
}

/** What goes on, or is answered, after a delay. */
export interface Delayed {
  resume(reply?: LocalReply): void;
}

export function isMeant(exchange: Exchange, settings: FaultSettings): boolean {
  const { upstreamCluster, downstreamNodes, headers } = settings;
  if (upstreamCluster !== '' && exchange.cluster?.name !== upstreamCluster) return false;
  if (downstreamNodes.size > 0) {
    const node = headerOf(exchange.requestHeaders, 'x-envoy-downstream-service-node');
    if (node === undefined || !downstreamNodes.has(node)) return false;
  }
  return headers.every((matches) => matches(exchange));
}

export class Fault implements TimerOwner {
  limiter: RateLimiter | undefined = undefined;
  readonly #filter: FaultOwner;
  readonly #exchange: Exchange;
  readonly #settings: FaultSettings;
  readonly #delayed: Delayed;
  readonly #caller: string;
  #timer: Timer | undefined = undefined;
  #isActive = false;

  constructor(filter: FaultOwner, exchange: Exchange, settings: FaultSettings, delayed: Delayed) {
    this.#filter = filter;
    this.#exchange = exchange;
    this.#delayed = delayed;
    this.#settings = settings;
    this.#caller = settings.countsClusters ? (this.#header('x-envoy-downstream-service-cluster') ?? '') : '';
  }

  begin(): 'wait' | LocalReply | undefined {
    this.#limitRate();
    return this.#delay() ? 'wait' : this.#abort();
  }

  onTimer(): void {
    this.#delayed.resume(this.#abort());
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
