/**
 * String matchers, compiled to functions when configuration arrives. The shape is that of
 * `envoy.type.matcher.v3.StringMatcher`, written structurally so that this room needs no messages.
 */
import { compileRegex } from './regex.ts';

export type TextMatcher = (text: string) => boolean;

/** The part of a `StringMatcher` message that is read. */
export interface StringMatcherShape {
  readonly matchPattern:
    | { readonly case: 'exact' | 'prefix' | 'suffix' | 'contains'; readonly value: string }
    | { readonly case: 'safeRegex'; readonly value: { readonly regex: string } }
    | { readonly case: undefined; readonly value?: undefined };
  readonly ignoreCase: boolean;
}

export type CompiledMatcher =
  | { readonly ok: true; readonly matches: TextMatcher }
  | { readonly ok: false; readonly reason: string };

export function compileStringMatcher({ matchPattern, ignoreCase }: StringMatcherShape): CompiledMatcher {
  if (matchPattern.case === undefined) return { ok: false, reason: 'no pattern is given' };
  if (matchPattern.case === 'safeRegex') {
    const compiled = compileRegex(matchPattern.value.regex);
    if (!compiled.ok) return compiled;
    const { regex } = compiled;
    return { ok: true, matches: (text) => regex.matches(text) };
  }
  const wanted = ignoreCase ? asciiLowerCase(matchPattern.value) : matchPattern.value;
  const matches = plainMatcher(matchPattern.case, wanted);
  return { ok: true, matches: ignoreCase ? (text) => matches(asciiLowerCase(text)) : matches };
}

function plainMatcher(kind: 'exact' | 'prefix' | 'suffix' | 'contains', wanted: string): TextMatcher {
  switch (kind) {
    case 'exact':
      return (text) => text === wanted;
    case 'prefix':
      return (text) => text.startsWith(wanted);
    case 'suffix':
      return (text) => text.endsWith(wanted);
    case 'contains':
      return (text) => text.includes(wanted);
  }
}

/** Lower case of A to Z only: case of other letters is not a matter of HTTP. */
export function asciiLowerCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (run) => run.toLowerCase()) : text;
}
