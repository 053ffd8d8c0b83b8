/**
 * Runs groups of cases: each case on Envoy, which must show what it is named for, and on Heddle, which
 * must show the same. What differs on purpose is in `differences.ts` and nowhere else.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { requirePeer } from '../../../support/peer.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { differences } from '../differences.ts';
import type { Case, Group, Observation } from './case.ts';
import { seed } from './draw.ts';
import { unmet } from './expectation.ts';
import { Performance } from './performance.ts';
import { type Subject, startSubject } from './subject.ts';

/** How long what is told late (counters, logs, the end of connections) may take. */
const SETTLE_MS = 3000;
const LOOK_MS = 15;
/** Looks in a row that are the same, after which nothing else is expected. */
const STEADY_LOOKS = 40;
/** HEDDLE_INTEROP_ONLY=envoy leaves the comparison out, for who writes a new group. */
const comparesHeddle = process.env.HEDDLE_INTEROP_ONLY !== 'envoy';

interface Subjects {
  readonly envoy: Subject;
  /** Absent where nothing is compared. */
  readonly heddle: Subject | undefined;
}

/** Registers the tests of a file: only where that file is what runs. */
export function compare(groups: readonly Group[]): void {
  console.log(`seed ${seed} (HEDDLE_INTEROP_SEED=${seed} repeats this run)`);
  for (const group of groups) describe(group.name, () => compareGroup(group));
}

function compareGroup(group: Group): void {
  const folder = tempDir({ after: (remove) => after(remove as () => void) });
  let started: Promise<Subjects> | undefined;

  const start = async (envoy: string): Promise<Subjects> => {
    const one = (name: Subject['name']): Promise<Subject> => {
      const own = join(folder, name);
      mkdirSync(own, { recursive: true });
      return startSubject(group, name, { folder: own, envoy });
    };
    const settled = await Promise.allSettled([one('envoy'), comparesHeddle ? one('heddle') : undefined]);
    const [theirs, ours] = settled;
    if (theirs.status === 'fulfilled' && ours.status === 'fulfilled')
      return { envoy: theirs.value, heddle: ours.value };
    for (const result of settled) if (result.status === 'fulfilled') await result.value?.stop();
    throw theirs.status === 'rejected' ? theirs.reason : ours.status === 'rejected' ? ours.reason : undefined;
  };

  let failed = false;
  after(async () => {
    const subjects = await started?.catch(() => undefined);
    await Promise.all([subjects?.envoy.stop(), subjects?.heddle?.stop()]);
  });

  for (const [index, row] of group.cases.entries()) {
    test(row.name, async (t) => {
      const program = requirePeer(t, 'envoy');
      if (program === undefined) return;
      if (failed) assert.fail('the proxies did not start: see the first case');
      started ??= start(program);
      const subjects = await started.catch((error: unknown) => {
        failed = true;
        throw error;
      });
      await compareCase(t, subjects, row, `case-${index}`);
    });
  }
}

async function compareCase(
  t: TestContext,
  { envoy, heddle }: Subjects,
  row: Case,
  id: string,
): Promise<void> {
  const theirs = new Performance(envoy, row, id);
  const ours = heddle ? new Performance(heddle, row, id) : undefined;
  const [played, playedOurs] = await Promise.allSettled([theirs.play(), ours?.play()]);
  if (played.status === 'rejected') throw new Error('Envoy, client', { cause: played.reason });
  const reference = await settled(theirs, (observation) => unmet(row.expect, theirs.view(), observation));
  const missing = unmet(row.expect, theirs.view(), reference);
  if (missing !== '') assert.fail(`Envoy does not show it: ${missing}\n${text(reference)}`);
  if (process.env.HEDDLE_INTEROP_SHOW !== undefined) t.diagnostic(text(reference));
  if (ours === undefined) return;
  if (playedOurs.status === 'rejected') throw new Error('Heddle, client', { cause: playedOurs.reason });
  const known = differences.find(({ cases }) => cases.includes(row.name));
  const wanted = known === undefined ? reference : known.heddle(reference);
  const own = await settled(ours, (observation) =>
    text(observation, row) === text(wanted, row) ? '' : 'not the same',
  );
  const [shown, meant] = [text(own, row), text(wanted, row)];
  if (known !== undefined)
    assert.notEqual(shown, text(reference, row), 'a difference that is none any more leaves the list');
  if (shown !== meant) assert.fail(`Heddle shows something else:\n${unlike(shown, meant)}`);
}

/** Looks until nothing is missing and two looks are the same, and returns the last. */
async function settled(
  performance_: Performance,
  missing: (observation: Observation) => string,
): Promise<Observation> {
  const deadline = performance.now() + SETTLE_MS;
  for (let before = '', same = 0; ; ) {
    const observation = await performance_.observe();
    const now = text(observation);
    same = now === before ? same + 1 : 0;
    const quiet = same > 0 && performance_.quiet;
    if (quiet && (same > STEADY_LOOKS || missing(observation) === '')) return observation;
    if (performance.now() > deadline) return observation;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Lines that only one of them has, and the headings between. */
function unlike(own: string, wanted: string): string {
  const [ours, theirs] = [own.split('\n'), wanted.split('\n')];
  const section = (lines: readonly string[], heading: string): readonly string[] => {
    const from = lines.indexOf(heading) + 1;
    const to = lines.findIndex((line, at) => at >= from && line.startsWith('# '));
    return lines.slice(from, to === -1 ? undefined : to);
  };
  return theirs
    .filter((line) => line.startsWith('# '))
    .flatMap((heading) => {
      const [a, b] = [section(theirs, heading), section(ours, heading)];
      if (a.join('\n') === b.join('\n')) return [];
      const missing = a.filter((line) => !b.includes(line)).map((line) => `Envoy   ${line}`);
      const extra = b.filter((line) => !a.includes(line)).map((line) => `Heddle  ${line}`);
      return [
        heading,
        ...(missing.length + extra.length > 0 ? [...missing, ...extra] : ['another order', ...b]),
      ];
    })
    .join('\n');
}

function text(
  { client, upstream, log, active, stats }: Observation,
  { inAnyOrder }: Partial<Case> = {},
): string {
  const ordered = (lines: readonly string[]): readonly string[] => (inAnyOrder ? [...lines].sort() : lines);
  return [
    '# client',
    ...client,
    '# upstream',
    ...ordered(upstream),
    '# log',
    ...ordered(log),
    '# still active',
    ...active,
    '# stats',
    ...Object.entries(stats).map(([name, delta]) => `${name} +${delta}`),
  ].join('\n');
}
