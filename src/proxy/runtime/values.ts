/** Values of the runtime (Envoy, "Runtime"): what operators may change of a configuration by a key. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '#xds/gen/envoy/type/v3/percent_pb.js';

export interface RuntimeValues {
  /**
   * Whether a fraction takes in whoever has this random value.
   *
   * @param key '' for none
   * @param byDefault where the key is not set
   */
  isEnabled(key: string, byDefault: FractionalPercent, randomValue: number): boolean;
  /** A number, 0 or more. */
  integer(key: string, byDefault: number): number;
}

/** How many parts a whole has. */
export function partsOf({ denominator }: Pick<FractionalPercent, 'denominator'>): number {
  return denominator === Denominator.MILLION ? 1e6 : denominator === Denominator.TEN_THOUSAND ? 1e4 : 100;
}

/** Names of denominators as a layer writes them. */
const denominators: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 1e4, MILLION: 1e6 };

interface Fraction {
  readonly numerator: number;
  readonly parts: number;
}

/** A snapshot of keys with dots; what is no number, and no fraction, is as if it were not set. */
export class RuntimeSnapshot implements RuntimeValues {
  readonly #fractions = new Map<string, Fraction>();
  readonly #integers = new Map<string, number>();

  constructor(values: Readonly<Record<string, JsonValue>>) {
    for (const [key, value] of Object.entries(values)) {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      if (typeof number === 'number' && Number.isInteger(number) && number >= 0) {
        this.#integers.set(key, number);
        this.#fractions.set(key, { numerator: number, parts: 100 });
      } else if (isFraction(value)) {
        const parts = denominators[String(value.denominator ?? 'HUNDRED')] ?? 100;
        this.#fractions.set(key, { numerator: Number(value.numerator ?? 0), parts });
      }
    }
  }

  isEnabled(key: string, byDefault: FractionalPercent, randomValue: number): boolean {
    const fraction = key === '' ? undefined : this.#fractions.get(key);
    if (fraction === undefined) return randomValue % partsOf(byDefault) < byDefault.numerator;
    return randomValue % fraction.parts < fraction.numerator;
  }

  integer(key: string, byDefault: number): number {
    return this.#integers.get(key) ?? byDefault;
  }
}

/** Whether an object of a layer is a value, and not a part of keys. */
export function isFraction(value: JsonValue): value is JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return (
    Object.keys(value).every((name) => name === 'numerator' || name === 'denominator') && 'numerator' in value
  );
}

/** Nothing is set. */
export const noRuntime: RuntimeValues = new RuntimeSnapshot({});
