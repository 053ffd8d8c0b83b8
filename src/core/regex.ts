/**
 * Regular expressions people write: RE2's language, in time linear in the text. A pattern that a
 * static look shows to be linear runs on the platform's faster engine with the same meaning.
 */
import { RE2JS } from 're2js';

export interface Regex {
  readonly source: string;
  /** How many groups the pattern has. */
  readonly groups: number;
  /** Whether the *whole* text matches (RE2 `FullMatch`). */
  matches(text: string): boolean;
  /** Replaces every match; `\1` to `\9` in `substitution` are groups (RE2 `GlobalReplace`). */
  replaceAll(text: string, substitution: string): string;
}

export type CompiledRegex =
  | { readonly ok: true; readonly regex: Regex }
  | { readonly ok: false; readonly reason: string };

/** Literals, classes, one unnested repetition at a time: no group, no alternation, at most one unbounded repeat. */
const PLAIN = /^(?:[A-Za-z0-9_/ :;,=@%&~"'<>#!-]|\\[./\-+?*^$()[\]{}|])*$/;
const ONE_REPEAT =
  /^(?:[A-Za-z0-9_/ :;,=@%&~"'<>#!-]|\\[./\-+?*^$()[\]{}|])*(?:\.|\[\^?[A-Za-z0-9_./-]+\]|\\d)[*+](?:[A-Za-z0-9_/ :;,=@%&~"'<>#!-]|\\[./\-+?*^$()[\]{}|])*$/;

/** With one unbounded repeat and no choice the platform's engine cannot backtrack more than once a character. */
function isStaticallyLinear(source: string): boolean {
  return PLAIN.test(source) || ONE_REPEAT.test(source);
}

/** Of a pattern that the program itself makes, such that no text has it try more than a few ways; for the *whole* text. */
export function ownRegex(source: string): RegExp {
  return new RegExp(`^(?:${source})$`);
}

export function compileRegex(source: string): CompiledRegex {
  let re2: RE2JS;
  try {
    re2 = RE2JS.compile(source);
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
  // RE2's `.` matches all but a line feed; texts with one go the slow way, so that both mean the same.
  const native = isStaticallyLinear(source) ? new RegExp(`^(?:${source})$`, 's') : undefined;
  const matches =
    native === undefined
      ? (text: string): boolean => re2.matches(text)
      : (text: string): boolean => (text.includes('\n') ? re2.matches(text) : native.test(text));
  return {
    ok: true,
    regex: {
      source,
      groups: re2.groupCount(),
      matches,
      replaceAll: (text, substitution) => {
        const parts = partsOf(substitution);
        return re2.matcher(text).replaceAll((...groups: unknown[]) => fill(parts, groups));
      },
    },
  };
}

/** Texts and numbers of groups, in order. */
function partsOf(substitution: string): (string | number)[] {
  const parts: (string | number)[] = [''];
  for (let i = 0; i < substitution.length; i++) {
    const c = substitution[i]!;
    const next = substitution[i + 1];
    if (c === '\\' && next !== undefined && next >= '0' && next <= '9') {
      parts.push(Number(next), '');
      i++;
    } else {
      if (c === '\\' && next === '\\') i++;
      parts[parts.length - 1] += c;
    }
  }
  return parts;
}

function fill(parts: readonly (string | number)[], groups: readonly unknown[]): string {
  let out = '';
  for (const part of parts) {
    if (typeof part === 'string') out += part;
    else if (typeof groups[part] === 'string') out += groups[part];
  }
  return out;
}

/** The highest group a substitution names, to be compared with the pattern. */
export function highestGroup(substitution: string): number {
  let highest = 0;
  for (const [, digit] of substitution.matchAll(/\\(?:\\|(\d))/g)) {
    if (digit !== undefined) highest = Math.max(highest, Number(digit));
  }
  return highest;
}
