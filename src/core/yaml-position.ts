/** Places in a YAML text: offsets -> lines and columns, and the tree of offsets beside a value. */
import type { Position } from './problem.ts';

/** Where a value stands in the whole text, and its children by key or index. */
export interface Mark {
  readonly valueOffset: number;
  /** Offset of the key, for the value of a field. */
  readonly keyOffset?: number;
  readonly children?: ReadonlyMap<string, Mark> | readonly Mark[];
}

/** A piece of a text. */
export interface TextPart {
  readonly text: string;
  /** Of its first character in the whole text. */
  readonly offset: number;
}

export class LineIndex {
  readonly file: string;
  /** Offset of the first character of each line. */
  readonly #starts: number[] = [0];

  constructor(text: string, file: string) {
    this.file = file;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  positionAt(offset: number): Position {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.file, line: low + 1, column: offset - this.#starts[low]! + 1 };
  }

  /** Of the nearest field that is there; undefined if the first step is missing already. */
  positionOf(root: Mark, path: readonly (string | number)[]): Position | undefined {
    let mark = root;
    for (const [depth, step] of path.entries()) {
      const child = childOf(mark, step);
      if (child === undefined && depth === 0) return undefined;
      if (child === undefined) break;
      mark = child;
    }
    return this.positionAt(mark.keyOffset ?? mark.valueOffset);
  }
}

function childOf(mark: Mark, step: string | number): Mark | undefined {
  if (mark.children === undefined) return undefined;
  if (mark.children instanceof Map) return mark.children.get(String(step));
  return typeof step === 'number' ? (mark.children as readonly Mark[])[step] : undefined;
}

/** Cuts a text before every line that begins a document (`---`). */
export function splitDocuments(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let begin = 0;
  for (const match of text.matchAll(/^---(?=\s|$)/gm)) {
    if (match.index > begin) parts.push({ text: text.slice(begin, match.index), offset: begin });
    begin = match.index;
  }
  parts.push({ text: text.slice(begin), offset: begin });
  return parts;
}
