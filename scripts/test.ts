/**
 * Everything CI runs: `check`, then tests with real sockets and processes, then outside programs as judges.
 * `npm test`; `npm run test:long` adds the parts that take many minutes.
 */
import { randomBytes } from 'node:crypto';
import { globSync } from 'node:fs';
import { runStep, type Step } from './run-step.ts';

/** @param minutes that a test may take. */
const tier = (name: string, pattern: string, concurrency: number, minutes = 5): Step[] => {
  const files = globSync(pattern).sort();
  if (files.length === 0) return [];
  return [
    {
      name: `${name} (${files.length} files)`,
      command: process.execPath,
      args: [
        '--test',
        '--test-reporter=spec',
        `--test-concurrency=${concurrency}`,
        `--test-timeout=${minutes * 60_000}`,
        ...files,
      ],
      live: true,
    },
  ];
};

/** Fuzz targets run for as many hours as they are told. */
const LONG_MINUTES = 24 * 60;

/** One seed for all files of a run. */
process.env.HEDDLE_INTEROP_SEED ??= randomBytes(6).toString('hex');

const steps: Step[] = [
  { name: 'build', command: process.execPath, args: ['scripts/prepare.mjs'] },
  { name: 'check', command: process.execPath, args: ['scripts/check.ts'], live: true },
  ...tier('integration', 'test/integration/**/*.test.ts', 2),
  ...tier('outside peers', 'test/peers/**/*.test.ts', 2),
  ...tier('side by side with Envoy', 'test/interop/**/*.test.ts', 2),
  ...(process.argv.includes('--long') ? tier('long', 'test/long/**/*.test.ts', 1, LONG_MINUTES) : []),
];

const failed: string[] = [];
for (const step of steps) {
  const outcome = await runStep(step);
  if (!outcome.ok) failed.push(outcome.name);
}
console.log(failed.length === 0 ? 'test: all good' : `test: failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
