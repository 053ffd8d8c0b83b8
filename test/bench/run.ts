/**
 * `npm run bench [ROW…]`: the same work by Heddle and by proxies that are not ours, side by side in one run.
 * The proxies share one core, the load and the backend another; rounds are interleaved, so that what disturbs
 * the host disturbs all. Prints a table and writes bench/results/DATE-ROW.json.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findPeer } from '../support/peer.ts';
import { makeCertificates } from './config/certificate.ts';
import { largeBodyBytes, nginxBackend } from './config/nginx.ts';
import {
  type Bed,
  type Contender,
  type ContenderName,
  contenderNames,
  freePorts,
  startContender,
  stopChild,
} from './contender.ts';
import { runLoad } from './measure/load.ts';
import { cpuTime, memory } from './measure/process-cost.ts';
import { type About, type Measured, type Result, resultOf, table } from './result.ts';
import { type Round, runRound } from './round.ts';
import { type Row, rows } from './row.ts';

const loadCore = 0;
const proxyCore = 1;
const results = resolve(import.meta.dirname, '../../bench/results');
/** Start-up is measured this often, before the rounds. */
const starts = 3;
/** Before the first round, for just-in-time compilers and connection pools. */
const warmUpSeconds = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '5' },
    proxies: { type: 'string', default: contenderNames.join(',') },
    out: { type: 'string', default: results },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const usage = `npm run bench -- [ROW…] [--rounds 7] [--seconds 5] [--proxies ${contenderNames.join(',')}] [--out FOLDER]
rows:
${rows.map(({ name, title }) => `  ${name.padEnd(20)}${title}`).join('\n')}`;

function chosenRows(): Row[] {
  const unknown = positionals.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length > 0) throw new Error(`no row ${unknown.join(', ')}\n${usage}`);
  return rows.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
}

function chosenContenders(): ContenderName[] {
  const names = values.proxies.split(',');
  const unknown = names.filter((name) => !contenderNames.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`no proxy ${unknown.join(', ')}\n${usage}`);
  return contenderNames.filter((name) => names.includes(name));
}

/** Runs `body` with a backend on the load's core and a scratch folder; leaves nothing behind. */
async function withBed<T>(body: (bed: Bed) => Promise<T>): Promise<T> {
  const nginx = findPeer('nginx');
  if (nginx === undefined) throw new Error('the backend is nginx: npm run peers nginx');
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
  const [backendPort = 0] = await freePorts(1);
  const backendFolder = join(folder, 'backend');
  mkdirSync(backendFolder);
  writeFileSync(join(backendFolder, '64k'), 'x'.repeat(largeBodyBytes));
  const config = join(backendFolder, 'nginx.conf');
  writeFileSync(config, nginxBackend({ port: backendPort, folder: backendFolder }));
  // nginx's workers may run as another user where its master is root: they must be able to read the body.
  execFileSync('chmod', ['-R', 'a+rX', folder]);
  const backend = spawn(nginx, ['-p', backendFolder, '-c', config], { stdio: 'ignore' });
  try {
    return await body({ folder, backendPort, proxyCore, certificates: makeCertificates(folder) });
  } finally {
    await stopChild(backend);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts a contender a few times for its start-up, and leaves the last one running. */
async function start(name: ContenderName, row: Row, bed: Bed): Promise<[Contender, number[]]> {
  const startsMs: number[] = [];
  for (let at = 1; ; at++) {
    const contender = await startContender(name, row.chain, bed);
    startsMs.push(contender.startMs);
    if (at === starts || name === 'direct') {
      await checkWork(contender);
      return [contender, name === 'direct' ? [] : startsMs];
    }
    await contender.stop();
  }
}

/** All do the same work, or are not compared: what the backend saw of a request through this contender. */
async function checkWork({ name, port }: Contender): Promise<void> {
  if (name === 'direct') return;
  const seen = await (await fetch(`http://127.0.0.1:${port}/seen`)).text();
  const missing = seen.split('\n').filter((line) => line.endsWith('='));
  if (missing.length > 0) throw new Error(`it does not send ${missing.join(' ')}`);
}

async function runRow(row: Row): Promise<Result> {
  return withBed(async (bed) => {
    const running: { contender: Contender; startsMs: number[]; rounds: Round[] }[] = [];
    try {
      for (const name of chosenContenders()) {
        try {
          const [contender, startsMs] = await start(name, row, bed);
          running.push({ contender, startsMs, rounds: [] });
        } catch (error) {
          console.log(`${name} is left out: ${error instanceof Error ? error.message : error}`);
          process.exitCode = 1;
        }
      }
      await runRounds(row, running, bed);
      return resultOf(row, running.map(toMeasured), about());
    } finally {
      await Promise.all(running.map(({ contender }) => contender.stop()));
    }
  });
}

async function runRounds(
  row: Row,
  running: readonly { readonly contender: Contender; readonly rounds: Round[] }[],
  bed: Bed,
): Promise<void> {
  for (const { contender } of running) {
    const url = `http://127.0.0.1:${contender.port}${row.path}`;
    await runLoad(url, { connections: row.load.connections }, warmUpSeconds, bed.folder);
  }
  const rounds = Number(values.rounds);
  for (let at = 0; at < rounds; at++) {
    // Each round begins with another one, so that nobody always follows the same neighbour.
    const order = running.map((_, index) => running[(index + at) % running.length]);
    for (const one of order) {
      if (one === undefined) continue;
      // Hundreds of megabytes a round; all proxies append.
      for (const log of one.contender.accessLogs) truncateSync(log);
      one.rounds.push(await runRound(row, one.contender, bed, Number(values.seconds)));
    }
    if (process.stdout.isTTY) process.stdout.write(`\r${row.name}: round ${at + 1} of ${rounds} `);
  }
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
}

function toMeasured({
  contender,
  startsMs,
  rounds,
}: {
  contender: Contender;
  startsMs: number[];
  rounds: Round[];
}): Measured {
  for (const log of contender.accessLogs) {
    if (statSync(log).size === 0) throw new Error(`${contender.name} wrote no access log`);
  }
  return { contender, startsMs, rounds, memory: memory(contender.pids) };
}

function about(): About {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const dirty = git('status', '--porcelain', '--', 'src', 'proto', 'package-lock.json') === '' ? '' : '+';
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: git('rev-parse', '--short', 'HEAD') + dirty,
    machine: `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}`,
    node: process.version,
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
  };
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(usage);
    return;
  }
  const chosen = chosenRows();
  if (cpus().length < 2)
    throw new Error('the benchmark needs two cores: one for the proxies, one for the load');
  // Everything that is started inherits this: the load and the backend, but not the proxies.
  execFileSync('taskset', ['-acp', String(loadCore), String(process.pid)], { stdio: 'ignore' });
  mkdirSync(values.out, { recursive: true });
  for (const row of chosen) {
    const result = await runRow(row);
    console.log(`${table(result)}\n`);
    const file = join(values.out, `${result.date}-${row.name}.json`);
    writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
  }
}

if (cpuTime([process.pid]).totalUs === 0)
  throw new Error('no CPU accounting under /proc: the benchmark needs Linux');
await main();
