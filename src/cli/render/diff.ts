/** A unified diff of two texts of as many lines. */
import type { Colour } from './colour.ts';

/** Lines around a change. */
const CONTEXT = 3;

/** @param after `before` with some of its lines changed, and none added */
export function lineDiff(file: string, before: string, after: string, colour: Colour): string[] {
  const old = before.split(/\r?\n/);
  const now = after.split(/\r?\n/);
  const changed = old.flatMap((line, index) => (line === now[index] ? [] : [index]));
  if (changed.length === 0) return [];
  const lines = [colour.strong(`--- ${file}`), colour.strong(`+++ ${file}`)];
  for (const [first, last] of hunks(changed, old.length)) {
    const count = last - first + 1;
    lines.push(colour.dim(`@@ -${first + 1},${count} +${first + 1},${count} @@`));
    for (let index = first; index <= last; index++) {
      if (old[index] === now[index]) lines.push(` ${old[index]}`);
      else lines.push(colour.bad(`-${old[index]}`), colour.good(`+${now[index]}`));
    }
  }
  return lines;
}

/** First and last line of each, from 0. */
function hunks(changed: readonly number[], length: number): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  // What ends with a line break has an empty line after it that is none.
  for (const index of changed) {
    const [first, last] = [Math.max(0, index - CONTEXT), Math.min(length - 2, index + CONTEXT)];
    const before = found.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(last, index);
    else found.push([first, Math.max(last, index)]);
  }
  return found;
}
