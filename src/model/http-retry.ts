/** `http[].retries` of a VirtualService. */

import { didYouMean } from '#core/did-you-mean.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { boolean, durationMs, integer, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

export interface HttpRetry {
  /** 0 switches retries off. */
  readonly attempts: number;
  readonly perTryTimeoutMs?: number;
  /** Conditions without status codes; absent: Istio's default. */
  readonly retryOn?: readonly string[];
  /** Status codes written among the conditions. */
  readonly statusCodes: readonly number[];
  /** Base interval of the exponential back-off. */
  readonly backoffMs?: number;
  /** Try an endpoint that has not failed yet. */
  readonly ignorePreviousHosts: boolean;
  /** Try other localities when those of one priority have failed. */
  readonly remoteLocalities: boolean;
}

/** Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on`. */
const conditions: readonly string[] = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
];

interface RetryOn {
  readonly conditions: readonly string[];
  readonly statusCodes: readonly number[];
}

/** `connect-failure,503`: names and status codes, separated by commas. */
const retryOn: Decoder<RetryOn> = refined(text, (decoded, path, report) => {
  const words = decoded
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const isStatus = (word: string): boolean => /^[1-5][0-9][0-9]$/.test(word);
  const wrong = words.filter((word) => !isStatus(word) && !conditions.includes(word));
  for (const word of wrong)
    report.error(path, `${JSON.stringify(word)} is no retry condition`, didYouMean(word, conditions));
  if (wrong.length > 0) return undefined;
  return {
    conditions: words.filter((word) => !isStatus(word)),
    statusCodes: words.filter(isStatus).map(Number),
  };
});

const fields = object({
  attempts: defaulted(
    integer(0, 2 ** 31 - 1),
    0,
    'Besides the first; 0, and so a policy that does not say it, switches retries off.',
  ),
  perTryTimeout: optional(durationMs, 'For each try. Without it there is none but that of the route.'),
  retryOn: optional(
    retryOn,
    'Conditions of Envoy and status codes, separated by commas; else `connect-failure,refused-stream,unavailable,cancelled`.',
  ),
  backoff: optional(durationMs, 'Until the first retry, about; it doubles with each. Else 25 ms.'),
  retryIgnorePreviousHosts: defaulted(
    boolean,
    true,
    'Whether a retry goes to an endpoint that was not tried, while there is one.',
  ),
  retryRemoteLocalities: optional(
    boolean,
    'Whether, after two tries, the next goes to endpoints of other priorities, such as those of other localities.',
  ),
});

export const httpRetry: Decoder<HttpRetry> = refined(fields, (decoded, path, report) => {
  const { attempts, perTryTimeout, retryOn, backoff, retryIgnorePreviousHosts, retryRemoteLocalities } =
    decoded;
  const says = { perTryTimeout, retryOn, retryRemoteLocalities };
  const said = Object.entries(says).find(([, value]) => value !== undefined);
  if (attempts === 0 && said !== undefined) {
    const message = 'says how to retry, and without attempts there are no retries';
    return report.error(
      [...path, said[0]],
      message,
      'write attempts: 2, or leave retries out for two of them',
    );
  }
  return {
    attempts,
    ...(perTryTimeout !== undefined && { perTryTimeoutMs: perTryTimeout }),
    ...(retryOn !== undefined && { retryOn: retryOn.conditions }),
    statusCodes: retryOn?.statusCodes ?? [],
    ...(backoff !== undefined && { backoffMs: backoff }),
    ignorePreviousHosts: retryIgnorePreviousHosts,
    remoteLocalities: retryRemoteLocalities ?? false,
  };
});
