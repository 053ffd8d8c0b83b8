/** Answers that a route gives by itself. */
import type { AccessRecord } from '#observe/access-record.ts';
import type { DataSource } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { DirectResponseAction } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';
import { type DataReader, readSource } from '../tls/data-source.ts';
import { readBodyFormat } from './body-format.ts';

export interface DirectResponse {
  readonly kind: 'direct';
  readonly status: number;
  /** A byte string. */
  readonly body: string;
  /** Makes the body of what is known of the request. */
  readonly format: ((record: AccessRecord) => string) | undefined;
  readonly contentType: string | undefined;
  /** Whether the answer names the URL of the request, as what was created or moved does (RFC 9110 §10.2.2). */
  readonly tellsLocation: boolean;
}

/** Envoy's default. */
export const DEFAULT_BODY_BYTES = 4096;

export function compileDirectResponse(
  action: DirectResponseAction,
  maxBodyBytes: number,
  path: string,
  reader: DataReader,
  findings: Findings,
): DirectResponse {
  const { status } = action;
  if (status < 200 || status > 599) findings.error(`${path}.status`, 'must be from 200 to 599');
  const body = readByteString(action.body, `${path}.body`, reader, findings);
  if (body.length > maxBodyBytes)
    findings.error(`${path}.body`, `is ${body.length} bytes long, more than ${maxBodyBytes}`);
  const { bodyFormat } = action;
  const format = bodyFormat && readBodyFormat(bodyFormat, `${path}.body_format`, findings);
  const tellsLocation = status === 201 || (status >= 300 && status < 400);
  const plain = { kind: 'direct', status, body, tellsLocation } as const;
  if (format === undefined) return { ...plain, format: undefined, contentType: undefined };
  return {
    ...plain,
    format(record) {
      record.localReplyBody = body;
      const made = format.format(record);
      record.localReplyBody = '';
      return made;
    },
    contentType: format.contentType,
  };
}

/** Bytes of configuration as a byte string; '' for none. */
export function readByteString(
  source: DataSource | undefined,
  path: string,
  reader: DataReader,
  findings: Findings,
): string {
  if (source === undefined) return '';
  findings.refuse(`${path}.watched_directory`, source.watchedDirectory !== undefined);
  const bytes = readSource(source, path, reader, findings);
  return bytes === undefined ? '' : Buffer.from(bytes).toString('latin1');
}
