/**
 * Everything CI runs: `check`, then tests with real sockets and processes, then outside programs as judges.
 * `npm test`; `npm run test:long` adds the parts that take many minutes.
 */
import { randomBytes } from 'node:crypto';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNamespaceMeans } from '#host/network/means.ts';
import { runStep, type Step } from './run-step.ts';

/** What failed is told once more at the end, where it is found. */
const failures = mkdtempSync(join(tmpdir(), 'heddle-failures-'));

const reporter = (name: string, destination: string): string[] => [
  `--test-reporter=${name}`,
  `--test-reporter-destination=${destination}`,
];

/** @param minutes that a test may take. @param env more of it */
const tier = (
  name: string,
  pattern: string | readonly string[],
  concurrency: number,
  minutes = 5,
  env: Readonly<Record<string, string>> = {},
): Step[] => {
  const files = globSync(pattern).sort();
  if (files.length === 0) return [];
  return [
    {
      name: `${name} (${files.length} files)`,
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
    },
  ];
};

/** Tests of whole meshes, which are run a second time with their traffic captured. */
const meshes = [
  ...[
    'bookinfo',
    'bookstore',
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
    'probes',
    'rolling-restart',
    'stateful-set',
    'tcp-metrics',
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

const steps: Step[] = [
  { name: 'build', command: process.execPath, args: ['scripts/prepare.mjs'] },
  { name: 'check', command: process.execPath, args: ['scripts/check.ts'], live: true },
  ...tier('integration', 'test/integration/**/*.test.ts', 2),
  ...(namespaces.ok
    ? tier('meshes, captured', [...meshes, ...meshPeers], 2, 5, { HEDDLE_TEST_CAPTURE: 'always' })
    : []),
  ...tier('outside peers', 'test/peers/**/*.test.ts', 2),
  ...tier('side by side with Envoy', 'test/interop/**/*.test.ts', 2),
  ...(process.argv.includes('--long') ? tier('long', 'test/long/**/*.test.ts', 1, LONG_MINUTES) : []),
];

const failed: string[] = [];
for (const step of steps) {
  const outcome = await runStep(step);
  if (!outcome.ok) failed.push(outcome.name);
}
for (const name of readdirSync(failures)) {
  const text = readFileSync(join(failures, name), 'utf8');
  if (text !== '') console.log(`\n${name}:\n${text}`);
}
rmSync(failures, { recursive: true });
console.log(failed.length === 0 ? 'test: all good' : `test: failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
