/** `http[].fault` of a VirtualService: requests that are delayed or answered with an error, on purpose. */
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, object, optional, refused } from './decode/object.ts';
import { durationMs, integer, number, oneOf } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

/** Names of https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, by their number. */
export const grpcStatusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export interface HttpFault {
  readonly delay?: { readonly fixedDelayMs: number; readonly percent: number };
  /** One of both. */
  readonly abort?: {
    readonly httpStatus?: number;
    readonly grpcStatus?: (typeof grpcStatusNames)[number];
    readonly percent: number;
  };
}

/** From 0 to 100, in steps of a ten-thousandth: what a request's lot is compared with is a part of a million. */
export const percentage: Decoder<number> = refined(
  object({ value: optional(number(0, 100), 'In steps of a ten-thousandth.') }),
  ({ value = 0 }) => value,
);

const delayFields = object({
  fixedDelay: optional(durationMs, 'How long.'),
  percentage: optional(percentage, 'Of requests. Without it none (Istio).'),
  percent: optional(integer(0, 100), 'The old name of it.'),
  exponentialDelay: refused('write fixedDelay', 'Istio refuses it, too.'),
});

const delay: Decoder<NonNullable<HttpFault['delay']>> = refined(delayFields, (decoded, path, report) => {
  if (decoded.fixedDelay === undefined)
    return report.error([...path, 'fixedDelay'], 'this field is required');
  if (decoded.percentage === undefined && decoded.percent === undefined)
    report.warning(path, 'delays no request without a percentage', 'write percentage: {value: 100}');
  return {
    fixedDelayMs: decoded.fixedDelay,
    percent: decoded.percentage ?? decoded.percent ?? 0,
  };
});

const abortFields = object(
  {
    httpStatus: optional(integer(200, 599), 'What is answered.'),
    grpcStatus: optional(oneOf(grpcStatusNames), 'What is answered.'),
    percentage: optional(percentage, 'Of requests. Without it none (Istio).'),
    http2Error: refused('write httpStatus or grpcStatus', 'Istio refuses it, too.'),
  },
  (value, path, report) => atMostOneOf(value, ['httpStatus', 'grpcStatus'], 'one is needed', path, report),
);

const abort: Decoder<NonNullable<HttpFault['abort']>> = refined(abortFields, (decoded, path, report) => {
  if (decoded.percentage === undefined)
    report.warning(path, 'aborts no request without a percentage', 'write percentage: {value: 100}');
  return { ...decoded, percent: decoded.percentage ?? 0 };
});

export const httpFault: Decoder<HttpFault> = object(
  {
    delay: optional(
      delay,
      'Lets requests wait. `heddle.dev/fault-scope: attempt` makes faults those of each try ([resilience.md](../resilience.md)).',
    ),
    abort: optional(abort, 'Answers with an error.'),
  },
  (value, path, report) => {
    if (Object.keys(value).length === 0) report.error(path, 'delay, abort or both are needed');
  },
);
