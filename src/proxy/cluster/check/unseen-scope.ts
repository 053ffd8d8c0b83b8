/** Figures that nobody sees: connections of checks are not those of the cluster. */
import type { Counter, Gauge, Histogram, Scope } from '#observe/metrics-contract.ts';

const nothing: Counter & Gauge & Histogram = { value: 0, inc() {}, set() {}, add() {}, record() {} };

export const unseenScope: Scope = {
  path: '',
  lay() {},
  tally() {},
  counter: () => nothing,
  gauge: () => nothing,
  histogram: () => nothing,
};
