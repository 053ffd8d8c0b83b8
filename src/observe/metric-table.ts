/**
 * The metrics one thread makes: by scope and name, and rows of families. The same table shows another
 * thread's metrics, from what that one announces.
 */
import { BucketHistogram, bucketSlots, LogLinearHistogram } from './histogram.ts';
import { MetricLayout } from './metric-layout.ts';
import type { Announce, Announcement } from './metrics-announcement.ts';
import type { FiguresAtRest, ScopeName } from './metrics-contract.ts';
import {
  type AllocateSlots,
  GAUGE_SLOTS,
  gaugeLevel,
  ownSlots,
  SlotArena,
  SlotCounter,
  SlotGauge,
} from './slots.ts';

/** A metric of each kind. */
export interface Metric {
  readonly counter: SlotCounter;
  readonly gauge: SlotGauge;
  readonly histogram: LogLinearHistogram;
}

export const metricKinds = ['counter', 'gauge', 'histogram'] as const;
export type MetricKind = (typeof metricKinds)[number];

/** Of a counter or gauge nothing was counted in. */
const untouched = ownSlots(GAUGE_SLOTS);
/** Metrics that a scope has besides those of its layout, most often. */
const FEW = 8;
/** Of a histogram nothing was recorded in. */
const emptyHistogram = new LogLinearHistogram();

export class ScopeTable implements ScopeName {
  readonly path: string;
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of another thread: its chunk that metrics are announced in. */
  shown: Float64Array | undefined;
  #layout: MetricLayout | undefined;
  /** Figures of the layout; made when somebody counts, where only this thread reads them. */
  #block: Float64Array | undefined;
  #atRest: FiguresAtRest | undefined;
  /** What was counted before somebody asked for the counters, by their names. */
  #tallies: Record<string, number> | undefined;
  /** Metrics besides the layout, and histograms of it that something was recorded in. */
  #made: { [Kind in MetricKind]?: Map<string, Metric[Kind]> } | undefined;
  #arena: SlotArena | undefined;

  constructor({ path, family, labels }: ScopeName) {
    this.path = path;
    this.family = family;
    this.labels = labels;
  }

  get isLaid(): boolean {
    return this.#layout !== undefined;
  }

