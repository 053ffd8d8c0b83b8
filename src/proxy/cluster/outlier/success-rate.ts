/** Which endpoints answered well too seldom in an interval, compared with the others or with a fixed share. */
import type { OutlierSettings } from './settings.ts';

/** Percents; -1 where too little is known. */
export interface Rates {
  readonly average: number;
  readonly ejectionThreshold: number;
}

export const noRates: Rates = { average: -1, ejectionThreshold: -1 };

/** What one endpoint was asked, and how much of that went well. */
export interface Volume {
  readonly good: number;
  readonly all: number;
  readonly isEjected: boolean;
}

export interface JudgedRates {
  readonly rates: Rates;
  /** Of each endpoint in percent; -1 where it had too few requests. */
  readonly shown: readonly number[];
  /** Numbers of those below the threshold that follows from all of them. */
  readonly below: readonly number[];
  /** Numbers of those that fail as often as the settings say. */
  readonly failing: readonly number[];
}

export function judgeRates(volumes: readonly Volume[], settings: OutlierSettings): JudgedRates {
  const { successRateMinimumHosts, successRateRequestVolume, successRateStdevFactor } = settings;
  const { failurePercentageThreshold, failurePercentageMinimumHosts, failurePercentageRequestVolume } =
    settings;
  const shown = volumes.map(() => -1);
  const few = Math.min(successRateMinimumHosts, failurePercentageMinimumHosts);
  if (volumes.length < few) return { rates: noRates, shown, below: [], failing: [] };
  const compared: number[] = [];
  const counted: number[] = [];
  const rateOf: number[] = [];
  for (const [i, { good, all, isEjected }] of volumes.entries()) {
    const rate = (100 * good) / all;
    rateOf.push(rate);
    if (isEjected || all === 0) continue;
    if (all >= Math.min(successRateRequestVolume, failurePercentageRequestVolume)) shown[i] = rate;
    if (all >= successRateRequestVolume) compared.push(i);
    if (all >= failurePercentageRequestVolume) counted.push(i);
  }
  let rates = noRates;
  let below: number[] = [];
  if (compared.length > 0 && compared.length >= successRateMinimumHosts) {
    rates = thresholdOf(
      compared.map((i) => rateOf[i]!),
      successRateStdevFactor,
    );
    below = compared.filter((i) => rateOf[i]! < rates.ejectionThreshold);
  }
  const enough = counted.length > 0 && counted.length >= failurePercentageMinimumHosts;
  const failing = enough ? counted.filter((i) => 100 - rateOf[i]! >= failurePercentageThreshold) : [];
  return { rates, shown, below, failing };
}

/** So many standard deviations below the average. */
function thresholdOf(rates: readonly number[], factor: number): Rates {
  const average = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, rate) => sum + (rate - average) ** 2, 0) / rates.length;
  return { average, ejectionThreshold: average - factor * Math.sqrt(variance) };
}
