/** The tables of several threads read as one: the same metric of each, and how their figures add up. */
import { Distribution } from './distribution.ts';
import { type BucketHistogram, bucketSlots, type LogLinearHistogram } from './histogram.ts';
import type { FamilyTable, MetricTable, ScopeTable } from './metric-table.ts';
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

const allKinds = ['counter', 'gauge', 'histogram'] as const;

/** @param only one kind of them; absent: all. */
export function metricRows(tables: readonly MetricTable[], only?: MetricRow['kind']): MetricRow[] {
  const kinds = only === undefined ? allKinds : [only];
  const byPath = tables.length === 1 ? undefined : new Map<string, MetricRow>();
  const rows: MetricRow[] = [];
  for (const { scopes } of tables) {
    for (const scope of scopes.values()) addScope(scope, kinds, rows, byPath);
  }
  return rows;
}

function addScope(
  scope: ScopeTable,
  kinds: readonly MetricRow['kind'][],
  rows: MetricRow[],
  byPath: Map<string, MetricRow> | undefined,
): void {
  for (const kind of kinds) {
    for (const [name, metric] of scope[`${kind}s`]) {
      const path = scope.path === '' ? name : `${scope.path}.${name}`;
      const known = byPath?.get(`${kind} ${path}`);
      if (known !== undefined) {
        (known.metrics as unknown[]).push(metric);
        continue;
      }
      const row = { kind, scope, name, path, metrics: [metric] } as MetricRow;
      rows.push(row);
      byPath?.set(`${kind} ${path}`, row);
    }
  }
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
  for (const scope of ended.scopes.values()) {
    const taker = into.scope(scope);
    for (const [name, counter] of scope.counters) {
      if (!isCountedAlike(name)) into.counter(taker, name).inc(counter.value);
    }
    for (const [name, histogram] of scope.histograms) {
      const recorded = new Distribution();
      recorded.add(histogram);
      recorded.giveTo(into.histogram(taker, name));
    }
  }
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
