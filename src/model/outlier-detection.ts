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

export const outlierDetection: Decoder<OutlierPolicy> = object(
  {
    consecutive5xxErrors: optional(count, 'Errors one after the other, failed connections among them; 5.'),
    consecutiveGatewayErrors: optional(count, 'The same of 502, 503 and 504 alone; off.'),
    consecutiveLocalOriginFailures: optional(
      count,
      'The same of failures without an answer. Needs `splitExternalLocalOriginErrors`; 5.',
    ),
    splitExternalLocalOriginErrors: optional(
      boolean,
      'Failures without an answer count for themselves, and not as 5xx.',
    ),
    interval: optional(durationMs, 'Between looks at who may come back; 10 s.'),
    baseEjectionTime: optional(durationMs, 'Out for this long, times how often it was before; 30 s.'),
    maxEjectionPercent: optional(percent, 'Of the endpoints that may be out at once; 10, but one at least.'),
    minHealthPercent: optional(
      percent,
      'With fewer healthy endpoints than that all of them are used; 0: never.',
    ),
    outlierDetectionHttpErrorCodes: unsupported(
      'adds',
      'Statuses that are errors, in the place of those of 500 and above.',
    ),
    consecutiveErrors: optional(
      integer(0, 2 ** 31 - 1),
      'No effect, in Istio neither: `consecutive5xxErrors` takes its place.',
    ),
  },
  (policy, path, report) => {
    if (policy.consecutiveErrors !== undefined)
      report.warning(
        [...path, 'consecutiveErrors'],
        'has no effect, in Istio neither',
        'write consecutive5xxErrors or consecutiveGatewayErrors',
      );
    const { consecutiveLocalOriginFailures: local = 0, splitExternalLocalOriginErrors: split } = policy;
    if (local > 0 && split !== true)
      report.error(
        [...path, 'consecutiveLocalOriginFailures'],
        'has no effect without splitExternalLocalOriginErrors',
        'set splitExternalLocalOriginErrors: true',
      );
  },
);
