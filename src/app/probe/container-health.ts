/**
 * What the probes of one container say: whether it is ready, and whether it has to be started anew.
 * One per container, over all its runs.
 *
 * down -> starting (startup probe) -> up (liveness and readiness probes) -> down
 */
import type { ProbeOutcome, TryLimit } from './perform-probe.ts';
import type { PlannedAction, ProbePlan, ProbePlans } from './probe-plan.ts';

export interface ContainerHealthDeps {
  /** Does not reject. */
  perform(action: PlannedAction, limit: TryLimit): Promise<ProbeOutcome>;
  /** `ready` may be another than before. */
  onChange(): void;
  /** It has not started, or does not live, as `reason` says. */
  onFailed(probe: 'startup' | 'liveness', reason: string, graceMs: number | undefined): void;
}

/** After a readiness probe's first failures somebody wants to know soon that it has become ready. */
const NOT_READY_PERIOD_MS = 1000;

export class ContainerHealth {
  readonly #plans: ProbePlans;
  readonly #deps: ContainerHealthDeps;
  readonly #series = new Set<ProbeSeries>();
  #isUp = false;
  #passed = false;
  /** Why the readiness probe fails; '' where it does not. */
  #reason = '';

  constructor(plans: ProbePlans, deps: ContainerHealthDeps) {
    this.#plans = plans;
    this.#deps = deps;
  }

  /** Whether its readiness is for its probes to say. */
  get decides(): boolean {
    return this.#plans.readiness !== undefined || this.#plans.startup !== undefined;
  }

  /** Whether it has started, as its startup probe says. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Of a container whose probes decide. */
  get ready(): boolean {
    return this.#isUp && (this.#plans.readiness === undefined || this.#passed);
  }

  /** Why it is not ready, as far as a probe has said. */
  get reason(): string {
    return this.#reason;
  }

  /** Its process runs. */
  started(): void {
    this.ended();
    const { startup } = this.#plans;
    if (startup === undefined) this.#up();
    else {
      const series = this.#begin(startup, {
        onPassed: () => {
          this.#end(series);
          this.#reason = '';
          this.#up();
        },
        onFailed: (reason) => this.#fail('startup', reason, startup),
        onOutcome: (reason) => (this.#reason = reason),
      });
    }
  }

  /** It does not run, or is not to be asked any more. */
  ended(): void {
    for (const series of this.#series) series.stop();
    this.#series.clear();
    this.#isUp = false;
    this.#passed = false;
    this.#reason = '';
  }

  #up(): void {
    this.#isUp = true;
    const { liveness, readiness } = this.#plans;
    if (liveness !== undefined) {
      this.#begin(liveness, {
        onPassed: () => {},
        onFailed: (reason) => this.#fail('liveness', reason, liveness),
        onOutcome: () => {},
      });
    }
    if (readiness !== undefined) {
      this.#begin(
        readiness,
        {
          onPassed: () => this.#judge(true),
          onFailed: () => this.#judge(false),
          onOutcome: (reason) => (this.#reason = reason),
        },
        () => (this.#passed ? readiness.periodMs : Math.min(readiness.periodMs, NOT_READY_PERIOD_MS)),
      );
    }
    this.#deps.onChange();
  }

  #judge(passed: boolean): void {
    if (passed === this.#passed) return;
    this.#passed = passed;
    this.#deps.onChange();
  }

  #fail(probe: 'startup' | 'liveness', reason: string, { graceMs }: ProbePlan): void {
    this.ended();
    this.#deps.onChange();
    this.#deps.onFailed(probe, reason, graceMs);
  }

  #begin(plan: ProbePlan, listener: SeriesListener, period?: () => number): ProbeSeries {
    const series = new ProbeSeries(plan, this.#deps, listener, period ?? (() => plan.periodMs));
    this.#series.add(series);
    return series;
  }

  #end(series: ProbeSeries): void {
    series.stop();
    this.#series.delete(series);
  }
}

interface SeriesListener {
  /** So many successes in a row, or so many failures, as the plan says; told again at each further one. */
  onPassed(): void;
  onFailed(reason: string): void;
  /** Of each try; '' where all was well. */
  onOutcome(reason: string): void;
}

/** The tries of one probe, one after the other. */
class ProbeSeries {
  readonly #plan: ProbePlan;
  readonly #perform: ContainerHealthDeps['perform'];
  readonly #listener: SeriesListener;
  readonly #periodMs: () => number;
  #timer: NodeJS.Timeout;
  #successes = 0;
  #failures = 0;
  readonly #stopped = new AbortController();

  constructor(
    plan: ProbePlan,
    { perform }: Pick<ContainerHealthDeps, 'perform'>,
    listener: SeriesListener,
    periodMs: () => number,
  ) {
    this.#plan = plan;
    this.#perform = perform;
    this.#listener = listener;
    this.#periodMs = periodMs;
    this.#timer = setTimeout(() => void this.#try(), plan.initialDelayMs);
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
  }

  async #try(): Promise<void> {
    const startedMs = performance.now();
    const { action, timeoutMs, successThreshold, failureThreshold } = this.#plan;
    const { signal } = this.#stopped;
    const reason = await this.#perform(action, { timeoutMs, signal });
    if (signal.aborted) return;
    this.#listener.onOutcome(reason);
    if (reason === '') {
      this.#failures = 0;
      if (++this.#successes >= successThreshold) this.#listener.onPassed();
    } else {
      this.#successes = 0;
      if (++this.#failures >= failureThreshold) this.#listener.onFailed(reason);
    }
    if (signal.aborted) return;
    const tookMs = performance.now() - startedMs;
    this.#timer = setTimeout(() => void this.#try(), Math.max(0, this.#periodMs() - tookMs));
  }
}
