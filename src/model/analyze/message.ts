/** One message of the analysis: a problem with a code, whose level is the code's. */
import type { Problem, Repair } from '#core/problem.ts';
import { formatPath, type Path } from '../decode/decoder.ts';
import { analysisCodes, type Code } from './codes.ts';
import type { AnalysisDocument } from './document.ts';

export interface Message extends Problem {
  readonly code: Code;
  readonly resource: string;
}

export function message(
  code: Code,
  { origin, key }: AnalysisDocument,
  path: Path,
  text: string,
  fix?: string,
  repair?: Repair,
): Message {
  return {
    level: analysisCodes[code].level,
    code,
    message: text,
    ...(path.length > 0 && { path: formatPath(path) }),
    at: (path.length > 0 ? origin.positionOf(path) : undefined) ?? origin.start,
    ...(fix !== undefined && { fix }),
    ...(repair !== undefined && { repair }),
    resource: key,
  };
}
