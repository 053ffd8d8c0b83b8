/** Metrics of Envoy's kind as the admin interface lists them, and their text. */
import { type Bin, shownQuantiles } from './distribution.ts';

/** Of a histogram: values since the start, and in the last finished interval (Envoy: 5 s). */
export interface HistogramFigures {
  readonly count: number;
  /** In the order of {@link shownQuantiles}; NaN where nothing was recorded. */
  quantiles(): { readonly interval: readonly number[]; readonly all: readonly number[] };
  /** How many values were at most each bound of the buckets. */
  cumulativeCounts(): {
    readonly bounds: readonly number[];
    readonly interval: readonly number[];
    readonly all: readonly number[];
  };
  bins(): { readonly interval: readonly Bin[]; readonly all: readonly Bin[] };
}

export type Stat =
  | {
      readonly kind: 'counter' | 'gauge';
      readonly name: string;
      readonly value: number;
      readonly used: boolean;
    }
  | {
      readonly kind: 'histogram';
      readonly name: string;
      readonly histogram: HistogramFigures;
      readonly used: boolean;
    };

/** As on Envoy's `/stats`. */
export function statLine(stat: Stat): string {
  if (stat.kind === 'histogram') return `${stat.name}: ${quantileText(stat.histogram)}`;
  return `${stat.name}: ${stat.value}`;
}

function quantileText(histogram: HistogramFigures): string {
  if (histogram.count === 0) return 'No recorded values';
  const { interval, all } = histogram.quantiles();
  const shown = (value: number): string =>
    Number.isNaN(value) ? 'nan' : String(Number(value.toPrecision(5)));
  return shownQuantiles.map((q, i) => `P${q}(${shown(interval[i]!)},${shown(all[i]!)})`).join(' ');
}
