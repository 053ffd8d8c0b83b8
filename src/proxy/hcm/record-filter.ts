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
import { noRuntime, partsOf, type RuntimeValues } from '../runtime/values.ts';

export type RecordFilter = (record: AccessRecord) => boolean;

/** What filters need besides the record. */
export interface RecordChance {
  readonly random: Random;
  readonly runtime?: RuntimeValues;
}

/** Envoy's flags that may be named. */
const flags: ReadonlySet<string> = new Set(
  'LH UH UT LR UR UF UC UO NR DI FI RL UAEX RLSE DC URX SI IH DPE UMSDR RFCF NFCF DT UPE NC OM DF DO DR UDO DDO'.split(
    ' ',
  ),
);

export function compileRecordFilter(
  filter: AccessLogFilter,
  path: string,
  chance: RecordChance | undefined,
  findings: Findings,
): RecordFilter {
  const { filterSpecifier: specifier } = filter;
  switch (specifier.case) {
    case 'statusCodeFilter':
      return compare(
        specifier.value.comparison,
        `${path}.status_code_filter`,
        (r) => r.responseCode,
        chance?.runtime,
        findings,
      );
    case 'durationFilter':
      return compare(
        specifier.value.comparison,
        `${path}.duration_filter`,
        (r) => Math.floor(r.endMs - r.startMs),
        chance?.runtime,
        findings,
      );
    case 'notHealthCheckFilter':
      return (record) => !record.isHealthCheck;
    case 'runtimeFilter': {
      if (chance === undefined) {
        findings.error(`${path}.runtime_filter`, 'is not supported here');
        return () => false;
      }
      const { percentSampled, runtimeKey } = specifier.value;
      if (runtimeKey === '') findings.error(`${path}.runtime_filter.runtime_key`, 'is missing');
      const { random, runtime = noRuntime } = chance;
      const parts = percentSampled === undefined ? 100 : partsOf(percentSampled);
      const numerator = percentSampled?.numerator ?? 0;
      return () => random.below(parts) < Math.min(parts, runtime.integer(runtimeKey, numerator));
    }
    case 'andFilter':
    case 'orFilter': {
      const isAnd = specifier.case === 'andFilter';
      const at = `${path}.${isAnd ? 'and_filter' : 'or_filter'}.filters`;
      if (specifier.value.filters.length < 2) findings.error(at, 'needs at least two filters');
      const all = specifier.value.filters.map((inner, i) =>
        compileRecordFilter(inner, `${at}[${i}]`, chance, findings),
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
  runtime: RuntimeValues = noRuntime,
  findings: Findings,
): RecordFilter {
  if (comparison?.value === undefined) findings.error(`${path}.comparison.value`, 'is missing');
  const { defaultValue = 0, runtimeKey = '' } = comparison?.value ?? {};
  const wanted = (): number => (runtimeKey === '' ? defaultValue : runtime.integer(runtimeKey, defaultValue));
  switch (comparison?.op) {
    case Op.GE:
      return (r) => read(r) >= wanted();
    case Op.LE:
      return (r) => read(r) <= wanted();
    case Op.NE:
      return (r) => read(r) !== wanted();
    default:
      return (r) => read(r) === wanted();
  }
}
