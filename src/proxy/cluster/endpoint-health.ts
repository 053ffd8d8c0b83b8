/**
 * The health of the endpoints of a cluster that is checked or watched: what all threads know alike of it, who decides,
 * and who is told. The first thread decides; the others count, and follow.
 */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { Scope } from '#observe/metrics-contract.ts';
import type { OutlierStatus } from '../contract.ts';
import type { LineSink } from '../data-path-deps.ts';
import type { PoolDeps, PoolSettings } from '../pool/settings.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import type { ServingThread } from '../threads/serving-thread.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { HealthChecker } from './check/checker.ts';
import { CheckEventLog } from './check/event-log.ts';
import type { CheckSettings } from './check/settings.ts';
import type { Endpoint } from './endpoint.ts';
import { EDS_FLAGS, healthFlag } from './health.ts';
import { HostCells, type HostRow } from './host-cells.ts';
import { OutlierDetector } from './outlier/detector.ts';
import { OutlierEventLog } from './outlier/event-log.ts';
import { HostMonitor, hit } from './outlier/monitor.ts';
import { withRuntime } from './outlier/runtime-settings.ts';
import type { OutlierSettings } from './outlier/settings.ts';
import { createOutlierStats } from './outlier/stats.ts';

/**
 * What one thread tells the others of a cluster: that it found something (`hits`), which the first one judges, or that
 * the health of endpoints is another now.
 */
export type HostEvent = 'hits' | 'health';

export interface EndpointHealthSettings {
  readonly name: string;
  readonly outlier: OutlierSettings | undefined;
  readonly checks: CheckSettings | undefined;
  /** Whether endpoints do not count before their first check. */
  readonly ignoresNew: boolean;
  readonly pool: PoolSettings;
}

export interface EndpointHealthDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: RuntimeValues;
  readonly wheel: TimerWheel;
  readonly scope: Scope;
  readonly thread: ServingThread | undefined;
  /** Absent where one thread serves. */
  readonly memory: SharedArrayBuffer | undefined;
  readonly poolDeps: PoolDeps;
  /** Where ejections are told of; undefined: nowhere. */
  readonly outlierLogPath: string | undefined;
  openLog(path: string): LineSink;
  /** Of connections of checks. */
  transportFor(endpoint: Endpoint): UpstreamTransport;
  tellThreads(event: HostEvent): void;
  /** Flags have changed. */
  onChange(changes: readonly HealthChange[]): void;
}

export interface HealthChange {
  readonly endpoint: Endpoint;
  /** Its flags before. */
  readonly before: number;
}

export class EndpointHealth {
  readonly #settings: EndpointHealthSettings;
  /** As the runtime has it now. */
  readonly #outlier: OutlierSettings | undefined;
  readonly #deps: EndpointHealthDeps;
  readonly #cells: HostCells;
  readonly #endpoints = new Set<Endpoint>();
  /** In the thread that decides. */
  readonly #detector: OutlierDetector | undefined;
  readonly #checker: HealthChecker | undefined;
  readonly #firstRound = Promise.withResolvers<void>();
  #awaitsFirstRound = false;
  #judging = false;
  #closed = false;

  constructor(settings: EndpointHealthSettings, deps: EndpointHealthDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#outlier = settings.outlier && { ...settings.outlier };
    this.onRuntime();
    const alone = { index: 0, count: 1 };
    this.#cells = new HostCells(deps.memory ?? HostCells.memory(1), deps.memory ? deps.thread! : alone);
    if ((deps.thread?.index ?? 0) !== 0) return;
    this.#detector = this.#makeDetector();
    this.#checker = this.#makeChecker();
  }

  /** Values of the runtime have changed. */
  onRuntime(): void {
    const { outlier } = this.#settings;
    if (outlier !== undefined) Object.assign(this.#outlier!, withRuntime(outlier, this.#deps.runtime));
  }

  #makeDetector(): OutlierDetector | undefined {
    const { name } = this.#settings;
    const outlier = this.#outlier;
    if (outlier === undefined) return undefined;
    const { clock, random, wheel, scope, outlierLogPath, openLog } = this.#deps;
    return new OutlierDetector(outlier, {
      ...{ clock, random, wheel, stats: createOutlierStats(scope) },
      log:
        outlierLogPath === undefined ? undefined : new OutlierEventLog(name, openLog(outlierLogPath), clock),
      setFlags: (endpoint, flags) => this.#setFlags(endpoint, flags),
    });
  }

