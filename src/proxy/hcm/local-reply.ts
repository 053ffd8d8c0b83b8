/** `local_reply_config`: how replies are written that the proxy makes itself (Envoy, "Local reply modification"). */
import type { HeaderList } from '#http/header-list.ts';
import { compileAccessLog, type FormatLine } from '#observe/access-log.ts';
import type { SubstitutionFormatString } from '#xds/gen/envoy/config/core/v3/substitution_format_string_pb.js';
import type {
  LocalReplyConfig,
  ResponseMapper,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { LocalReply } from '../filter/contract.ts';
import type { Findings } from '../findings.ts';
import { inlineText } from '../route/action.ts';
import { compileMutation, type HeaderMutation, mutate } from '../route/header-mutation.ts';
import { readFormat } from './access-log-settings.ts';
import type { TrafficRecord } from './record.ts';
import { compileRecordFilter, type RecordChance, type RecordFilter } from './record-filter.ts';

/** What a body looks like. */
interface BodyFormat {
  readonly format: FormatLine;
  readonly contentType: string;
}

interface Mapper {
  readonly takes: RecordFilter;
  readonly status: number | undefined;
  readonly body: string | undefined;
  readonly format: BodyFormat | undefined;
  readonly add: HeaderMutation | undefined;
}

export class LocalReplyRules {
  readonly #mappers: readonly Mapper[];
  readonly #format: BodyFormat | undefined;

  constructor(mappers: readonly Mapper[], format: BodyFormat | undefined) {
    this.#mappers = mappers;
    this.#format = format;
  }

  /** `reply` as it goes out. @param record of the request it answers */
  rewrite(reply: LocalReply, record: TrafficRecord): LocalReply {
    let { status, body, contentType = 'text/plain' } = reply;
    const headers: HeaderList = [...(reply.headers ?? [])];
    record.responseCode = status;
    record.responseHeaders = headers;
    let format = this.#format;
    for (const mapper of this.#mappers) {
      if (!mapper.takes(record)) continue;
      if (mapper.body !== undefined) body = mapper.body;
      if (mapper.add !== undefined) mutate(headers, [mapper.add], record);
      if (mapper.status !== undefined) {
        status = mapper.status;
        record.responseCode = status;
      }
      format = mapper.format ?? format;
      break;
    }
    if (format !== undefined) {
      record.localReplyBody = body;
      body = format.format(record);
      record.localReplyBody = '';
      contentType = format.contentType;
    }
    return { ...reply, status, body, headers, contentType };
  }
}

export function readLocalReply(
  config: LocalReplyConfig | undefined,
  path: string,
  chance: RecordChance,
  findings: Findings,
): LocalReplyRules | undefined {
  if (config === undefined) return undefined;
  const mappers = config.mappers.map((mapper, i) =>
    readMapper(mapper, `${path}.mappers[${i}]`, chance, findings),
  );
  const format = config.bodyFormat && readBodyFormat(config.bodyFormat, `${path}.body_format`, findings);
  return new LocalReplyRules(mappers, format);
}

function readMapper(mapper: ResponseMapper, path: string, chance: RecordChance, findings: Findings): Mapper {
  const { filter, statusCode, body, bodyFormatOverride: format, headersToAdd } = mapper;
  if (filter === undefined) findings.error(`${path}.filter`, 'is missing');
  if (statusCode !== undefined && (statusCode < 200 || statusCode > 599)) {
    findings.error(`${path}.status_code`, 'must be from 200 to 599');
  }
  return {
    takes:
      filter === undefined ? () => false : compileRecordFilter(filter, `${path}.filter`, chance, findings),
    status: statusCode,
    body: body && inlineText(body, `${path}.body`, findings),
    format: format && readBodyFormat(format, `${path}.body_format_override`, findings),
    add: compileMutation(headersToAdd, [], `${path}.`, 'response', findings),
  };
}

function readBodyFormat(
  message: SubstitutionFormatString,
  path: string,
  findings: Findings,
): BodyFormat | undefined {
  const format = readFormat(message, path, findings);
  const compiled = compileAccessLog(format);
  if (!compiled.ok) {
    findings.problems.push(
      ...compiled.problems.map((problem) => ({
        ...problem,
        path: problem.path ? `${path}.${problem.path}` : path,
      })),
    );
    return undefined;
  }
  const contentType =
    message.contentType !== ''
      ? message.contentType
      : format.kind === 'json'
        ? 'application/json'
        : 'text/plain';
  return { format: compiled.value, contentType };
}
