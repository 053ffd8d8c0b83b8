/** Order statistics of small samples. */

export interface Quartiles {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/** The `q`-quantile of values in ascending order, between neighbours by interpolation; NaN of none. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export function quartiles(values: readonly number[]): Quartiles {
  const sorted = values.toSorted((a, b) => a - b);
  return { q1: quantile(sorted, 0.25), median: quantile(sorted, 0.5), q3: quantile(sorted, 0.75) };
}

export function median(values: readonly number[]): number {
  return quartiles(values).median;
}