  #makeChecker(): HealthChecker | undefined {
    const { checks, name, pool } = this.#settings;
    if (checks === undefined) return undefined;
    const { clock, random, wheel, scope, runtime, poolDeps, openLog, transportFor } = this.#deps;
    const sinks = checks.logPaths.map((path) => openLog(path));
    return new HealthChecker(checks, {
      ...{ clock, random, wheel, scope, runtime, cluster: name, pool, poolDeps, transportFor },
      log: sinks.length === 0 ? undefined : new CheckEventLog(name, checks.check.kind, sinks, clock),
      hasTraffic: () => this.#cells.hasTraffic,
      setFlags: (endpoint, flags) => this.#setFlags(endpoint, flags),
      onResult: (endpoint, passed) => {
        if (passed) this.#detector?.onCheckPassed(endpoint);
        this.#endFirstRound();
      },
    });
  }

  /**
   * Resolves when every endpoint there is has been checked once, with whatever result: a cluster serves from then on.
   */
  checkedOnce(): Promise<void> {
    if (this.#settings.checks === undefined || this.#closed) return Promise.resolve();
    this.#awaitsFirstRound = true;
    this.#endFirstRound();
    return this.#firstRound.promise;
  }

  #endFirstRound(): void {
    if (!this.#awaitsFirstRound) return;
    if (this.#checker === undefined ? !this.#cells.checked : this.#checker.isWaiting) return;
    this.#awaitsFirstRound = false;
    this.#firstRound.resolve();
    if (this.#checker === undefined) return;
    this.#cells.markChecked();
    this.#deps.tellThreads('health');
  }

  /** A new endpoint, which nobody picks yet. @param key the same in all threads */
  admit(key: string, endpoint: Endpoint): void {
    const { checks, ignoresNew } = this.#settings;
    const outlier = this.#outlier;
    const isChecked = checks !== undefined && !endpoint.traits.check.disabled;
    const pending = ignoresNew ? healthFlag.pending_active_hc : 0;
    const row = this.#cells.enter(key, isChecked ? healthFlag.failed_active_hc | pending : 0);
    endpoint.row = row;
    endpoint.flags = endpoint.traits.edsFlags | row.get('flags');
    this.#endpoints.add(endpoint);
    if (outlier !== undefined || isChecked) {
      endpoint.monitor = new HostMonitor(outlier, isChecked, row, () => this.#onHit());
    }
    this.#detector?.add(endpoint, row);
    this.#checker?.add(endpoint);
  }

  /** It is in no load assignment any more. */
  dismiss(endpoint: Endpoint): void {
    if (!this.#endpoints.delete(endpoint)) return;
    this.#detector?.remove(endpoint);
    this.#checker?.remove(endpoint);
    endpoint.monitor = undefined;
    const row: HostRow = endpoint.row!;
    endpoint.row = undefined;
    row.leave();
  }

  hear(event: HostEvent): void {
    if (this.#closed) return;
    if (event === 'hits') {
      this.#onHits();
      return;
    }
    this.#endFirstRound();
    const changes: HealthChange[] = [];
    for (const endpoint of this.#endpoints) {
      const before = endpoint.flags;
      endpoint.flags = endpoint.traits.edsFlags | endpoint.row!.get('flags');
      if (endpoint.flags !== before) changes.push({ endpoint, before });
    }
    if (changes.length > 0) this.#deps.onChange(changes);
  }

  #onHit(): void {
    if (this.#detector === undefined && this.#checker === undefined) {
      this.#deps.tellThreads('hits');
      return;
    }
    if (this.#judging) return;
    this.#judging = true;
    // Not within what the endpoint's answer is being read for.
    queueMicrotask(() => {
      this.#judging = false;
      if (!this.#closed) this.#onHits();
    });
  }

  #onHits(): void {
    for (const endpoint of this.#endpoints) {
      const bits = endpoint.row!.take('hits');
      if (bits === 0) continue;
      if ((bits & hit.immediate_failure) !== 0) this.#checker?.failPassively(endpoint);
      this.#detector?.onHits(endpoint, bits);
    }
  }

  /** Whether an endpoint that is in no assignment any more stays, as checks find it well. */
  keeps(endpoint: Endpoint): boolean {
    return this.#settings.checks !== undefined && (endpoint.flags & healthFlag.failed_active_hc) === 0;
  }

  /** @param gone whether it is in no assignment any more */
  setGone(endpoint: Endpoint, gone: boolean): void {
    const flag = healthFlag.pending_dynamic_removal;
    if (((endpoint.flags & flag) !== 0) === gone) return;
    endpoint.flags ^= flag;
    endpoint.row?.set('flags', endpoint.flags & ~EDS_FLAGS);
  }

  #setFlags(endpoint: Endpoint, flags: number): void {
    const before = endpoint.flags;
    endpoint.flags = flags;
    endpoint.row!.set('flags', flags & ~EDS_FLAGS);
    this.#deps.onChange([{ endpoint, before }]);
    this.#deps.tellThreads('health');
  }

  /** What is known of rates of success; undefined where nobody looks for them here. */
  outlierStatus(): OutlierStatus | undefined {
    const detector = this.#detector;
    return detector && { external: detector.rates, local: detector.localRates };
  }

  /** Percents of the last interval; -1: not known. */
  ratesOf(endpoint: Endpoint): { readonly successRate: number; readonly localOriginSuccessRate: number } {
    const suspect = this.#detector?.suspect(endpoint);
    return { successRate: suspect?.rate ?? -1, localOriginSuccessRate: suspect?.localRate ?? -1 };
  }

  /** Nothing is decided any more. */
  close(): void {
    this.#closed = true;
    this.#firstRound.resolve();
    this.#detector?.close();
    this.#checker?.close();
  }
}
