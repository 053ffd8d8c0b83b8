/** `local_reply_config`: how replies are written that the proxy makes itself (Envoy, "Local reply modification"). */
import type { HeaderList } from '#http/header-list.ts';
import type {
  LocalReplyConfig,
  ResponseMapper,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { LocalReply } from '../filter/contract.ts';
import type { Findings } from '../findings.ts';
import { type BodyFormat, readBodyFormat } from '../route/body-format.ts';
import { readByteString } from '../route/direct-response.ts';
import { compileMutation, type HeaderMutation, mutate } from '../route/header-mutation.ts';
import type { DataReader } from '../tls/data-source.ts';
import type { TrafficRecord } from './record.ts';
import { compileRecordFilter, type RecordChance, type RecordFilter } from './record-filter.ts';

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
  deps: DataReader & RecordChance,
  findings: Findings,
): LocalReplyRules | undefined {
  if (config === undefined) return undefined;
  const mappers = config.mappers.map((mapper, i) =>
    readMapper(mapper, `${path}.mappers[${i}]`, deps, findings),
  );
  const format = config.bodyFormat && readBodyFormat(config.bodyFormat, `${path}.body_format`, findings);
  return new LocalReplyRules(mappers, format);
}

function readMapper(
  mapper: ResponseMapper,
  path: string,
  deps: DataReader & RecordChance,
  findings: Findings,
): Mapper {
  const { filter, statusCode, body, bodyFormatOverride: format, headersToAdd } = mapper;
  if (filter === undefined) findings.error(`${path}.filter`, 'is missing');
  if (statusCode !== undefined && (statusCode < 200 || statusCode > 599)) {
    findings.error(`${path}.status_code`, 'must be from 200 to 599');
  }
  findings.refuse(`${path}.body.watched_directory`, body?.watchedDirectory !== undefined);
  return {
    takes: filter === undefined ? () => false : compileRecordFilter(filter, `${path}.filter`, deps, findings),
    status: statusCode,
    body: body && readByteString(body, `${path}.body`, deps, findings),
    format: format && readBodyFormat(format, `${path}.body_format_override`, findings),
    add: compileMutation(headersToAdd, [], `${path}.`, 'response', findings),
  };
}
