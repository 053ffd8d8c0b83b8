/** `SubstitutionFormatString` of network filters: a text made of the facts of a connection. */
import { compileAccessLog, type FormatLine } from '#observe/access-log.ts';
import type { SubstitutionFormatString } from '#xds/gen/envoy/config/core/v3/substitution_format_string_pb.js';
import type { Findings } from '../findings.ts';
import { readFormat } from '../hcm/access-log-settings.ts';

export function compileFormat(
  format: SubstitutionFormatString,
  path: string,
  findings: Findings,
): FormatLine {
  const shape = readFormat(format, path, findings);
  const compiled = compileAccessLog(shape);
  if (!compiled.ok) {
    findings.problems.push(...compiled.problems.map((problem) => ({ ...problem, path })));
    return () => '';
  }
  // A JSON text comes as a line.
  return shape.kind === 'text' ? compiled.value : (record) => compiled.value(record).trimEnd();
}
