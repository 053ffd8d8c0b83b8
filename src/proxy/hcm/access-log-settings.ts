/** `AccessLog` messages as functions that write a line. */
import type { JsonObject } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import {
  type AccessLogFormat,
  compileAccessLog,
  envoyTextFormat,
  type FormatLine,
  type JsonTemplate,
} from '#observe/access-log.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { AccessLog } from '#xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { SubstitutionFormatString } from '#xds/gen/envoy/config/core/v3/substitution_format_string_pb.js';
import { FileAccessLogSchema } from '#xds/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '#xds/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import type { DataPathDeps, LineSink } from '../data-path-deps.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { compileRecordFilter, type RecordChance, type RecordFilter } from './record-filter.ts';

/** A log that opens its file when the listener goes into force. */
export interface LogTarget {
  readonly path: string;
  readonly line: FormatLine;
  /** Undefined: every record. */
  readonly filter: RecordFilter | undefined;
}

/** Writes the line of one record to every log. */
export type WriteLog = (record: AccessRecord) => void;

export function readAccessLogs(
  logs: readonly AccessLog[],
  path: string,
  findings: Findings,
  chance?: RecordChance,
): LogTarget[] {
  return logs.flatMap((log, i) => {
    const at = `${path}[${i}].typed_config`;
    const target = readAccessLog(log, at, findings);
    const filter = log.filter && compileRecordFilter(log.filter, `${path}[${i}].filter`, chance, findings);
    return target === undefined ? [] : [{ ...target, filter }];
  });
}

type Target = Omit<LogTarget, 'filter'>;

function readAccessLog(log: AccessLog, at: string, findings: Findings): Target | undefined {
  const any = log.configType.value;
  switch (typeNameOf(any)) {
    case FileAccessLogSchema.typeName: {
      const file = findings.unpack(at, any, FileAccessLogSchema);
      if (file === undefined) return undefined;
      if (file.path === '') findings.error(`${at}.path`, 'is missing');
      const { accessLogFormat: format } = file;
      switch (format.case) {
        case 'logFormat':
          return compile(
            file.path,
            readFormat(format.value, `${at}.log_format`, findings),
            `${at}.log_format`,
            findings,
          );
        case 'format':
          return compile(file.path, textFormat(format.value), `${at}.format`, findings);
        case 'jsonFormat':
        case 'typedJsonFormat':
          return compile(
            file.path,
            { kind: 'json', template: format.value as JsonTemplate },
            `${at}.json_format`,
            findings,
          );
        default:
          return compile(file.path, textFormat(envoyTextFormat), at, findings);
      }
    }
    case StdoutAccessLogSchema.typeName: {
      const stream = findings.unpack(at, any, StdoutAccessLogSchema);
      return compile(
        '/dev/stdout',
        readFormat(stream?.accessLogFormat.value, `${at}.log_format`, findings),
        at,
        findings,
      );
    }
    case StderrAccessLogSchema.typeName: {
      const stream = findings.unpack(at, any, StderrAccessLogSchema);
      return compile(
        '/dev/stderr',
        readFormat(stream?.accessLogFormat.value, `${at}.log_format`, findings),
        at,
        findings,
      );
    }
    default:
      findings.error(at, `access log ${any?.typeUrl ?? log.name} is not supported`);
      return undefined;
  }
}

const textFormat = (text: string): AccessLogFormat => ({ kind: 'text', text });

export function readFormat(
  format: SubstitutionFormatString | undefined,
  path: string,
  findings: Findings,
): AccessLogFormat {
  const omitEmptyValues = format?.omitEmptyValues === true;
  switch (format?.format.case) {
    case undefined:
      return textFormat(envoyTextFormat);
    case 'jsonFormat':
      return { kind: 'json', template: format.format.value as JsonObject as JsonTemplate, omitEmptyValues };
    case 'textFormat':
      return { kind: 'text', text: format.format.value, omitEmptyValues };
    case 'textFormatSource': {
      const { specifier } = format.format.value;
      if (specifier.case === 'inlineString') return { kind: 'text', text: specifier.value, omitEmptyValues };
      findings.error(`${path}.text_format_source`, 'must be an inline_string');
      return textFormat('');
    }
  }
}

function compile(path: string, format: AccessLogFormat, at: string, findings: Findings): Target | undefined {
  const compiled = compileAccessLog(format);
  if (compiled.ok) return { path, line: compiled.value };
  findings.problems.push(
    ...compiled.problems.map(
      (problem): Problem => ({ ...problem, path: problem.path ? `${at}.${problem.path}` : at }),
    ),
  );
  return undefined;
}

/** Opens the files. @throws the system's error. */
export function openLogs(targets: readonly LogTarget[], deps: DataPathDeps): WriteLog {
  const open: {
    readonly line: FormatLine;
    readonly sink: LineSink;
    readonly filter: RecordFilter | undefined;
  }[] = targets.map(({ path, line, filter }) => ({ line, filter, sink: deps.openLog(path) }));
  if (open.length === 1 && open[0]!.filter === undefined) {
    const [{ line, sink }] = open as [(typeof open)[0]];
    return (record) => sink.write(line(record));
  }
  return (record) => {
    for (const { line, sink, filter } of open) {
      if (filter === undefined || filter(record)) sink.write(line(record));
    }
  };
}
