/** What the samples of one run come to. */
import type { Sample } from './load.ts';
import { faultWindow, type Scenario } from './scenario.ts';

export const figureNames = ['success', 'duringP99Ms', 'afterP99Ms', 'recoveryMs'] as const;
export type FigureName = (typeof figureNames)[number];

/**
 * `success` is the share of all requests offered, 0..1. p99 is of those that were answered well, in ms from when they
 * were due: due while the fault lasted, and after it. Recovery is in steps of 100 ms; where it never came, the time to the end.
 */
export type Figures = Readonly<Record<FigureName, number>> & {
  /** p99 of how late the load itself was, in ms: what is slower than that says something of the proxy. */
  readonly lateP99Ms: number;
};

const stepMs = 100;
const steadyMs = 1000;

export function figuresOf(scenario: Scenario, samples: readonly Sample[]): Figures {
  const { fromSeconds, untilSeconds } = faultWindow(scenario);
  const well = samples.filter(({ failure }) => failure === undefined);
  const during = well.filter(({ dueMs }) => dueMs >= fromSeconds * 1000 && dueMs < untilSeconds * 1000);
  const after = well.filter(({ dueMs }) => dueMs >= untilSeconds * 1000);
  return {
    success: well.length / samples.length,
    duringP99Ms: quantile(timesOf(during), 0.99),
    afterP99Ms: quantile(timesOf(after), 0.99),
    recoveryMs: recovery(scenario, samples),
    lateP99Ms: quantile(
      samples.map(({ lateMs }) => lateMs),
      0.99,
    ),
  };
}

const timesOf = (samples: readonly Sample[]): number[] => samples.map(({ tookMs }) => tookMs);

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

function recovery(scenario: Scenario, samples: readonly Sample[]): number {
  const { from, withinMs } = scenario.recovery;
  const { fromSeconds, untilSeconds } = faultWindow(scenario);
  const beginMs = (from === 'start' ? fromSeconds : untilSeconds) * 1000;
  const endMs = scenario.load.seconds * 1000;
  const bad = samples.filter(({ failure, tookMs }) => failure !== undefined || tookMs > withinMs);
  for (let atMs = beginMs; atMs + steadyMs <= endMs; atMs += stepMs) {
    if (!bad.some(({ dueMs }) => dueMs >= atMs && dueMs < atMs + steadyMs)) return atMs - beginMs;
  }
  return endMs - beginMs;
}
