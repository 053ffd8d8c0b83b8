/**
 * `npm run chaos -- [ROW…] [--rounds 5] [--write]`: the chaos suite by hand. Prints what each run gave and
 * the table; `--write` keeps the figures and makes the tables of docs/resilience.md from all that are kept.
 * `--rows` measures nothing, and writes there what the rows are.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCore, proxyCore } from '../../bench/bed.ts';
import { findPeer } from '../../support/peer.ts';
import { type Measured, measure } from './measure.ts';
import type { Command, ProxyName } from './proxy.ts';
import { type About, fill, objections, rowsTable, table } from './report.ts';
import { keep, kept } from './results.ts';
import { scenarios } from './scenario.ts';

const heddle = resolve(import.meta.dirname, '../../../bin/heddle');

/** With a core of its own, as in the benchmark: the load and the upstreams have another. */
function commandsOf(envoy: string): Record<ProxyName, Command> {
  const pinned = ['taskset', '-c', String(proxyCore)] as const;
  return {
    envoy: [...pinned, envoy, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'],
    heddle: [...pinned, heddle, 'proxy'],
  };
}

function about(rounds: number): About {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const dirty = git('status', '--porcelain', '--', 'src', 'proto') === '' ? '' : '+';
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: git('rev-parse', '--short', 'HEAD') + dirty,
    machine: `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores`,
    rounds,
  };
}

/** The whole suite, or the rows of those names. Throws where Envoy is not installed. */
export async function runSuite(options: {
  readonly rows?: readonly string[];
  readonly rounds: number;
  readonly write: boolean;
  progress(text: string): void;
}): Promise<Measured[]> {
  const { rows = [], rounds, write, progress } = options;
  const unknown = rows.filter((name) => !scenarios.some((one) => one.name === name));
  if (unknown.length > 0)
    throw new Error(
      `no row ${unknown.join(', ')}: there are ${scenarios.map(({ name }) => name).join(', ')}`,
    );
  const chosen = scenarios.filter(({ name }) => rows.length === 0 || rows.includes(name));
  const envoy = findPeer('envoy');
  if (envoy === undefined) throw new Error('envoy is not installed: npm run peers envoy');
  if (!(rounds > 0)) throw new Error('--rounds must be above 0');
  // Everything that is started inherits it, but the proxies.
  execFileSync('taskset', ['-acp', String(loadCore), String(process.pid)], { stdio: 'ignore' });
  const measured = await measure({
    ...{ scenarios: chosen, rounds, progress },
    commands: commandsOf(envoy),
  });
  const results = measured.map((row) => ({ ...row, about: about(rounds) }));
  progress(table(results));
  if (write) {
    results.forEach(keep);
    writeRows();
    fill('figures', table(kept()));
  }
  return measured;
}

const writeRows = (): void => fill('rows', rowsTable(scenarios));

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      write: { type: 'boolean', default: false },
      rows: { type: 'boolean', default: false },
    },
  });
  if (values.rows) return writeRows();
  const measured = await runSuite({
    ...{ rows: positionals, rounds: Number(values.rounds), write: values.write },
    progress: (text) => console.log(text),
  });
  if (measured.some((row) => objections(row).length > 0)) process.exitCode = 1;
}

if (import.meta.main) await main();
