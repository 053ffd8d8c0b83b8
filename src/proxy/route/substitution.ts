/** `RegexMatchAndSubstitute`: a regular expression and what stands in the place of its matches. */
import { compileRegex, highestGroup, type Regex } from '#core/regex.ts';
import type { RegexMatchAndSubstitute } from '#xds/gen/envoy/type/matcher/v3/regex_pb.js';
import type { Findings } from '../findings.ts';

/** Undefined where it cannot be compiled. */
export function compileSubstitution(
  rewrite: RegexMatchAndSubstitute,
  path: string,
  findings: Findings,
): Regex | undefined {
  const compiled = compileRegex(rewrite.pattern?.regex ?? '');
  if (!compiled.ok) {
    findings.error(`${path}.pattern.regex`, compiled.reason);
    return undefined;
  }
  if (highestGroup(rewrite.substitution) > compiled.regex.groups) {
    findings.error(`${path}.substitution`, 'names a group the pattern does not have');
  }
  return compiled.regex;
}
