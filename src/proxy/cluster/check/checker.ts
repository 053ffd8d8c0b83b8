/** Checks the endpoints of a cluster, in one thread of the process (Envoy, "Health checking"). */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { Counter, Gauge, Scope } from '#observe/metrics-contract.ts';
import type { PoolDeps, PoolSettings } from '../../pool/settings.ts';
import type { RuntimeValues } from '../../runtime/values.ts';
import type { UpstreamTransport } from '../../tls/upstream.ts';
import { Endpoint, plainTraits } from '../endpoint.ts';
import type { CheckEventLog } from './event-log.ts';
import { grpcQuestion } from './grpc-question.ts';
import { HttpProbe, httpQuestion } from './http-probe.ts';
import type { Probe, ProbeHandler, ProbePlace } from './probe.ts';
import { CheckSession, type Transition } from './session.ts';
import type { CheckSettings } from './settings.ts';
import { TcpProbe } from './tcp-probe.ts';

export interface CheckStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly networkFailure: Counter;
  readonly passiveFailure: Counter;
  readonly verifyCluster: Counter;
  readonly healthy: Gauge;
  readonly degraded: Gauge;
}

export interface CheckerDeps {
  readonly clock: Clock;
  readonly runtime: RuntimeValues;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly scope: Scope;
  readonly cluster: string;
  readonly pool: PoolSettings;
  readonly poolDeps: PoolDeps;
  readonly log: CheckEventLog | undefined;
  /** Whether anything was ever sent to the cluster. */
  hasTraffic(): boolean;
  transportFor(endpoint: Endpoint): UpstreamTransport;
  setFlags(endpoint: Endpoint, flags: number): void;
  /** A check has ended. */
  onResult(endpoint: Endpoint, passed: boolean): void;
}

export class HealthChecker {
  readonly settings: CheckSettings;
  readonly deps: CheckerDeps;
  readonly stats: CheckStats;
  readonly #sessions = new Map<Endpoint, CheckSession>();

  constructor(settings: CheckSettings, deps: CheckerDeps) {
    this.settings = settings;
    this.deps = deps;
    this.stats = createCheckStats(deps.scope, settings.name);
  }

  get log(): CheckEventLog | undefined {
    return this.deps.log;
  }

  add(endpoint: Endpoint): void {
    if (endpoint.traits.check.disabled) return;
    const session = new CheckSession(endpoint, this, (handler) => this.#probeFor(endpoint, handler));
    this.#sessions.set(endpoint, session);
    session.start();
  }

  remove(endpoint: Endpoint): void {
    this.#sessions.get(endpoint)?.close();
    this.#sessions.delete(endpoint);
  }

  /** Endpoints of which no check has ended yet. */
  get isWaiting(): boolean {
    for (const session of this.#sessions.values()) if (session.isNew) return true;
    return false;
  }

  /** An answer to a request said so. */
  failPassively(endpoint: Endpoint): void {
    this.#sessions.get(endpoint)?.failPassively();
  }

  onResult({ endpoint }: CheckSession, passed: boolean): void {
    this.deps.onResult(endpoint, passed);
  }

  /** How long after a check the next one comes. */
  intervalMs(healthy: boolean, transition: Transition): number {
    const of = this.settings;
    const pending = transition === 'pending';
    let ms: number;
    if (!this.deps.hasTraffic()) ms = healthy && !pending ? of.noTrafficHealthyMs : of.noTrafficMs;
    else if (healthy) ms = pending ? of.healthyEdgeMs : of.intervalMs;
    else ms = pending ? of.unhealthyEdgeMs : of.unhealthyMs;
    const { random } = this.deps;
    const ofPercent = Math.floor((of.jitterPercent * ms) / 100);
    if (ofPercent > 0) ms += random.below(ofPercent);
    if (of.jitterMs > 0) ms += random.below(Math.ceil(of.jitterMs));
    const { runtime } = this.deps;
    ms = Math.min(ms, runtime.integer('health_check.max_interval', Number.POSITIVE_INFINITY));
    return Math.max(1, ms, runtime.integer('health_check.min_interval', 0));
  }

  #probeFor(endpoint: Endpoint, handler: ProbeHandler): Probe {
    const { cluster, pool, poolDeps, transportFor } = this.deps;
    const { check, reusesConnection, alpn } = this.settings;
    const { target = endpoint.target, address = endpoint.address, hostname } = endpoint.traits.check;
    const place: ProbePlace = {
      endpoint: new Endpoint(target, address, plainTraits(endpoint.hostname), transportFor(endpoint)),
      settings: pool,
      deps: alpn.length === 0 ? poolDeps : { ...poolDeps, server: { protocols: [...alpn] } },
      ...{ hostname, cluster, reusesConnection },
    };
    if (check.kind === 'tcp') return new TcpProbe(place, check, handler);
    const question = check.kind === 'http' ? httpQuestion(check, place) : grpcQuestion(check, place);
    return new HttpProbe(place, question, handler);
  }

  close(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
  }
}

function createCheckStats(scope: Scope, name: string): CheckStats {
  const prefix = name === '' ? 'health_check.' : `health_check.name.${name}.`;
  const counter = (of: string): Counter => scope.counter(`${prefix}${of}`);
  return {
    attempt: counter('attempt'),
    success: counter('success'),
    failure: counter('failure'),
    networkFailure: counter('network_failure'),
    passiveFailure: counter('passive_failure'),
    verifyCluster: counter('verify_cluster'),
    healthy: scope.gauge(`${prefix}healthy`),
    degraded: scope.gauge(`${prefix}degraded`),
  };
}
