/** Looks at how much memory the process has taken, and says what it must stop doing (Envoy, "Overload manager"). */
import type { Clock } from '#core/clock.ts';
import type { Gauge, MetricRegistry } from '#observe/metrics-contract.ts';
import type { OverloadSettings } from './settings.ts';
import type { OverloadState } from './state.ts';

export interface OverloadDeps {
  readonly clock: Clock;
  readonly metrics: MetricRegistry;
  /** Bytes of memory the process has taken. */
  readonly usedBytes: () => number;
  /** Told when an action begins or ends. */
  readonly onAction: (action: string, active: boolean, pressure: number) => void;
}

export class OverloadMonitor {
  readonly state: OverloadState = {
    stopsRequests: false,
    disablesKeepAlive: false,
    rejectsConnections: false,
  };
  readonly #settings: OverloadSettings;
  readonly #deps: OverloadDeps;
  /** By the names of monitors, in percent. */
  readonly #pressures: ReadonlyMap<string, Gauge>;
  readonly #active: readonly Gauge[];
  #stop: (() => void) | undefined;

  constructor(settings: OverloadSettings, deps: OverloadDeps) {
    this.#settings = settings;
    this.#deps = deps;
    const scopeOf = (name: string): Gauge =>
      deps.metrics
        .scope({ path: `overload.${name}`, family: 'overload', labels: { name } })
        .gauge('pressure');
    this.#pressures = new Map(settings.memory.map(({ name }) => [name, scopeOf(name)]));
    this.#active = settings.actions.map(({ name }) =>
      deps.metrics.scope({ path: `overload.${name}`, family: 'overload', labels: { name } }).gauge('active'),
    );
  }

  /** Looks now, and from now on in the interval. */
  start(): void {
    this.#look();
    this.#stop = this.#deps.clock.after(this.#settings.refreshMs, () => this.start());
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  #look(): void {
    const { memory, actions } = this.#settings;
    const used = this.#deps.usedBytes();
    for (const { name, maxBytes } of memory)
      this.#pressures.get(name)!.set(Math.round((100 * used) / maxBytes));
    const on = { stopsRequests: false, disablesKeepAlive: false, rejectsConnections: false };
    actions.forEach(({ name, effect, triggers }, i) => {
      let pressure = 0;
      const isOn = triggers.some(({ monitor, threshold }) => {
        pressure = used / (memory.find((one) => one.name === monitor)?.maxBytes ?? Number.POSITIVE_INFINITY);
        return pressure >= threshold;
      });
      if (isOn) on[effect] = true;
      const gauge = this.#active[i]!;
      if (gauge.value === Number(isOn)) return;
      gauge.set(Number(isOn));
      this.#deps.onAction(name, isOn, pressure);
    });
    Object.assign(this.state, on);
  }
}
