/** The tables of several threads read as one: the same metric of each, and how their figures add up. */
import type { Steps } from '#core/time-slice.ts';
import { Distribution } from './distribution.ts';
import { type BucketHistogram, bucketSlots, type LogLinearHistogram } from './histogram.ts';
import type { FamilyTable, MetricKind, MetricTable, ScopeTable } from './metric-table.ts';
import type { ScopeName } from './metrics-contract.ts';
import { gaugeLevel, gaugeUntouched, type SlotCounter, type SlotGauge } from './slots.ts';

interface RowName {
  readonly scope: ScopeName;
  readonly name: string;
  /** Full dotted name. */
  readonly path: string;
}

/** One metric, as each thread has it that has it. */
export type MetricRow =
  | (RowName & { readonly kind: 'counter'; readonly metrics: SlotCounter[] })
  | (RowName & { readonly kind: 'gauge'; readonly metrics: SlotGauge[] })
  | (RowName & { readonly kind: 'histogram'; readonly metrics: LogLinearHistogram[] });

/**
 * What every thread does alike, once for the process: configuration that takes effect, names looked
 * up. One thread's count is the process's, so these are not added up.
 */
const countedAlike: ReadonlySet<string> = new Set([
  'membership_change',
  'cluster_added',
  'cluster_modified',
  'cluster_removed',
  'cluster_updated',
  'update_attempt',
  'update_success',
  'update_failure',
  'update_empty',
  'update_no_rebuild',
  'ssl_context_update_by_sds',
]);

export function isCountedAlike(name: string): boolean {
  return countedAlike.has(name.slice(name.lastIndexOf('.') + 1));
}

export function counterSum({
  name,
  metrics,
}: {
  readonly name: string;
  readonly metrics: SlotCounter[];
}): number {
  if (metrics.length === 1) return metrics[0]!.value;
  const alike = isCountedAlike(name);
  let sum = 0;
  for (const { value } of metrics) sum = alike ? Math.max(sum, value) : sum + value;
  return sum;
}

/** Steps add up; a level is the same everywhere, but for a thread that has not come to it yet. */
export function gaugeSum({ metrics }: { readonly metrics: SlotGauge[] }): {
  readonly value: number;
  readonly used: boolean;
} {
  let sum = 0;
  let level = Number.NEGATIVE_INFINITY;
  let used = false;
  for (const { value, mode } of metrics) {
    used ||= mode !== gaugeUntouched;
    if (mode === gaugeLevel) level = Math.max(level, value);
    else sum += value;
  }
  return { value: level === Number.NEGATIVE_INFINITY ? sum : level, used };
}

/** One scope, as each thread has it that has it. */
export interface ScopeGroup extends ScopeName {
  readonly scopes: ScopeTable[];
}

const SCOPES_A_STEP = 256;

/** In the order they were made. */
export function* scopeGroups(tables: readonly MetricTable[]): Steps<ScopeGroup[]> {
  const groups: ScopeGroup[] = [];
  const byPath = tables.length === 1 ? undefined : new Map<string, ScopeGroup>();
  for (const table of tables) {
    for (const scope of table.scopes.values()) {
      const { path, family, labels } = scope;
      const known = byPath?.get(path);
      if (known !== undefined) {
        known.scopes.push(scope);
        continue;
      }
      const group: ScopeGroup = { path, family, labels, scopes: [scope] };
      byPath?.set(path, group);
      if (groups.push(group) % SCOPES_A_STEP === 0) yield;
    }
  }
  return groups;
}

export function rowsOf(group: ScopeGroup, kinds: readonly MetricKind[]): MetricRow[] {
  const rows: MetricRow[] = [];
  for (const kind of kinds) {
    const byName = group.scopes.length === 1 ? undefined : new Map<string, MetricRow>();
    for (const scope of group.scopes) {
      for (const [name, metric] of scope.metrics(kind)) {
        const known = byName?.get(name);
        if (known !== undefined) {
          (known.metrics as unknown[]).push(metric);
          continue;
        }
        const row = rowOf(group, kind, name, [metric]);
        rows.push(row);
        byName?.set(name, row);
      }
    }
  }
  return rows;
}

/** Undefined where no thread has it. */
export function rowNamed(group: ScopeGroup, kind: MetricKind, name: string): MetricRow | undefined {
  const metrics: unknown[] = [];
  for (const scope of group.scopes) {
    const metric = scope.shownAs(kind, name);
    if (metric !== undefined) metrics.push(metric);
  }
  return metrics.length === 0 ? undefined : rowOf(group, kind, name, metrics);
}

function rowOf(scope: ScopeGroup, kind: MetricKind, name: string, metrics: unknown[]): MetricRow {
  const path = scope.path === '' ? name : `${scope.path}.${name}`;
  return { kind, scope, name, path, metrics } as MetricRow;
}

/** A family, and each of its rows as each thread has it. */
export interface FamilyRows {
  readonly family: FamilyTable;
  readonly rows: {
    readonly values: readonly string[];
    readonly metrics: (SlotCounter | BucketHistogram)[];
  }[];
}

export function familyRows(tables: readonly MetricTable[]): FamilyRows[] {
  type Row = FamilyRows['rows'][number];
  const found = new Map<string, FamilyRows & { readonly byKey: Map<string, Row> }>();
  for (const { families } of tables) {
    for (const family of families.values()) {
      const known = found.get(family.name) ?? { family, rows: [] as Row[], byKey: new Map<string, Row>() };
      found.set(family.name, known);
      for (const [key, { values, metric }] of family.rows) {
        const row = known.byKey.get(key);
        if (row !== undefined) {
          row.metrics.push(metric);
          continue;
        }
        const made: Row = { values, metrics: [metric] };
        known.byKey.set(key, made);
        known.rows.push(made);
      }
    }
  }
  return [...found.values()];
}

/** Counts what a thread that ended had counted in another table. Gauges end with what they measured. */
export function retire(ended: MetricTable, into: MetricTable): void {
  for (const scope of ended.scopes.values()) retireScope(scope, into);
  for (const family of ended.families.values()) {
    const taker = into.family(family);
    for (const { values, metric } of family.rows.values()) {
      const mine = into.row(taker, values);
      if (family.type === 'counter') {
        (mine as SlotCounter).inc((metric as SlotCounter).value);
        continue;
      }
      const total = new Float64Array(bucketSlots(family.bucketBounds));
      (metric as BucketHistogram).addTo(total);
      (mine as BucketHistogram).take(total);
    }
  }
}

/** The same of one scope. */
export function retireScope(scope: ScopeTable, into: MetricTable): void {
  const taker = into.scope(scope);
  for (const [name, counter] of scope.metrics('counter')) {
    if (!isCountedAlike(name)) into.counter(taker, name).inc(counter.value);
  }
  for (const [name, histogram] of scope.recorded ?? []) {
    const recorded = new Distribution();
    recorded.add(histogram);
    recorded.giveTo(into.histogram(taker, name));
  }
}
