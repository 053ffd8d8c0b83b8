/**
 * The metrics one thread makes: by scope and name, and rows of families. The same table shows another
 * thread's metrics, from what that one announces.
 */
import { BucketHistogram, bucketSlots, LogLinearHistogram } from './histogram.ts';
import type { Announce, Announcement } from './metrics-announcement.ts';
import type { ScopeName } from './metrics-contract.ts';
import { type AllocateSlots, GAUGE_SLOTS, ownSlots, SlotArena, SlotCounter, SlotGauge } from './slots.ts';

export interface ScopeTable extends ScopeName {
  readonly counters: Map<string, SlotCounter>;
  readonly gauges: Map<string, SlotGauge>;
  readonly histograms: Map<string, LogLinearHistogram>;
  readonly arena: SlotArena;
  /** Of another thread: its chunk that metrics are announced in. */
  shown: Float64Array | undefined;
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

  constructor(allocate: AllocateSlots = ownSlots, announce?: Announce) {
    this.#allocate = allocate;
    this.#announce = announce;
  }

  scope({ path, family, labels }: ScopeName): ScopeTable {
    const known = this.scopes.get(path);
    if (known !== undefined) return known;
    const made: ScopeTable = {
      path,
      family,
      labels,
      counters: new Map(),
      gauges: new Map(),
      histograms: new Map(),
      arena: new SlotArena(this.#allocate),
      shown: undefined,
    };
    this.scopes.set(path, made);
    this.#announce?.({ kind: 'scope', path, family, labels });
    return made;
  }

  counter(scope: ScopeTable, name: string): SlotCounter {
    let counter = scope.counters.get(name);
    if (counter === undefined) {
      const { arena, path } = scope;
      const at = arena.take(1);
      counter = new SlotCounter(arena.slots, at);
      scope.counters.set(name, counter);
      const slots = arena.fresh ? arena.slots : undefined;
      this.#announceOf(scope, { kind: 'counter', path, name, at, slots });
    }
    return counter;
  }

  gauge(scope: ScopeTable, name: string): SlotGauge {
    let gauge = scope.gauges.get(name);
    if (gauge === undefined) {
      const { arena, path } = scope;
      const at = arena.take(GAUGE_SLOTS);
      gauge = new SlotGauge(arena.slots, at);
      scope.gauges.set(name, gauge);
      const slots = arena.fresh ? arena.slots : undefined;
      this.#announceOf(scope, { kind: 'gauge', path, name, at, slots });
    }
    return gauge;
  }

  histogram(scope: ScopeTable, name: string): LogLinearHistogram {
    let histogram = scope.histograms.get(name);
    if (histogram === undefined) {
      const { path } = scope;
      histogram = new LogLinearHistogram(
        this.#allocate,
        this.#announce &&
          ((part, slots) => this.#announceOf(scope, { kind: 'part', path, name, part, slots })),
      );
      scope.histograms.set(name, histogram);
      this.#announceOf(scope, { kind: 'histogram', path, name });
    }
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
    announcement: Extract<Announcement, { kind: 'counter' | 'gauge' | 'histogram' | 'part' }>,
  ): void {
    const { path, name } = announcement;
    const scope = this.scopes.get(path);
    // A part of a histogram whose scope is forgotten already.
    if (scope === undefined) return;
    switch (announcement.kind) {
      case 'histogram':
        scope.histograms.set(name, new LogLinearHistogram());
        return;
      case 'part':
        scope.histograms.get(name)?.show(announcement.part, announcement.slots);
        return;
      case 'counter':
        scope.shown = announcement.slots ?? scope.shown;
        scope.counters.set(name, new SlotCounter(scope.shown!, announcement.at));
        return;
      case 'gauge':
        scope.shown = announcement.slots ?? scope.shown;
        scope.gauges.set(name, new SlotGauge(scope.shown!, announcement.at));
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
