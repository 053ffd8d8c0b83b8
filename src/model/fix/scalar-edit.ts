/** Changes of one key or one scalar in a text of YAML or JSON, at its offset. All else stays as it is. */
import type { Repair } from '#core/problem.ts';

/** A piece of a text, and what stands for it. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const doubleQuoted = /"(?:[^"\\\n]|\\.)*"/y;
const singleQuoted = /'(?:[^'\n]|'')*'/y;
/** Numbers, words and names; what may hold more than that is left alone. */
const plain = /[\w.+/-]+/y;
const beforeValue = /[ \t]*:[ \t]+/y;

/**
 * @param offset of a key, or of an item of a list
 * @param isItem whether it is the latter
 * @returns undefined where something else stands there, such as an anchor or a text of several lines
 */
export function editAt(text: string, offset: number, isItem: boolean, repair: Repair): Edit | undefined {
  if (isItem) return 'name' in repair ? undefined : valueEdit(text, tokenAt(text, offset), repair);
  const key = tokenAt(text, offset);
  if (key === undefined) return undefined;
  const between = matchAt(beforeValue, text, key.end) ?? matchAt(/:/y, text, key.end);
  if (between === undefined) return undefined;
  if (!('name' in repair)) return valueEdit(text, tokenAt(text, between.end), repair);
  const name = text[key.start] === '"' ? JSON.stringify(repair.name) : repair.name;
  if (!('wrapped' in repair)) return { ...key, text: name };
  const value = tokenAt(text, between.end);
  if (value === undefined) return undefined;
  const field = text[key.start] === '"' ? JSON.stringify(repair.wrapped) : repair.wrapped;
  const written = text.slice(value.start, value.end);
  const separator = text.slice(between.start, between.end);
  return { start: key.start, end: value.end, text: `${name}${separator}{${field}: ${written}}` };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function valueEdit(text: string, span: Span | undefined, repair: Repair): Edit | undefined {
  if (span === undefined) return undefined;
  const written = text.slice(span.start, span.end);
  if ('asText' in repair) return { ...span, text: JSON.stringify(written) };
  if (!('value' in repair)) return undefined;
  // A quoted word stays quoted, unless the quotes are what is wrong with it.
  const isQuoted = /^["']/.test(written);
  const isBare = /^(?:true|false|\d+)$/.test(repair.value);
  const quote = isQuoted && !isBare ? written[0] : '';
  return { ...span, text: `${quote}${repair.value}${quote}` };
}

function tokenAt(text: string, offset: number): Span | undefined {
  if (text[offset] === '"') return matchAt(doubleQuoted, text, offset);
  return text[offset] === "'" ? matchAt(singleQuoted, text, offset) : matchAt(plain, text, offset);
}

function matchAt(pattern: RegExp, text: string, offset: number): Span | undefined {
  pattern.lastIndex = offset;
  const match = pattern.exec(text);
  return match === null ? undefined : { start: offset, end: offset + match[0].length };
}

/** @param edits of pieces that have nothing in common */
export function edited(text: string, edits: readonly Edit[]): string {
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((result, { start, end, text: by }) => result.slice(0, start) + by + result.slice(end), text);
}
