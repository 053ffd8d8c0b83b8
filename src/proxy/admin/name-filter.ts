/** `filter=` and `name_regex=`: a regular expression found anywhere in a name, in linear time. */
import { compileRegex } from '#core/regex.ts';

export type NameFilter = (name: string) => boolean;

/** Takes all without a pattern; undefined where the pattern is none. */
export function nameFilter(pattern: string | null): NameFilter | undefined {
  if (pattern === null) return () => true;
  const compiled = compileRegex(`(?s:.*)(?:${pattern})(?s:.*)`);
  if (!compiled.ok) return undefined;
  return (name) => compiled.regex.matches(name);
}
