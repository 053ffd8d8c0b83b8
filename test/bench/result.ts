/** From rounds to what is kept: quartiles, Heddle's ratio to each other proxy, and whether bounds hold. */
import { type Quartiles, quartiles } from './measure/statistics.ts';
import type { ContenderName } from './program.ts';
import type { Bound, Figure, Row } from './row.ts';

/** A figure by name, one value a round. */
export type Samples = Readonly<Record<string, readonly number[]>>;

export interface Measured {
  readonly name: ContenderName;
  readonly version: string;
  readonly samples: Samples;
  /** Why the figures do not count. */
  readonly objection?: string;
}

export interface Summary {
  readonly version: string;
  readonly objection?: string;
  readonly figures: Readonly<Record<string, Quartiles>>;
}

export interface Verdict extends Bound {
  /** What was compared: Heddle's figure, or its ratio to the other's. */
  readonly found: Quartiles;
  readonly mustHolds?: boolean;
  readonly reachHolds?: boolean;
  /** Why the comparison does not count. */
  readonly objection?: string;
}

export interface About {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly node: string;
  readonly rounds: number;
  readonly seconds: number;
}

export interface Result extends About {
  readonly row: string;
  readonly title: string;
  /** In the order they are shown. */
  readonly shown: readonly Figure[];
  readonly contenders: Partial<Record<ContenderName, Summary>>;
  readonly leftOut: Partial<Record<ContenderName, string>>;
  /** Heddle's figure divided by the other's, round by round. */
  readonly ratios: Partial<Record<ContenderName, Readonly<Record<string, Quartiles>>>>;
  readonly verdicts: readonly Verdict[];
}

const rounded = ({ q1, median, q3 }: Quartiles): Quartiles => ({
  q1: significant(q1),
  median: significant(median),
  q3: significant(q3),
});
const significant = (value: number): number => (Number.isFinite(value) ? Number(value.toPrecision(5)) : 0);

export interface Findings {
  readonly row: Row;
  readonly shown: readonly Figure[];
  readonly measured: readonly Measured[];
  readonly leftOut: Result['leftOut'];
  readonly about: About;
}

export function resultOf({ row, shown, measured, leftOut, about }: Findings): Result {
  const contenders: Result['contenders'] = {};
  for (const { name, version, samples, objection } of measured) {
    const figures = Object.entries(samples).map(([figure, values]) => [figure, rounded(quartiles(values))]);
    const against = objection === undefined ? {} : { objection };
    contenders[name] = { version, ...against, figures: Object.fromEntries(figures) };
  }
  const ours = measured.find(({ name }) => name === 'heddle');
  const ratios: Result['ratios'] = {};
  for (const theirs of measured) {
    if (ours === undefined || theirs === ours) continue;
    const figures = Object.keys(ours.samples).flatMap((figure) => {
      const found = pairedRatios(ours.samples[figure] ?? [], theirs.samples[figure] ?? []);
      return found.length === 0 ? [] : [[figure, rounded(quartiles(found))] as const];
    });
    ratios[theirs.name] = Object.fromEntries(figures);
  }
  const verdicts = row.bounds.flatMap((bound) => verdictOf(bound, contenders, ratios) ?? []);
  return { row: row.name, title: row.title, ...about, shown, contenders, leftOut, ratios, verdicts };
}

/** Rounds of one number ran within seconds of each other: what disturbed the host then disturbed both. */
function pairedRatios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.flatMap((one, at) => {
    const other = theirs[at] ?? 0;
    return other > 0 ? [one / other] : [];
  });
}

function verdictOf(
  bound: Bound,
  contenders: Result['contenders'],
  ratios: Result['ratios'],
): Verdict | undefined {
  const { against, figure, must, reach, atLeast = false } = bound;
  const found = against === 'itself' ? contenders.heddle?.figures[figure] : ratios[against]?.[figure];
  if (found === undefined) return undefined;
  const holds = (limit: number): boolean => (atLeast ? found.q1 >= limit : found.q3 <= limit);
  const objection =
    contenders.heddle?.objection ?? (against === 'itself' ? undefined : contenders[against]?.objection);
  return {
    ...bound,
    found,
    ...(must === undefined ? {} : { mustHolds: holds(must) }),
    ...(reach === undefined ? {} : { reachHolds: holds(reach) }),
    ...(objection === undefined ? {} : { objection }),
  };
}

/** What a contender adds to what there is without one, round by round. */
export function addedOver(direct: Samples, samples: Samples): Samples {
  const added = (figure: string): number[] =>
    (samples[figure] ?? []).map((value, at) => value - (direct[figure]?.[at] ?? 0));
  return {
    ...samples,
    addedP50Us: added('p50Us'),
    addedP99Us: added('p99Us'),
    addedP999Us: added('p999Us'),
  };
}
