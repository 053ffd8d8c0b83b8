/** Looks at what the process takes, and says what it must stop doing (Envoy, "Overload manager"). */
import type { Clock } from '#core/clock.ts';
import type { Counter, Gauge, MetricRegistry, Scope } from '#observe/metrics-contract.ts';
import type { ActionSettings, OverloadSettings, Resource, TriggerSettings } from './settings.ts';
import { noParts, type OverloadParts, type OverloadState, type ShedPoint } from './state.ts';
import { StreamAccounts } from './stream-accounts.ts';
import { TimerScales } from './timer-scales.ts';

export interface OverloadDeps {
  readonly clock: Clock;
  readonly metrics: MetricRegistry;
  /** From 0 to 1 and more; undefined where it cannot be said now. */
  readonly pressureOf: (resource: Resource) => number | undefined;
  /** Told when an action begins or ends to be due in full. */
  readonly onAction: (action: string, active: boolean, percent: number) => void;
  /** Asked for with every look while it is due. @returns whether it was done */
  readonly shrinkHeap: () => boolean;
}

interface Watched {
  readonly action: ActionSettings;
  /** Points have none. */
  readonly active: Gauge | undefined;
  readonly scalePercent: Gauge;
  /** Of `shrink_heap`. */
  readonly shrinks: Counter | undefined;
  isOn: boolean;
  /** As of the last look. */
  part: number;
}

export class OverloadMonitor {
  readonly #shed = new Map<string, Counter>();
  readonly state: OverloadState;
  readonly #settings: OverloadSettings;
  readonly #deps: OverloadDeps;
  /** From 0 to 1 and more, by the names of monitors. */
  readonly #pressures = new Map<string, number>();
  readonly #gauges: ReadonlyMap<string, { readonly pressure: Gauge; readonly failed: Counter }>;
  readonly #watched: readonly Watched[];
  /** Streams. */
  readonly #resets: Counter | undefined;
  #stop: (() => void) | undefined;

  constructor(settings: OverloadSettings, deps: OverloadDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.state = {
      ...noParts,
      timers: new TimerScales(settings.actions.flatMap(({ timers }) => timers)),
      accounts: settings.actions.some(({ effect }) => effect === 'resetsStreams')
        ? new StreamAccounts(settings.accountPower!)
        : undefined,
      onShed: (point: ShedPoint) => this.#shed.get(point)?.inc(),
    };
    if (this.state.accounts !== undefined)
      this.#resets = deps.metrics
        .scope({
          path: 'envoy.overload_actions.reset_high_memory_stream',
          family: 'overload_streams',
          labels: {},
        })
        .counter('count');
    const scopeOf = (name: string): Scope =>
      deps.metrics.scope({ path: `overload.${name}`, family: 'overload', labels: { name } });
    this.#gauges = new Map(
      settings.monitors.map(({ name }) => {
        const scope = scopeOf(name);
        // A look waits for none before it.
        scope.counter('skipped_updates');
        return [name, { pressure: scope.gauge('pressure'), failed: scope.counter('failed_updates') }];
      }),
    );
    this.#watched = settings.actions.map((action) => {
      const scope = scopeOf(action.name);
      if (action.isPoint) this.#shed.set(action.effect, scope.counter('shed_load_count'));
      return {
        action,
        active: action.isPoint ? undefined : scope.gauge('active'),
        scalePercent: scope.gauge('scale_percent'),
        shrinks: action.effect === 'shrinksHeap' ? scope.counter('shrink_count') : undefined,
        isOn: false,
        part: 0,
      };
    });
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
    for (const { name, resource } of this.#settings.monitors) {
      const { pressure, failed } = this.#gauges.get(name)!;
      const now = this.#deps.pressureOf(resource);
      if (now === undefined) failed.inc();
      else {
        this.#pressures.set(name, now);
        pressure.set(Math.floor(100 * now));
      }
    }
    const next: OverloadParts = { ...noParts };
    for (const watched of this.#watched) {
      const { action, shrinks } = watched;
      const part = Math.max(0, ...action.triggers.map((trigger) => this.#partOf(trigger)));
      this.#show(watched, part);
      const { effect } = action;
      if (effect === 'reducesTimeouts') {
        for (const { timer } of action.timers) this.state.timers.set(timer, part);
      } else if (effect === 'resetsStreams') {
        // As in Envoy, when the pressure has changed.
        if (part > 0 && part !== watched.part) this.#resetStreams(part);
      } else if (effect === 'shrinksHeap') {
        if (part === 1 && this.#deps.shrinkHeap()) shrinks?.inc();
      } else if (part === 1 || !action.whole) next[effect] = Math.max(next[effect], part);
      watched.part = part;
    }
    Object.assign(this.state, next);
  }

  #resetStreams(part: number): void {
    this.#resets?.inc(this.state.accounts!.resetHeaviest(part));
  }

  #partOf({ monitor, from, full }: TriggerSettings): number {
    const pressure = this.#pressures.get(monitor) ?? 0;
    if (pressure >= full) return 1;
    return pressure <= from ? 0 : (pressure - from) / (full - from);
  }

  #show(watched: Watched, part: number): void {
    // Envoy has parts in single precision.
    watched.scalePercent.set(Math.floor(100 * Math.fround(part)));
    const isOn = part === 1;
    if (watched.isOn === isOn) return;
    watched.isOn = isOn;
    watched.active?.set(Number(isOn));
    const pressures = watched.action.triggers.map(({ monitor }) => this.#pressures.get(monitor) ?? 0);
    this.#deps.onAction(watched.action.name, isOn, Math.round(100 * Math.max(...pressures)));
  }
}
