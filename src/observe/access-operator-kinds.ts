/** Operators of an access log that are made of an argument, besides headers and metadata. */
import { hostname } from 'node:os';
import type { Parsed } from '#core/problem.ts';
import { badOperator, goodOperator, hostOf, type Operator, orNothing } from './access-operator-parts.ts';
import type { AccessRecord } from './access-record.ts';
import { type GrpcStatusForm, grpcStatusForms, grpcStatusOfHttp, grpcStatusText } from './grpc-status.ts';

/** Of what is no number. */
const INVALID = -1;

/** Undefined of requests that are none of gRPC's. */
export function grpcStatusOf(record: AccessRecord): number | undefined {
  const { requestHeaders, responseHeaders, responseTrailers, responseCode } = record;
  const type = firstValue(requestHeaders, 'content-type') ?? '';
  if (!/^application\/grpc(?:\+|$)/.test(type)) return undefined;
  const text = firstValue(responseTrailers, 'grpc-status') ?? firstValue(responseHeaders, 'grpc-status');
  if (text === undefined) return responseCode === 0 ? undefined : grpcStatusOfHttp(responseCode);
  return /^\d+$/.test(text) ? Number(text) : INVALID;
}

function firstValue(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

export function grpcStatus(argument = 'CAMEL_STRING'): Parsed<Operator> {
  const form = grpcStatusForms.find((one): one is GrpcStatusForm => one === argument);
  if (form === undefined)
    return badOperator(`%GRPC_STATUS(${argument})%: must be CAMEL_STRING, SNAKE_STRING or NUMBER`);
  return goodOperator((record) => {
    const status = grpcStatusOf(record);
    if (status === undefined) return undefined;
    return form === 'NUMBER' ? status : grpcStatusText(status, form);
  });
}

/** Read once: it is that of the process. */
export function environment(argument: string): Parsed<Operator> {
  const value = orNothing(process.env[argument] ?? '');
  return goodOperator(() => value);
}

export function hostName(): Operator {
  const name = hostname();
  return () => name;
}

/** `KEY`: the value of a parameter of the query, as it was sent. */
export function queryParameter(argument: string): Parsed<Operator> {
  return goodOperator(({ path, originalPath }) => {
    const target = originalPath || path;
    const from = target.indexOf('?');
    if (from === -1) return undefined;
    for (const pair of target.slice(from + 1).split('&')) {
      const equals = pair.indexOf('=');
      if ((equals === -1 ? pair : pair.slice(0, equals)) === argument)
        return equals === -1 ? '' : pair.slice(equals + 1);
    }
    return undefined;
  });
}

/** Moments of a request. */
const moments: Readonly<Record<string, (record: AccessRecord) => number>> = {
  DS_RX_BEG: (r) => r.startMs,
  DS_RX_END: (r) => r.requestEndMs,
  US_RX_BEG: (r) => r.firstUpstreamByteMs,
  DS_TX_END: (r) => r.endMs,
};

const unitsAMs: Readonly<Record<string, number>> = { ms: 1, us: 1e3, ns: 1e6 };

/** `START:END:PRECISION`. */
export function commonDuration(argument: string): Parsed<Operator> {
  const [start = '', end = '', precision = '', ...more] = argument.split(':');
  const [from, to, units] = [moments[start], moments[end], unitsAMs[precision]];
  if (from === undefined || to === undefined || units === undefined || more.length > 0) {
    const known = Object.keys(moments).join(', ');
    return badOperator(
      `%COMMON_DURATION(${argument})%: must be START:END:PRECISION of ${known} and of ms, us, ns`,
    );
  }
  return goodOperator((record) => {
    const [fromMs, toMs] = [from(record), to(record)];
    return fromMs < 0 || toMs < fromMs ? undefined : Math.floor((toMs - fromMs) * units);
  });
}

/** `WQ` or nothing: the target with its query; `NQ`: without. */
export function pathOf(argument: string): Parsed<Operator> {
  const [query = 'WQ', which = 'ORIG_OR_PATH', ...more] = argument.split(':');
  if (
    !['', 'WQ', 'NQ'].includes(query) ||
    !['PATH', 'ORIG', 'ORIG_OR_PATH'].includes(which) ||
    more.length > 0
  )
    return badOperator(`%PATH(${argument})%: must be WQ or NQ, and PATH, ORIG or ORIG_OR_PATH`);
  return goodOperator(({ path, originalPath }) => {
    const target = which === 'PATH' ? path : which === 'ORIG' ? originalPath : originalPath || path;
    const end = query === 'NQ' ? target.search(/[?#]/) : -1;
    return orNothing(end === -1 ? target : target.slice(0, end));
  });
}

/** Of a list of addresses, with commas between. */
export function withoutPorts(addresses: string): string | undefined {
  return orNothing(
    addresses
      .split(',')
      .map((address) => hostOf(address) ?? '')
      .join(','),
  );
}
