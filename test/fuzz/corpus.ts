/**
 * A corpus worth keeping: of many inputs the small ones that reach, together, every block of code that all of
 * them reach, and of what can be said in a few words an example each.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector';
import { join } from 'node:path';
import type { FuzzTarget } from './target.ts';

/** Larger ones make every run slower, and show hardly more. */
const MAX_INPUT_BYTES = 4096;
/** What is said in more words is mostly more of the same. */
const MAX_WORDS = 4;

/** @param inputs shorter ones are preferred. */
export function minimised(target: FuzzTarget, inputs: readonly Buffer[]): Buffer[] {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const reached = new Map<string, Uint8Array>();
  const outlines = new Set<string>();
  const reachesMore = (input: Buffer): boolean => {
    const words = target.run([Buffer.from(input)]).match(/^[a-z]+/gm) ?? [];
    target.run([...input].map((byte) => Buffer.from([byte])));
    let more = words.length <= MAX_WORDS && !outlines.has(words.join());
    outlines.add(words.join());
    session.post('Profiler.takePreciseCoverage', (_error, coverage) => {
      for (const script of coverage.result) {
        if (script.url.includes('/src/')) more = addTo(reached, script) || more;
      }
    });
    return more;
  };
  for (const seed of target.seeds) reachesMore(seed);
  const small = inputs.filter(({ length }) => length <= MAX_INPUT_BYTES);
  const kept = small.toSorted((a, b) => a.length - b.length).filter(reachesMore);
  session.disconnect();
  return kept;
}

/** Marks each character of a source that has run. @returns whether one is new */
function addTo(reached: Map<string, Uint8Array>, { url, functions }: Profiler.ScriptCoverage): boolean {
  const size = Math.max(...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
  const ran = new Uint8Array(size);
  // Ranges within others come after them.
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges)
      ran.fill(Math.min(1, count), startOffset, endOffset);
  }
  const before = reached.get(url);
  if (before === undefined || before.length < size) {
    const grown = new Uint8Array(size);
    grown.set(before ?? []);
    reached.set(url, grown);
  }
  const all = reached.get(url)!;
  let more = false;
  for (let at = 0; at < size; at++) {
    if (ran[at]! <= all[at]!) continue;
    all[at] = 1;
    more = true;
  }
  return more;
}

/** Makes `folder` hold these inputs and no others. */
export function saveCorpus(folder: string, inputs: readonly Buffer[]): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  for (const input of inputs) {
    const hash = createHash('sha256').update(input).digest('hex').slice(0, 12);
    writeFileSync(join(folder, `${hash}.bin`), input);
  }
}
