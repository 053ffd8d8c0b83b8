/** Shares of requests, as filters are given them. */
import type { Random } from '#core/random.ts';
import type { RuntimeFractionalPercent } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { FractionalPercent } from '#xds/gen/envoy/type/v3/percent_pb.js';
import type { Findings } from '../findings.ts';
import { partsOf } from '../runtime/values.ts';

export class Share {
  readonly #numerator: number;
  readonly #parts: number;
  readonly #random: Random;

  constructor(percent: FractionalPercent | undefined, random: Random) {
    this.#numerator = percent?.numerator ?? 0;
    this.#parts = percent === undefined ? 1 : partsOf(percent);
    this.#random = random;
  }

  /** Drawn anew. @param atMost the numerator, where a request wants less */
  draw(atMost: number = this.#numerator): boolean {
    const numerator = Math.min(atMost, this.#numerator);
    return numerator > 0 && (numerator >= this.#parts || this.#random.below(this.#parts) < numerator);
  }
}

export function readShare(
  share: RuntimeFractionalPercent | undefined,
  path: string,
  random: Random,
  findings: Findings,
): Share | undefined {
  if (share === undefined) return undefined;
  if (share.runtimeKey !== '')
    findings.warn(`${path}.runtime_key`, 'has no effect: no runtime key is supported');
  if (share.defaultValue === undefined) findings.error(`${path}.default_value`, 'is missing');
  return new Share(share.defaultValue, random);
}
