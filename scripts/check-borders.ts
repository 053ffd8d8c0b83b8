/**
 * The borders between rooms (`.dependency-cruiser.cjs`), that the cruiser saw modules at all (with a
 * compiler it does not know it sees none and exits 0), and the sizes of source files.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';

/** Lines a source file may have before it holds more than one concept. */
const longestFile = 500;

/** Files that may be longer, each with its reason. */
const mayBeLonger: Readonly<Record<string, string>> = {};

interface Cruise {
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly {
      readonly rule: { readonly name: string };
      readonly from: string;
      readonly to: string;
    }[];
  };
}

const problems: string[] = [];

let json: string;
try {
  json = execFileSync(
    process.execPath,
    ['node_modules/dependency-cruiser/bin/dependency-cruiser.mjs', 'src', '--output-type', 'json'],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    },
  );
} catch (error) {
  json = (error as { stdout?: string }).stdout ?? '{}';
}
const { summary } = JSON.parse(json) as Cruise;
const sources = globSync('src/**/*.ts', { exclude: ['src/xds/gen/**'] });
if (summary.totalCruised < sources.length) {
  problems.push(`the cruiser saw ${summary.totalCruised} modules of ${sources.length}`);
}
for (const { rule, from, to } of summary.violations) problems.push(`${rule.name}: ${from} -> ${to}`);

for (const file of [
  ...sources,
  ...globSync('{scripts,test,examples}/**/*.{ts,mjs}', { exclude: ['**/node_modules/**'] }),
]) {
  const lines = readFileSync(file, 'utf8').split('\n').length;
  if (lines > longestFile && mayBeLonger[file] === undefined)
    problems.push(`${file}: ${lines} lines, more than ${longestFile}`);
}

for (const problem of problems) console.log(problem);
console.log(`${summary.totalCruised} modules, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
