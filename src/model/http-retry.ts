/** `http[].retries` of a VirtualService. */

import { didYouMean } from '#core/did-you-mean.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object, optional, unsupportedIf } from './decode/object.ts';
import { boolean, durationMs, integer, text } from './decode/scalar.ts';

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
const retryOn: Decoder<RetryOn> = (value, path, report) => {
  const decoded = text(value, path, report);
  if (decoded === undefined) return undefined;
  const names: string[] = [];
  const statusCodes: number[] = [];
  for (const written of decoded.split(',')) {
    const word = written.trim();
    if (word === '') continue;
    if (/^[1-5][0-9][0-9]$/.test(word)) statusCodes.push(Number(word));
    else if (conditions.includes(word)) names.push(word);
    else
      return report.error(
        path,
        `${JSON.stringify(word)} is no retry condition`,
        didYouMean(word, conditions),
      );
  }
  return { conditions: names, statusCodes };
};

const fields = object({
  attempts: defaulted(integer(0, 2 ** 31 - 1), 2),
  perTryTimeout: optional(durationMs),
  retryOn: optional(retryOn),
  backoff: optional(durationMs),
  retryIgnorePreviousHosts: defaulted(boolean, true),
  // There are no localities to prefer yet, so a retry may go anywhere already.
  retryRemoteLocalities: unsupportedIf('adds', (value) => value !== true),
});

export const httpRetry: Decoder<HttpRetry> = (value, path, report) => {
  const decoded = fields(value, path, report);
  if (decoded === undefined) return undefined;
  const { attempts, perTryTimeout, retryOn, backoff, retryIgnorePreviousHosts } = decoded;
  return {
    attempts,
    ...(perTryTimeout !== undefined && { perTryTimeoutMs: perTryTimeout }),
    ...(retryOn !== undefined && { retryOn: retryOn.conditions }),
    statusCodes: retryOn?.statusCodes ?? [],
    ...(backoff !== undefined && { backoffMs: backoff }),
    ignorePreviousHosts: retryIgnorePreviousHosts,
  };
};
