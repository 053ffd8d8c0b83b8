/** `outlierDetection` of a traffic policy: when callers leave an endpoint alone for a while. */
import type { Decoder } from './decode/decoder.ts';
import { object, optional, unsupported } from './decode/object.ts';
import { boolean, durationMs, integer } from './decode/scalar.ts';

/** Times are milliseconds; what is absent is as Envoy has it. */
export interface OutlierPolicy {
  /** 0: they are not looked for; likewise below. */
  readonly consecutive5xxErrors?: number;
  readonly consecutiveGatewayErrors?: number;
  readonly consecutiveLocalOriginFailures?: number;
  readonly splitExternalLocalOriginErrors?: boolean;
  readonly interval?: number;
  readonly baseEjectionTime?: number;
  readonly maxEjectionPercent?: number;
  readonly minHealthPercent?: number;
}

const MAX_COUNT = 2 ** 32 - 1;
const count = integer(0, MAX_COUNT);
const percent = integer(0, 100);

export const outlierDetection: Decoder<OutlierPolicy> = object({
  consecutive5xxErrors: optional(count),
  consecutiveGatewayErrors: optional(count),
  consecutiveLocalOriginFailures: optional(count),
  splitExternalLocalOriginErrors: optional(boolean),
  interval: optional(durationMs),
  baseEjectionTime: optional(durationMs),
  maxEjectionPercent: optional(percent),
  minHealthPercent: optional(percent),
  outlierDetectionHttpErrorCodes: unsupported('adds'),
  // Istio reads it no more.
  consecutiveErrors: unsupported('adds'),
});
