/** A problem about a field of a resource, with its place. While a mesh runs it is never an error, whatever its code says. */
import type { Level, Problem } from '#core/problem.ts';
import { formatPath, type Path } from '../decode/decoder.ts';
import { keyOf, type Resource } from '../kinds.ts';
import type { Code } from './codes.ts';

export function finding(
  code: Code,
  level: Exclude<Level, 'error'>,
  resource: Resource,
  path: Path,
  message: string,
  fix?: string,
): Problem {
  return {
    level,
    code,
    message,
    path: formatPath(path),
    at: resource.origin.positionOf(path) ?? resource.origin.start,
    ...(fix !== undefined && { fix }),
    resource: keyOf(resource),
  };
}
