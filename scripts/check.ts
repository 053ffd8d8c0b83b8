/**
 * The inner loop, under a minute on two cores: format and lint, types, borders between rooms, file sizes,
 * dead code, and every test that needs no network peer. `npm run check`.
 */
import { globSync } from 'node:fs';
import { runLanes, type Step } from './run-step.ts';

const bin = 'node_modules/.bin/';

/** Tests that stand beside what they test: no sockets, no processes. */
export function unitTestFiles(): string[] {
  return [
    ...globSync('src/**/*.test.ts', { exclude: ['src/xds/gen/**'] }),
    ...globSync('test/unit/**/*.test.ts'),
  ].sort();
}

function unitTests(): Step {
  const files = unitTestFiles();
  return {
    name: `unit tests (${files.length} files)`,
    command: process.execPath,
    args: ['--test', '--test-reporter=dot', '--test-concurrency=2', ...files],
  };
}

/** What is told of the source without running it. */
export const readings: readonly Step[] = [
  {
    name: 'types',
    command: process.execPath,
    args: ['node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.json'],
  },
  { name: 'format and lint', command: `${bin}biome`, args: ['check', '.'] },
  { name: 'borders', command: process.execPath, args: ['scripts/check-borders.ts'] },
  { name: 'dead code', command: `${bin}knip`, args: ['--no-progress'] },
];

if (import.meta.main) {
  const outcomes = await runLanes([readings, [unitTests()]]);
  const failed = outcomes.filter((outcome) => !outcome.ok);
  console.log(
    failed.length === 0 ? 'check: all good' : `check: failed: ${failed.map(({ name }) => name).join(', ')}`,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
}
