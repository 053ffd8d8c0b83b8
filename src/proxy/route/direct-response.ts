/** Answers that a route gives by itself. */
import type { Clock } from '#core/clock.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { DataSource } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { DirectResponseAction } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { Findings } from '../findings.ts';
import { type DataReader, readSource } from '../tls/data-source.ts';
import { readBodyFormat } from './body-format.ts';

export interface DirectResponse {
  readonly kind: 'direct';
  readonly status: number;
  readonly contentType: string | undefined;
  /** Whether the answer names the URL of the request, as what was created or moved does (RFC 9110 §10.2.2). */
  readonly tellsLocation: boolean;
  /** A byte string. */
  bodyOf(record: AccessRecord): string;
}

/** Envoy's default. */
export const DEFAULT_BODY_BYTES = 4096;

/** What a body is read with. */
interface BodyDeps extends DataReader {
  readonly clock: Clock;
}

export function compileDirectResponse(
  action: DirectResponseAction,
  maxBodyBytes: number,
  path: string,
  deps: BodyDeps,
  findings: Findings,
): DirectResponse {
  const { status } = action;
  if (status < 200 || status > 599) findings.error(`${path}.status`, 'must be from 200 to 599');
  const bodyOf = compileBody(action.body, maxBodyBytes, `${path}.body`, deps, findings);
  const tellsLocation = status === 201 || (status >= 300 && status < 400);
  const plain = { kind: 'direct', status, tellsLocation } as const;
  const { bodyFormat } = action;
  const format = bodyFormat && readBodyFormat(bodyFormat, `${path}.body_format`, findings);
  if (format === undefined) return { ...plain, contentType: undefined, bodyOf };
  return {
    ...plain,
    contentType: format.contentType,
    bodyOf(record) {
      record.localReplyBody = bodyOf();
      const made = format.format(record);
      record.localReplyBody = '';
      return made;
    },
  };
}

/** How old what was read of a watched file may be when a request asks for it. */
const WATCHED_MS = 100;

function compileBody(
  source: DataSource | undefined,
  maxBytes: number,
  path: string,
  deps: BodyDeps,
  findings: Findings,
): () => string {
  let body = readByteString(source, path, deps, findings);
  if (body.length > maxBytes) findings.error(path, `is ${body.length} bytes long, more than ${maxBytes}`);
  if (source?.watchedDirectory === undefined) return () => body;
  if (source.specifier.case !== 'filename') {
    findings.error(`${path}.watched_directory`, 'is only for filename');
    return () => body;
  }
  const { clock } = deps;
  let readMs = clock.nowMs();
  return () => {
    if (clock.nowMs() - readMs < WATCHED_MS) return body;
    readMs = clock.nowMs();
    const again = new Findings();
    const fresh = readByteString(source, path, deps, again);
    // What cannot be had, or is too long, leaves what there was.
    if (!again.failed && fresh.length <= maxBytes) body = fresh;
    return body;
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
  const bytes = readSource(source, path, reader, findings);
  return bytes === undefined ? '' : Buffer.from(bytes).toString('latin1');
}
