/**
 * Values of the runtime (Envoy, "Runtime"), read by key where a feature takes one: what they say in place of the
 * configuration may change while traffic flows, so they are read each time.
 */
import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '#xds/gen/envoy/type/v3/percent_pb.js';

/** `numerator` of `parts`. */
export interface Fraction {
  readonly numerator: number;
  /** 100, 10,000 or 1,000,000. */
  readonly parts: number;
}

/** A key that is '' is none. */
export interface RuntimeValues {
  /** Whether a fraction takes in whoever has this random value, a whole number. */
  isEnabled(key: string, byDefault: FractionalPercent, randomValue: number): boolean;
  /** A whole number, 0 or more. */
  integer(key: string, byDefault: number): number;
  /** Any number. */
  double(key: string, byDefault: number): number;
  boolean(key: string, byDefault: boolean): boolean;
  /** A fraction, or whole percents. */
  fraction(key: string, byDefault: Fraction): Fraction;
  /** Rises with each change of any value; 0 where there never was one. */
  readonly version: number;
}

/** How many parts a whole has. */
export function partsOf({ denominator }: Pick<FractionalPercent, 'denominator'>): number {
  return denominator === Denominator.MILLION ? 1e6 : denominator === Denominator.TEN_THOUSAND ? 1e4 : 100;
}

/** Nothing is set. */
export const noRuntime: RuntimeValues = {
  isEnabled: (_, byDefault, randomValue) => randomValue % partsOf(byDefault) < byDefault.numerator,
  integer: (_, byDefault) => byDefault,
  double: (_, byDefault) => byDefault,
  boolean: (_, byDefault) => byDefault,
  fraction: (_, byDefault) => byDefault,
  version: 0,
};
