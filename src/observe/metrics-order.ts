/** The metrics of all scopes sorted by their full names, a scope at a time: there may be many thousands. */
import { sortSteps } from '#core/gradual-sort.ts';
import { pausing } from '#core/time-slice.ts';
import type { MetricKind } from './metric-table.ts';
import { type MetricRow, rowsOf, type ScopeGroup } from './metrics-sum.ts';

/** Yields rows that follow one another; none where it may be interrupted. */
export function* rowsInOrder(
  groups: readonly ScopeGroup[],
  kinds: readonly MetricKind[],
): Generator<readonly MetricRow[], void, undefined> {
  const places = yield* pausing(
    sortSteps(
      groups.flatMap((group) => placesOf(group, kinds)),
      byKey,
    ),
    none,
  );
  for (let at = 0; at < places.length; ) {
    const first = places[at]!;
    let end = at + 1;
    // Names in scopes inside a scope stand among its own.
    while (first.isScope && end < places.length && places[end]!.key.startsWith(first.key)) end++;
    if (end === at + 1) yield first.rows().sort(byPath);
    else yield* rowsOfAll(places.slice(at, end));
    at = end;
  }
}

const none: readonly MetricRow[] = [];
const ROWS_A_STEP = 128;

/** Where rows stand among others: all of them begin with the key. */
interface Place {
  readonly key: string;
  readonly isScope: boolean;
  rows(): MetricRow[];
}

/** What is in no scope has a place of its own each. */
function placesOf(group: ScopeGroup, kinds: readonly MetricKind[]): Place[] {
  if (group.path !== '') return [{ key: `${group.path}.`, isScope: true, rows: () => rowsOf(group, kinds) }];
  return rowsOf(group, kinds).map((row) => ({ key: row.path, isScope: false, rows: () => [row] }));
}

function* rowsOfAll(places: readonly Place[]): Generator<readonly MetricRow[], void, undefined> {
  const all: MetricRow[] = [];
  for (const { rows } of places) {
    all.push(...rows());
    yield none;
  }
  const sorted = yield* pausing(sortSteps(all, byPath), none);
  for (let at = 0; at < sorted.length; at += ROWS_A_STEP) yield sorted.slice(at, at + ROWS_A_STEP);
}

function byKey(a: Place, b: Place): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

function byPath(a: MetricRow, b: MetricRow): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
