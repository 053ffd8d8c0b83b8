/** `AccessLogFilter`: which requests an access log, or a change of local replies, is for. */
import type { Random } from '#core/random.ts';
import { headerOf } from '#http/header-list.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import {
  type AccessLogFilter,
  type ComparisonFilter,
  ComparisonFilter_Op as Op,
} from '#xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { Findings } from '../findings.ts';
import { compileHeaderMatch } from '../route/header-match.ts';
import { partsOf } from '../runtime/values.ts';

export type RecordFilter = (record: AccessRecord) => boolean;

/** Envoy's flags that may be named. */
const flags: ReadonlySet<string> = new Set(
  'LH UH UT LR UR UF UC UO NR DI FI RL UAEX RLSE DC URX SI IH DPE UMSDR RFCF NFCF DT UPE NC OM DF DO DR UDO DDO'.split(
    ' ',
  ),
);

export function compileRecordFilter(
  filter: AccessLogFilter,
  path: string,
  random: Random | undefined,
  findings: Findings,
): RecordFilter {
  const { filterSpecifier: specifier } = filter;
  switch (specifier.case) {
    case 'statusCodeFilter':
      return compare(
        specifier.value.comparison,
        `${path}.status_code_filter`,
        (r) => r.responseCode,
        findings,
      );
    case 'durationFilter':
      return compare(
        specifier.value.comparison,
        `${path}.duration_filter`,
        (r) => Math.floor(r.endMs - r.startMs),
        findings,
      );
    case 'notHealthCheckFilter':
      return (record) => !record.isHealthCheck;
    case 'runtimeFilter': {
      if (random === undefined) {
        findings.error(`${path}.runtime_filter`, 'is not supported here');
        return () => false;
      }
      const { percentSampled } = specifier.value;
      const share = percentSampled === undefined ? 0 : percentSampled.numerator / partsOf(percentSampled);
      return () => random.ratio() < share;
    }
    case 'andFilter':
    case 'orFilter': {
      const isAnd = specifier.case === 'andFilter';
      const at = `${path}.${isAnd ? 'and_filter' : 'or_filter'}.filters`;
      if (specifier.value.filters.length < 2) findings.error(at, 'needs at least two filters');
      const all = specifier.value.filters.map((inner, i) =>
        compileRecordFilter(inner, `${at}[${i}]`, random, findings),
      );
      return isAnd ? (r) => all.every((one) => one(r)) : (r) => all.some((one) => one(r));
    }
    case 'headerFilter': {
      const { header } = specifier.value;
      if (header === undefined) {
        findings.error(`${path}.header_filter.header`, 'is missing');
        return () => false;
      }
      const matches = compileHeaderMatch(header, `${path}.header_filter.header`, findings);
      return ({ requestHeaders, method, path: target, authority }) =>
        matches({
          requestHeaders,
          method,
          path: target,
          authority,
          scheme: headerOf(requestHeaders, 'x-forwarded-proto') ?? '',
        });
    }
    case 'responseFlagFilter': {
      const wanted = specifier.value.flags;
      wanted.forEach((flag, i) => {
        if (!flags.has(flag))
          findings.error(`${path}.response_flag_filter.flags[${i}]`, `"${flag}" is no flag`);
      });
      if (wanted.length === 0) return (r) => r.responseFlags !== '';
      return (r) => r.responseFlags.split(',').some((flag) => wanted.includes(flag));
    }
    case 'grpcStatusFilter': {
      const { statuses, exclude } = specifier.value;
      return (r) => {
        const status =
          headerOf(r.responseTrailers, 'grpc-status') ?? headerOf(r.responseHeaders, 'grpc-status');
        return (status !== undefined && statuses.includes(Number(status))) !== exclude;
      };
    }
    default:
      findings.error(path, 'says no filter');
      return () => false;
  }
}

function compare(
  comparison: ComparisonFilter | undefined,
  path: string,
  read: (record: AccessRecord) => number,
  findings: Findings,
): RecordFilter {
  if (comparison?.value === undefined) findings.error(`${path}.comparison.value`, 'is missing');
  const wanted = comparison?.value?.defaultValue ?? 0;
  switch (comparison?.op) {
    case Op.GE:
      return (r) => read(r) >= wanted;
    case Op.LE:
      return (r) => read(r) <= wanted;
    case Op.NE:
      return (r) => read(r) !== wanted;
    default:
      return (r) => read(r) === wanted;
  }
}
