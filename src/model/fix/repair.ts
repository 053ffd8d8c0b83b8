/** Repairs in a text what is certain; comments, order and blanks stay. */
import type { Problem } from '#core/problem.ts';
import { analysisDocuments } from '../analyze/document.ts';
import { deprecationAnalyzer } from '../analyze/istio/deprecation.ts';
import { World } from '../analyze/world.ts';
import { loadParsed, parseText, type SourceText } from '../load.ts';
import { type Edit, editAt, edited } from './scalar-edit.ts';

export interface Repaired {
  readonly text: string;
  /** What was wrong and is so no more, in the order of the text as it was. */
  readonly problems: readonly Problem[];
}

/** Under an unknown name there may be more that is wrong, and under that again. */
const maxRounds = 10;

/** Nothing is changed that makes other problems. */
export function repairText(source: SourceText): Repaired {
  let { text } = source;
  const problems: Problem[] = [];
  for (let round = 0; round < maxRounds; round++) {
    const before = problemsOf({ ...source, text });
    const edits = editsFor(text, before);
    if (edits.length === 0) break;
    const taken = harmless(source, text, before, edits);
    if (taken.length === 0) break;
    text = edited(
      text,
      taken.map(({ edit }) => edit),
    );
    problems.push(...taken.map(({ problem }) => problem));
  }
  return { text, problems };
}

interface Planned {
  readonly problem: Problem;
  readonly edit: Edit;
}

/** All of them; where they do more harm than good together, each that does none alone. */
function harmless(
  source: SourceText,
  text: string,
  before: readonly Problem[],
  planned: readonly Planned[],
): readonly Planned[] {
  const helps = (some: readonly Planned[]): boolean => {
    const changed = edited(
      text,
      some.map(({ edit }) => edit),
    );
    const after = problemsOf({ ...source, text: changed });
    const left = after.filter((one) => some.some(({ problem }) => isSame(problem, one)));
    return left.length === 0 && !isBroken(after, before);
  };
  return helps(planned) ? planned : planned.filter((one) => helps([one]));
}

/** Whether a document cannot be read that could before. */
function isBroken(after: readonly Problem[], before: readonly Problem[]): boolean {
  const unread = (problems: readonly Problem[]): number =>
    problems.filter(({ level, resource }) => level === 'error' && resource === undefined).length;
  return unread(after) > unread(before);
}

function isSame(a: Problem, b: Problem): boolean {
  return (
    a.path === b.path && a.message === b.message && a.at?.line === b.at?.line && a.resource === b.resource
  );
}

function problemsOf(source: SourceText): readonly Problem[] {
  const parsed = parseText(source);
  const documents = analysisDocuments(parsed.yaml.documents);
  const world = new World(documents, { parse: () => undefined });
  return [...loadParsed([parsed]).problems, ...deprecationAnalyzer.analyze(world)];
}

function editsFor(text: string, problems: readonly Problem[]): readonly Planned[] {
  const starts = lineStarts(text);
  const planned: Planned[] = [];
  for (const problem of problems) {
    const { repair, at, path = '' } = problem;
    if (repair === undefined || at === undefined) continue;
    const offset = starts[at.line - 1]! + at.column - 1;
    const edit = editAt(text, offset, /\[\d+\]$/.test(path), repair);
    if (edit === undefined) continue;
    if (planned.some((one) => one.edit.start < edit.end && edit.start < one.edit.end)) continue;
    planned.push({ problem, edit });
  }
  return planned;
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
