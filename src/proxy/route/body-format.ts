/** Bodies of replies, made by a format. */
import { compileAccessLog, type FormatLine } from '#observe/access-log.ts';
import type { SubstitutionFormatString } from '#xds/gen/envoy/config/core/v3/substitution_format_string_pb.js';
import type { Findings } from '../findings.ts';
import { readFormat } from '../hcm/access-log-settings.ts';

/** What a body looks like. */
export interface BodyFormat {
  readonly format: FormatLine;
  readonly contentType: string;
}

export function readBodyFormat(
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
