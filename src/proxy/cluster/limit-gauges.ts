/**
 * Shows a limit of a circuit breaker: `…_open`, 1 while it is reached, and where that is asked for `remaining_…`, what
 * may still be taken. Threads add to the gauges what they saw happen; the sum is what all of them did.
 */
import type { Gauge, Scope } from '#observe/metrics-contract.ts';
import type { RequestPriority } from '../route/action.ts';

export class LimitGauges {
  #limit: number;
  readonly #scope: Scope;
  readonly #openName: string;
  #openGauge: Gauge | undefined;
  readonly #remaining: Gauge | undefined;
  readonly #begins: boolean;
  #open = 0;
  #left = 0;
  #retired = false;

  /**
   * @param name such as `rq_pending`
   * @param begins whether it is this thread that shows what is left at first; undefined where that is not shown
   */
  constructor(
    scope: Scope,
    priority: RequestPriority,
    name: string,
    limit: number,
    begins: boolean | undefined,
  ) {
    this.#limit = limit;
    this.#scope = scope;
    this.#openName = openName(priority, name);
    this.#begins = begins === true;
    if (begins === undefined) return;
    this.#remaining = scope.gauge(remainingName(priority, name));
    if (begins) this.#leave(limit);
  }

  /** @param value what is taken now. */
  onTaken(value: number): void {
    if (value === this.#limit) this.#reach(1);
    if (this.#remaining !== undefined && value <= this.#limit) this.#leave(-1);
  }

  onReleased(value: number): void {
    if (value === this.#limit - 1) this.#reach(-1);
    if (this.#remaining !== undefined && value < this.#limit) this.#leave(1);
  }

  /** Another limit holds from now on. @param value what is taken now */
  setLimit(limit: number, value: number): void {
    if (limit === this.#limit) return;
    const open = value >= limit ? 1 : 0;
    if (this.#begins) this.#leave(limit - this.#limit);
    this.#limit = limit;
    // The thread that has seen it reached is the one to take that back.
    if (open !== this.#open && (open === 0 || this.#begins)) this.#reach(open - this.#open);
  }

  /** Another shows the same limit from now on. */
  retire(): void {
    this.#reach(-this.#open);
    if (this.#remaining !== undefined) this.#leave(-this.#left);
    this.#retired = true;
  }

  #reach(by: number): void {
    if (by === 0 || this.#retired) return;
    this.#openGauge ??= this.#scope.gauge(this.#openName);
    this.#open += by;
    this.#openGauge.add(by);
  }

  #leave(by: number): void {
    if (this.#retired) return;
    this.#left += by;
    this.#remaining!.add(by);
  }
}

const openNames = new Map<string, string>();

/** One text for all clusters. */
function openName(priority: RequestPriority, name: string): string {
  const written = `circuit_breakers.${priority}.${name}_open`;
  const known = openNames.get(written);
  if (known !== undefined) return known;
  openNames.set(written, written);
  return written;
}

/** Where they differ from the name of the limit. */
const remainingNames: Readonly<Record<string, string>> = {
  cx: 'cx',
  rq: 'rq',
  rq_pending: 'pending',
  rq_retry: 'retries',
};

/** @param limit such as `rq_pending` */
export function remainingName(priority: RequestPriority, limit: string): string {
  return `circuit_breakers.${priority}.remaining_${remainingNames[limit] ?? limit}`;
}
