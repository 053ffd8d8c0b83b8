/** What each form of `heddle pc` is made of. */
import type { ConfigDump, Json } from './config-dump.ts';

/** Answers of one proxy's admin interface. */
export interface ProxyAnswers {
  readonly dump: ConfigDump;
  /** Of `/clusters?format=json`. */
  readonly clusterStatuses: readonly Json[];
}

export interface View<Filters> {
  readonly headers: readonly string[];
  /** The rows that pass the filters, each with the resource behind it for `-o json`. */
  rows(answers: ProxyAnswers, filters: Filters): readonly ViewRow[];
}

export interface ViewRow {
  readonly cells: readonly string[];
  readonly resource: unknown;
}
