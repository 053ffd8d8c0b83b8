/** Problems for people: where, what, the source line with a caret below, and what to do. */
import type { Problem } from '#core/problem.ts';
import type { Colour } from './colour.ts';

/** The text of a file, or undefined when it cannot be read; lets the source line be shown. */
export type ReadSource = (file: string) => string | undefined;

/**
 * The lines of one problem, such as
 *
 *     ✘ reviews.yaml:12:9: VirtualService default/reviews: spec.http[0].rote: unknown field "rote"
 *         12 |       rote:
 *            |       ^
 *       did you mean "route"?
 */
export function problemLines(problem: Problem, colour: Colour, readSource: ReadSource): string[] {
  const { level, code, at, resource, path, message, fix } = problem;
  const place = at === undefined ? undefined : `${at.file}:${at.line}:${at.column}`;
  const what = [place, resource, path === '' ? undefined : path, message].filter(
    (part) => part !== undefined,
  );
  const lines = [`${mark(level, code, colour)} ${what.join(': ')}`];
  const source = at === undefined ? undefined : readSource(at.file)?.split(/\r?\n/)[at.line - 1];
  if (at !== undefined && source !== undefined) {
    const number = String(at.line);
    lines.push(colour.dim(`    ${number} | `) + source);
    const indent = source.slice(0, at.column - 1).replace(/[^\t]/g, ' ');
    lines.push(`${colour.dim(`    ${' '.repeat(number.length)} | `)}${indent}${colour.bad('^')}`);
  }
  if (fix !== undefined) lines.push(`  ${fix}`);
  return lines;
}

/** A glyph and, beyond errors, a word: readable by screen readers and in logs of CI. */
function mark(level: Problem['level'], code: string | undefined, colour: Colour): string {
  const word = code === undefined ? `${level}:` : `${level} [${code}]:`;
  if (level === 'error') return `${colour.bad('✘')} ${word}`;
  if (level === 'warning') return `${colour.warn('‼')} ${word}`;
  return `${colour.dim('ℹ')} ${word}`;
}

/** `2 errors, 1 warning`, or undefined where there is nothing to say. */
export function problemCount(problems: readonly Problem[]): string | undefined {
  const parts = (['error', 'warning'] as const).flatMap((level) => {
    const count = problems.filter((problem) => problem.level === level).length;
    return count === 0 ? [] : [`${count} ${level}${count === 1 ? '' : 's'}`];
  });
  return parts.length === 0 ? undefined : parts.join(', ');
}
