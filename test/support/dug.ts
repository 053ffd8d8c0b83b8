/** What dig prints, taken apart. */
import assert from 'node:assert/strict';

export interface Dug {
  readonly status: string;
  readonly flags: readonly string[];
  /** Lines of the sections, with one blank between the parts. */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  readonly text: string;
}

function section(text: string, name: string): string[] {
  const [, lines = ''] = new RegExp(`;; ${name} SECTION:\n([^;]*?)\n\n`).exec(`${text}\n\n`) ?? [];
  return lines.split('\n').flatMap((line) => (line === '' ? [] : line.replaceAll(/\s+/g, ' ')));
}

/** What dig makes of the answer; fails where dig has something to complain about. */
export function readDug(text: string): Dug {
  // That .local is for others is the cluster's choice.
  const complaints = text.replaceAll(/^;; WARNING: \.local is reserved.*\n/gm, '');
  assert.doesNotMatch(complaints, /WARN|malformed|mismatch|extra bytes|Got bad packet/i);
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? '',
    flags: /flags: ([\w ]+);/.exec(text)?.[1]?.split(' ') ?? [],
    answer: section(text, 'ANSWER'),
    authority: section(text, 'AUTHORITY'),
    additional: section(text, 'ADDITIONAL'),
    text,
  };
}
