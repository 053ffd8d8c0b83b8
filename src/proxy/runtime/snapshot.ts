/** The values in force in one thread. Others are put in their place when a layer changes. */
import type { FractionalPercent } from '#xds/gen/envoy/type/v3/percent_pb.js';
import type { RuntimeEntries } from './entry.ts';
import { type Fraction, noRuntime, partsOf, type RuntimeValues } from './values.ts';

/** Whole percents above this are always. */
const ALL: Fraction = { numerator: 100, parts: 100 };

export class RuntimeSnapshot implements RuntimeValues {
  #entries: RuntimeEntries;
  #changed: (() => void)[] = [];
  version: number;

  constructor(entries: RuntimeEntries = new Map()) {
    this.#entries = entries;
    this.version = entries.size === 0 ? 0 : 1;
  }

  get entries(): RuntimeEntries {
    return this.#entries;
  }

  isEnabled(key: string, byDefault: FractionalPercent, randomValue: number): boolean {
    if (!this.#entries.has(key)) return noRuntime.isEnabled(key, byDefault, randomValue);
    const { numerator, denominator } = byDefault;
    const { numerator: wanted, parts } = this.fraction(key, { numerator, parts: partsOf({ denominator }) });
    return randomValue % parts < wanted;
  }

  integer(key: string, byDefault: number): number {
    return this.#entries.get(key)?.integer ?? byDefault;
  }

  double(key: string, byDefault: number): number {
    return this.#entries.get(key)?.double ?? byDefault;
  }

  boolean(key: string, byDefault: boolean): boolean {
    return this.#entries.get(key)?.boolean ?? byDefault;
  }

  fraction(key: string, byDefault: Fraction): Fraction {
    const entry = this.#entries.get(key);
    if (entry === undefined) return byDefault;
    if (entry.fraction !== undefined) return entry.fraction;
    if (entry.integer === undefined) return byDefault;
    return entry.integer > ALL.parts ? ALL : { numerator: entry.integer, parts: ALL.parts };
  }

  replace(entries: RuntimeEntries): void {
    this.#entries = entries;
    this.version++;
    for (const changed of this.#changed) changed();
  }

  /** Calls `changed` after each change, for what is not read each time. */
  onChange(changed: () => void): void {
    this.#changed.push(changed);
  }
}