  /** @param block undefined: made when somebody counts */
  lay(layout: MetricLayout, block: Float64Array | undefined, atRest?: FiguresAtRest): void {
    if (this.#block !== undefined) return;
    this.#layout = layout;
    this.#block = block;
    this.#atRest = atRest;
  }

  arena(allocate: AllocateSlots): SlotArena {
    this.#arena ??= new SlotArena(allocate, this.isLaid ? FEW : undefined);
    return this.#arena;
  }

  add<Kind extends MetricKind>(kind: Kind, name: string, metric: Metric[Kind]): void {
    this.#made ??= {};
    const known = this.#made[kind] as Map<string, Metric[Kind]> | undefined;
    if (known !== undefined) known.set(name, metric);
    else Object.assign(this.#made, { [kind]: new Map([[name, metric]]) });
  }

  /** The metric to count in, where it was made; a counter or gauge of the layout in any case. */
  get<Kind extends MetricKind>(kind: Kind, name: string): Metric[Kind] | undefined {
    const at = kind === 'histogram' ? undefined : this.#layout?.placeOf(kind, name);
    if (at === undefined) return this.#madeOf(kind, name);
    this.#block ??= this.#firstFigures();
    return inSlots(kind, this.#block, at);
  }

  tally(name: string): void {
    const isAtRest = this.#block === undefined && this.#layout?.placeOf('counter', name) !== undefined;
    const counter = isAtRest ? undefined : this.get('counter', name);
    if (counter !== undefined) {
      counter.inc();
      return;
    }
    this.#tallies ??= {};
    this.#tallies[name] = (this.#tallies[name] ?? 0) + 1;
  }

  /** What was counted of a counter that is there from now on. */
  takeTally(name: string): number {
    const tally = this.#tallies?.[name] ?? 0;
    if (tally !== 0) delete this.#tallies![name];
    return tally;
  }

  /** To be read: as `get`, and an empty histogram where the layout has one that was not made. */
  shownAs<Kind extends MetricKind>(kind: Kind, name: string): Metric[Kind] | undefined {
    const at = this.#layout?.placeOf(kind, name);
    const tally = kind === 'counter' ? this.#tallies?.[name] : undefined;
    if (at === undefined)
      return this.#madeOf(kind, name) ?? (tally ? inSlots(kind, Float64Array.of(tally), 0) : undefined);
    if (kind === 'histogram') return this.#madeOf(kind, name) ?? (emptyHistogram as Metric[Kind]);
    if (this.#block !== undefined) return inSlots(kind, this.#block, at);
    const figure = this.#atRest?.figure(name);
    if (figure === undefined && tally === undefined) return inSlots(kind, untouched, 0);
    return inSlots(kind, Float64Array.of((figure ?? 0) + (tally ?? 0), gaugeLevel), 0);
  }

  /** Names of all it has of a kind. */
  *names(kind: MetricKind): Generator<string, void, undefined> {
    const laid = this.#layout?.[kind];
    if (laid !== undefined) yield* laid;
    const tallied = kind === 'counter' ? Object.keys(this.#tallies ?? {}) : [];
    for (const name of [...(this.#made?.[kind]?.keys() ?? []), ...tallied]) {
      if (this.#layout?.placeOf(kind, name) === undefined) yield name;
    }
  }

  *metrics<Kind extends MetricKind>(
    kind: Kind,
  ): Generator<[name: string, metric: Metric[Kind]], void, undefined> {
    for (const name of this.names(kind)) yield [name, this.shownAs(kind, name)!];
  }

  /** Histograms something was recorded in, or may have been. */
  get recorded(): ReadonlyMap<string, LogLinearHistogram> | undefined {
    return this.#made?.histogram;
  }

  #madeOf<Kind extends MetricKind>(kind: Kind, name: string): Metric[Kind] | undefined {
    return (this.#made?.[kind] as Map<string, Metric[Kind]> | undefined)?.get(name);
  }

  /** From now on somebody counts. */
  #firstFigures(): Float64Array {
    const layout = this.#layout!;
    const block = ownSlots(layout.slots);
    const atRest = this.#atRest;
    if (atRest === undefined && this.#tallies === undefined) return block;
    for (const name of layout.counter)
      block[layout.placeOf('counter', name)!] = (atRest?.figure(name) ?? 0) + this.takeTally(name);
    if (atRest === undefined) return block;
    for (const name of layout.gauge) {
      const value = atRest.figure(name);
      if (value !== undefined) new SlotGauge(block, layout.placeOf('gauge', name)!).set(value);
    }
    this.#atRest = undefined;
    return block;
  }
}

function inSlots<Kind extends MetricKind>(kind: Kind, slots: Float64Array, at: number): Metric[Kind] {
  const metric = kind === 'counter' ? new SlotCounter(slots, at) : new SlotGauge(slots, at);
  return metric as Metric[Kind];
}

export interface FamilyRow {
  readonly values: readonly string[];
  readonly metric: SlotCounter | BucketHistogram;
}

export interface FamilyTable {
  readonly type: 'counter' | 'histogram';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly bucketBounds: readonly number[];
  readonly rows: Map<string, FamilyRow>;
  readonly arena: SlotArena;
  shown: Float64Array | undefined;
}

const ROW_SEPARATOR = '\u0000';

export class MetricTable {
  /** By path. */
  readonly scopes: Map<string, ScopeTable> = new Map();
  /** By name. */
  readonly families: Map<string, FamilyTable> = new Map();
  readonly #allocate: AllocateSlots;
  readonly #announce: Announce | undefined;
  /** Those announced, or heard of; a layout's number is its place. */
  readonly #layouts: MetricLayout[] = [];

  constructor(allocate: AllocateSlots = ownSlots, announce?: Announce) {
    this.#allocate = allocate;
    this.#announce = announce;
  }

  scope({ path, family, labels }: ScopeName): ScopeTable {
    const known = this.scopes.get(path);
    if (known !== undefined) return known;
    const made = new ScopeTable({ path, family, labels });
    this.scopes.set(path, made);
    this.#announce?.({ kind: 'scope', path, family, labels });
    return made;
  }

  lay(scope: ScopeTable, layout: MetricLayout, atRest?: FiguresAtRest): void {
    if (this.#announce === undefined) {
      if (!scope.isLaid || atRest !== undefined) scope.lay(layout, undefined, atRest);
      return;
    }
    if (scope.isLaid) return;
    const slots = this.#allocate(layout.slots);
    scope.lay(layout, slots);
    let id = this.#layouts.indexOf(layout);
    if (id === -1) {
      id = this.#layouts.push(layout) - 1;
      const { counter: counters, gauge: gauges, histogram: histograms } = layout;
      this.#announce({ kind: 'layout', id, counters, gauges, histograms });
    }
    this.#announceOf(scope, { kind: 'laid', path: scope.path, layout: id, slots });
  }

  /** Counts in a counter that nobody asks for as yet: as a number alone, where no other thread reads it. */
  tally(scope: ScopeTable, name: string): void {
    if (this.#announce === undefined) scope.tally(name);
    else this.counter(scope, name).inc();
  }

  counter(scope: ScopeTable, name: string): SlotCounter {
    const known = scope.get('counter', name);
    if (known !== undefined) return known;
    const { path } = scope;
    const arena = scope.arena(this.#allocate);
    const at = arena.take(1);
    const counter = new SlotCounter(arena.slots, at);
    scope.add('counter', name, counter);
    counter.inc(scope.takeTally(name));
    const slots = arena.fresh ? arena.slots : undefined;
    this.#announceOf(scope, { kind: 'counter', path, name, at, slots });
    return counter;
  }

  gauge(scope: ScopeTable, name: string): SlotGauge {
    const known = scope.get('gauge', name);
    if (known !== undefined) return known;
    const { path } = scope;
    const arena = scope.arena(this.#allocate);
    const at = arena.take(GAUGE_SLOTS);
    const gauge = new SlotGauge(arena.slots, at);
    scope.add('gauge', name, gauge);
    const slots = arena.fresh ? arena.slots : undefined;
    this.#announceOf(scope, { kind: 'gauge', path, name, at, slots });
    return gauge;
  }

  histogram(scope: ScopeTable, name: string): LogLinearHistogram {
    const known = scope.get('histogram', name);
    if (known !== undefined) return known;
    const { path } = scope;
    const histogram = new LogLinearHistogram(
      this.#allocate,
      this.#announce && ((part, slots) => this.#announceOf(scope, { kind: 'part', path, name, part, slots })),
    );
    scope.add('histogram', name, histogram);
    this.#announceOf(scope, { kind: 'histogram', path, name });
    return histogram;
  }

  /** Nothing of a scope that is forgotten: there may be a new one of its path. */
  #announceOf(scope: ScopeTable, announcement: Announcement): void {
    if (this.#announce !== undefined && this.scopes.get(scope.path) === scope) this.#announce(announcement);
  }

  forget(path: string): void {
    if (this.scopes.delete(path)) this.#announce?.({ kind: 'forget', path });
  }

  /** @throws where the family has other labels already. */
  family(asked: Pick<FamilyTable, 'type' | 'name' | 'help' | 'labelNames' | 'bucketBounds'>): FamilyTable {
    const { type, name, help, labelNames, bucketBounds } = asked;
    const known = this.families.get(name);
    if (known !== undefined) {
      if (known.labelNames.join() === labelNames.join()) return known;
      throw new Error(`metric ${name} has other labels already`);
    }
    const arena = new SlotArena(this.#allocate);
    const made: FamilyTable = {
      type,
      name,
      help,
      labelNames,
      bucketBounds,
      rows: new Map(),
      arena,
      shown: undefined,
    };
    this.families.set(name, made);
    this.#announce?.({ kind: 'family', type, name, help, labelNames, bucketBounds });
    return made;
  }

  row(family: FamilyTable, values: readonly string[]): SlotCounter | BucketHistogram {
    const key = rowKey(values);
    const known = family.rows.get(key);
    if (known !== undefined) return known.metric;
    if (values.length !== family.labelNames.length) throw new Error('as many label values as label names');
    const { arena } = family;
    const at = arena.take(family.type === 'counter' ? 1 : bucketSlots(family.bucketBounds));
    // Values may be slices of a request head, which they would keep alive: `join` made a copy of them.
    const copies = values.length === 0 ? [] : key.split(ROW_SEPARATOR);
    const metric = rowMetric(family, arena.slots, at);
    family.rows.set(key, { values: copies, metric });
    const slots = arena.fresh ? arena.slots : undefined;
    this.#announce?.({ kind: 'row', family: family.name, values: copies, at, slots });
    return metric;
  }

  /** Takes in what another thread announced; its scopes are those it announced before. */
  show(announcement: Announcement): void {
    switch (announcement.kind) {
      case 'scope':
        this.scope(announcement);
        return;
      case 'layout': {
        const { id, counters, gauges, histograms } = announcement;
        this.#layouts[id] = new MetricLayout(counters, gauges, histograms);
        return;
      }
      case 'forget':
        this.forget(announcement.path);
        return;
      case 'family':
        this.family(announcement);
        return;
      case 'row': {
        const family = this.families.get(announcement.family)!;
        family.shown = announcement.slots ?? family.shown;
        const { values, at } = announcement;
        family.rows.set(rowKey(values), { values, metric: rowMetric(family, family.shown!, at) });
        return;
      }
      default:
        this.#showMetric(announcement);
    }
  }

  #showMetric(
    announcement: Extract<Announcement, { kind: 'laid' | 'counter' | 'gauge' | 'histogram' | 'part' }>,
  ): void {
    const scope = this.scopes.get(announcement.path);
    // A part of a histogram whose scope is forgotten already.
    if (scope === undefined) return;
    switch (announcement.kind) {
      case 'laid':
        scope.lay(this.#layouts[announcement.layout]!, announcement.slots);
        return;
      case 'histogram':
        scope.add('histogram', announcement.name, new LogLinearHistogram());
        return;
      case 'part':
        scope.get('histogram', announcement.name)?.show(announcement.part, announcement.slots);
        return;
      case 'counter':
        scope.shown = announcement.slots ?? scope.shown;
        scope.add('counter', announcement.name, new SlotCounter(scope.shown!, announcement.at));
        return;
      case 'gauge':
        scope.shown = announcement.slots ?? scope.shown;
        scope.add('gauge', announcement.name, new SlotGauge(scope.shown!, announcement.at));
        return;
    }
  }
}

function rowKey(values: readonly string[]): string {
  return values.join(ROW_SEPARATOR);
}

function rowMetric(
  { type, bucketBounds }: FamilyTable,
  slots: Float64Array,
  at: number,
): SlotCounter | BucketHistogram {
  return type === 'counter' ? new SlotCounter(slots, at) : new BucketHistogram(bucketBounds, slots, at);
}
