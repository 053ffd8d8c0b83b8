/**
 * `npm run bench [ROW…]`: the same work by Heddle and by proxies that are not ours, side by side in one run.
 * The proxies share one core, the load and the backend another; rounds are interleaved, so that what disturbs
 * the host disturbs all. Prints a table and writes bench/results/DATE-ROW.json; `--table` prints what was
 * written, as Markdown.
 */
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCore, withBed } from './bed.ts';
import { controlRows } from './control-rows.ts';
import { runControlRow } from './control-run.ts';
import { loadRows } from './load-rows.ts';
import { runLoadRow } from './load-run.ts';
import { cpuTime } from './measure/process-cost.ts';
import { profileRow, profileText } from './profile.ts';
import { type ContenderName, contenderNames } from './program.ts';
import { questionRows } from './question-rows.ts';
import { runQuestionRow } from './question-run.ts';
import { type About, type Result, resultOf } from './result.ts';
import type { Row } from './row.ts';
import { markdown, table } from './table.ts';

const rows: readonly Row[] = [...loadRows, ...questionRows, ...controlRows];
const results = resolve(import.meta.dirname, '../../bench/results');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '5' },
    proxies: { type: 'string', default: contenderNames.join(',') },
    out: { type: 'string', default: results },
    table: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const usage = `npm run bench -- [ROW…] [--rounds 7] [--seconds 5] [--proxies ${contenderNames.join(',')}] [--out FOLDER]
npm run bench -- [ROW…] --table [--out FOLDER]: the newest results, as Markdown
npm run bench -- [ROW…] --profile [--seconds 5]: where Heddle's CPU time goes under the load of a row
rows:
${rows.map(({ name, title }) => `  ${name.padEnd(20)}${title}`).join('\n')}`;

function chosenRows(): Row[] {
  const unknown = positionals.filter((name) => !rows.some((row) => isMeant(row, name)));
  if (unknown.length > 0) throw new Error(`no row ${unknown.join(', ')}\n${usage}`);
  return rows.filter((row) => positionals.length === 0 || positionals.some((name) => isMeant(row, name)));
}

/** By its name; those of the control plane are `control` together. */
function isMeant({ kind, name }: Row, written: string): boolean {
  return name === written || (kind === 'control' && written === 'control');
}

function chosenContenders(): ContenderName[] {
  const names = values.proxies.split(',');
  const unknown = names.filter((name) => !contenderNames.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`no proxy ${unknown.join(', ')}\n${usage}`);
  return contenderNames.filter((name) => names.includes(name));
}

/** A number above zero; `--rounds` and `--seconds` of anything else measure nothing. */
function positive(name: 'rounds' | 'seconds'): number {
  const value = Number(values[name]);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0\n${usage}`);
  return value;
}

async function runRow(row: Row): Promise<Result> {
  const rounds = positive('rounds');
  const seconds = positive('seconds');
  const asked = {
    contenders: chosenContenders().filter((name) => row.leftOut[name] === undefined),
    rounds,
    seconds,
    progress(text: string): void {
      if (process.stdout.isTTY) process.stdout.write(`\r${row.name}: ${text} \x1b[K`);
    },
  };
  const { measured, shown, failed } =
    row.kind === 'control'
      ? await runControlRow(row, asked)
      : await withBed((bed) =>
          row.kind === 'load' ? runLoadRow(row, asked, bed) : runQuestionRow(row, asked, bed),
        );
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
  if (Object.keys(failed).length > 0) process.exitCode = 1;
  const leftOut = { ...row.leftOut, ...failed };
  return resultOf({ row, shown, measured, leftOut, about: about(rounds, seconds) });
}

function about(rounds: number, seconds: number): About {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const dirty = git('status', '--porcelain', '--', 'src', 'proto', 'package-lock.json') === '' ? '' : '+';
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: git('rev-parse', '--short', 'HEAD') + dirty,
    machine: `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}`,
    node: process.version,
    rounds,
    seconds,
  };
}

/** The newest result of each chosen row, in the order of the rows. */
function writtenResults(): Result[] {
  return chosenRows().flatMap(({ name }) => {
    const newest = globSync(join(values.out, `????-??-??-${name}.json`))
      .sort()
      .at(-1);
    if (newest === undefined) return [];
    const result = JSON.parse(readFileSync(newest, 'utf8')) as Result;
    // Older files had another form.
    return 'verdicts' in result ? [result] : [];
  });
}

async function profileRows(chosen: readonly Row[]): Promise<void> {
  const seconds = positive('seconds');
  for (const row of chosen) {
    if (row.kind === 'load') console.log(`${profileText(row, await profileRow(row, seconds))}\n`);
  }
}

async function main(): Promise<void> {
  if (values.help) return console.log(usage);
  if (values.table) return console.log(markdown(writtenResults()));
  const chosen = chosenRows();
  if (cpuTime([process.pid]).totalUs === 0)
    throw new Error('no CPU accounting under /proc: the benchmark needs Linux');
  if (cpus().length < 2)
    throw new Error('the benchmark needs two cores: one for the proxies, one for the load');
  // Everything that is started inherits this: the load and the backend, but not the proxies.
  execFileSync('taskset', ['-acp', String(loadCore), String(process.pid)], { stdio: 'ignore' });
  if (values.profile) return profileRows(chosen);
  mkdirSync(values.out, { recursive: true });
  for (const row of chosen) {
    const result = await runRow(row);
    console.log(`${table(result)}\n`);
    const file = join(values.out, `${result.date}-${row.name}.json`);
    writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
  }
}

await main();
