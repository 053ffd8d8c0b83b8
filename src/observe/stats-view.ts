/** How figures are shown: which of them, with which buckets and labels besides (Envoy, `stats_config`). */
import type { TextMatcher } from '#core/matcher.ts';

export interface StatsView {
  /** By full name; absent: all. */
  readonly shows: TextMatcher | undefined;
  /** Of histograms with such a name; the first that matches holds. */
  readonly buckets: readonly { readonly matches: TextMatcher; readonly bounds: readonly number[] }[];
  /** On every figure. */
  readonly fixedTags: readonly (readonly [name: string, value: string])[];
}

export const plainView: StatsView = { shows: undefined, buckets: [], fixedTags: [] };
