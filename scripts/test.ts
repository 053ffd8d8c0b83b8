/**
 * Everything CI runs: `check`, then tests with real sockets and processes, then outside programs as judges.
 * `npm test`; `npm run test:long` adds the parts that take many minutes.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { findNamespaceMeans } from '#host/network/means.ts';
import { readings, unitTestFiles } from './check.ts';
import { failedFiles } from './failures-reporter.ts';
import { type Outcome, runLanes, runStep, type Step } from './run-step.ts';

/** What failed is told once more at the end, where it is found. */
const failures = mkdtempSync(join(tmpdir(), 'heddle-failures-'));

const reporter = (name: string, destination: string): string[] => [
  `--test-reporter=${name}`,
  `--test-reporter-destination=${destination}`,
];

/** Test files that run beside each other. */
interface Tier {
  readonly name: string;
  readonly files: readonly string[];
  readonly concurrency: number;
  /** That a test may take. */
  readonly minutes: number;
  readonly env: Readonly<Record<string, string>>;
}

/** @param env more of it */
const tier = (
  name: string,
  pattern: string | readonly string[],
  concurrency: number,
  minutes = 5,
  env: Readonly<Record<string, string>> = {},
): Tier => ({ name, files: globSync(pattern).sort(), concurrency, minutes, env });

const stepOf = ({ name, files, concurrency, minutes, env }: Tier): Step => ({
  name: `${name} (${files.length} ${files.length === 1 ? 'file' : 'files'})`,
  command: process.execPath,
  args: [
    '--test',
    ...reporter('spec', 'stdout'),
    ...reporter(join(import.meta.dirname, 'failures-reporter.ts'), join(failures, name)),
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${minutes * 60_000}`,
    ...files,
  ],
  env,
  live: true,
});

/**
 * Tests of whole meshes, which are run a second time with their traffic captured. Of those that start a mesh, not among
 * them are `allow-unsupported` and `up-processes`, which call applications past their sidecars, and `docs` and
 * `state-folder`, which choose themselves.
 */
const meshes = [
  ...[
    'bookinfo',
    'bookstore',
    'claims',
    'container-environment',
    'container-lifecycle',
    'edit',
    'jobs',
    'kill-control',
  ],
  ...[
    'kill-instance',
    'mesh-grpc',
    'mesh-hot-restart',
    'outbound',
    'probes',
    'rolling-restart',
    'service-entry',
    'stateful-set',
    'tcp-metrics',
    'two-meshes',
    'unnamed-ports',
    'volumes',
  ],
].map((name) => `test/integration/${name}.test.ts`);
const meshPeers = ['envoy-sidecar', 'kill', 'mtls', 'polyglot', 'proxyless-grpc', 'strict-mtls'].map(
  (name) => `test/peers/${name}.test.ts`,
);

/** Fuzz targets run for as many hours as they are told. */
const LONG_MINUTES = 24 * 60;

/** One seed for all files of a run. */
process.env.HEDDLE_INTEROP_SEED ??= randomBytes(6).toString('hex');

const namespaces = await findNamespaceMeans(process.env);
if (!namespaces.ok) {
  console.log(`meshes, captured: skipped: ${namespaces.reason} (${namespaces.remedy})`);
}

/** More than these are no accident. */
const MOST_AGAIN = 3;

/**
 * A few files that fail run once more, alone: a machine that stands still for seconds is no fault of what is tested.
 * Both what failed and that it passed later is told at the end.
 */
async function runTier(tests: Tier): Promise<Outcome> {
  const first = await runStep(stepOf(tests));
  const report = join(failures, tests.name);
  if (first.ok || !existsSync(report)) return first;
  const files = failedFiles(readFileSync(report, 'utf8'));
  if (files.length === 0 || files.length > MOST_AGAIN) return first;
  const second = await runStep(stepOf({ ...tests, name: `${tests.name}, again`, files, concurrency: 1 }));
  if (second.ok) unsteady.push(...files.map((file) => relative(process.cwd(), file)));
  return { ...first, ok: second.ok };
}

const unitTests: Tier = {
  name: 'unit tests',
  files: unitTestFiles(),
  concurrency: 2,
  minutes: 5,
  env: {},
};
const tiers: Tier[] = [
  tier('integration', 'test/integration/**/*.test.ts', 2),
  ...(namespaces.ok
    ? [tier('meshes, captured', [...meshes, ...meshPeers], 2, 5, { HEDDLE_TEST_CAPTURE: 'always' })]
    : []),
  tier('outside peers', 'test/peers/**/*.test.ts', 2),
  tier('side by side with Envoy', 'test/interop/**/*.test.ts', 2),
  ...(process.argv.includes('--long') ? [tier('long', 'test/long/**/*.test.ts', 1, LONG_MINUTES)] : []),
];
const unsteady: string[] = [];
const outcomes = [
  await runStep({ name: 'build', command: process.execPath, args: ['scripts/prepare.mjs'] }),
  ...(await Promise.all([runLanes([readings]), runTier(unitTests)])).flat(),
];
for (const tests of tiers) outcomes.push(await runTier(tests));

const failed = outcomes.filter(({ ok }) => !ok).map(({ name }) => name);
for (const { ok, name, output } of outcomes) if (!ok && output !== '') console.log(`\n${name}:\n${output}`);
for (const name of readdirSync(failures)) {
  const text = readFileSync(join(failures, name), 'utf8');
  if (text !== '') console.log(`\n${name}:\n${text}`);
}
rmSync(failures, { recursive: true });
if (unsteady.length > 0) console.log(`test: passed only when run again: ${unsteady.join(', ')}`);
console.log(failed.length === 0 ? 'test: all good' : `test: failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
