/** A problem about a field of a resource, with its place. */
import type { Level, Problem } from '#core/problem.ts';
import { formatPath, type Path } from '../decode/decoder.ts';
import { keyOf, type Resource } from '../kinds.ts';

export function finding(
  level: Level,
  resource: Resource,
  path: Path,
  message: string,
  fix?: string,
): Problem {
  return {
    level,
    message,
    path: formatPath(path),
    at: resource.origin.positionOf(path) ?? resource.origin.start,
    ...(fix !== undefined && { fix }),
    resource: keyOf(resource),
  };
}
