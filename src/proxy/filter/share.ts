/** Shares of requests, as filters are given them. */
import type { Random } from '#core/random.ts';
import type { RuntimeFractionalPercent } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { FractionalPercent } from '#xds/gen/envoy/type/v3/percent_pb.js';
import type { Findings } from '../findings.ts';
import { type Fraction, noRuntime, partsOf, type RuntimeValues } from '../runtime/values.ts';

export class Share {
  readonly #fraction: Fraction;
  readonly #key: string;
  readonly #random: Random;
  readonly #runtime: RuntimeValues;

  /** @param key of the runtime that may say another share; '' for none */
  constructor(
    percent: FractionalPercent | undefined,
    random: Random,
    key = '',
    runtime: RuntimeValues = noRuntime,
  ) {
    this.#fraction = {
      numerator: percent?.numerator ?? 0,
      parts: percent === undefined ? 1 : partsOf(percent),
    };
    this.#key = key;
    this.#random = random;
    this.#runtime = runtime;
  }

  /**
   * Drawn anew.
   *
   * @param wanted the numerator, where a request wants less
   * @param key of the runtime, in place of the share's own
   */
  draw(wanted: number = Number.POSITIVE_INFINITY, key: string = this.#key): boolean {
    const fraction = key === '' ? this.#fraction : this.#runtime.fraction(key, this.#fraction);
    const numerator = Math.min(wanted, fraction.numerator);
    return numerator > 0 && (numerator >= fraction.parts || this.#random.below(fraction.parts) < numerator);
  }
}

export function readShare(
  share: RuntimeFractionalPercent | undefined,
  path: string,
  random: Random,
  findings: Findings,
  runtime?: RuntimeValues,
): Share | undefined {
  if (share === undefined) return undefined;
  if (share.defaultValue === undefined) findings.error(`${path}.default_value`, 'is missing');
  if (share.runtimeKey !== '' && runtime === undefined)
    findings.warn(`${path}.runtime_key`, 'has no effect: there is no runtime here');
  return new Share(share.defaultValue, random, share.runtimeKey, runtime);
}
