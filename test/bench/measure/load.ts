/**
 * Load on one address, by programs that are not ours: wrk as fast as it goes, h2load at a fixed rate.
 * Both run on the core that the run itself is pinned to.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf } from './output.ts';
import { quantile } from './statistics.ts';

export interface Load {
  readonly connections: number;
  /** Requests a second over all connections; absent: as many as get through. */
  readonly ratePerSecond?: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Connections that failed, and answers that were not 200. */
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Prints its findings as one line of JSON. */
const wrkScript = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"durationUs":%d,"errors":%d,"p50Us":%d,"p99Us":%d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`;

export async function runLoad(url: string, load: Load, seconds: number, folder: string): Promise<LoadResult> {
  return load.ratePerSecond === undefined
    ? runWrk(url, load, seconds, folder)
    : runH2load(url, load, load.ratePerSecond, seconds, folder);
}

async function runWrk(url: string, load: Load, seconds: number, folder: string): Promise<LoadResult> {
  const script = join(folder, 'wrk.lua');
  writeFileSync(script, wrkScript);
  const output = await outputOf('wrk', ['-t1', `-c${load.connections}`, `-d${seconds}s`, '-s', script, url]);
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk said: ${output}`);
  const { durationUs, ...found } = JSON.parse(line) as Omit<LoadResult, 'seconds'> & { durationUs: number };
  return { ...found, seconds: durationUs / 1e6 };
}

async function runH2load(
  url: string,
  load: Load,
  ratePerSecond: number,
  seconds: number,
  folder: string,
): Promise<LoadResult> {
  const log = join(folder, 'h2load.log');
  rmSync(log, { force: true });
  const output = await outputOf('h2load', [
    ...['--h1', '-t1', '-c', String(load.connections), '-m1', '-D', String(seconds)],
    ...[`--rps=${ratePerSecond / load.connections}`, `--log-file=${log}`, url],
  ]);
  // Each line: start in µs since the epoch, status, time to the end of the answer in µs.
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const fields = lines.map((line) => line.split('\t').map(Number));
  const timesUs = fields.map(([, , timeUs]) => timeUs ?? 0).sort((a, b) => a - b);
  const failed =
    Number(/(\d+) failed/.exec(output)?.[1] ?? 0) + Number(/(\d+) timeout/.exec(output)?.[1] ?? 0);
  return {
    requests: fields.length,
    seconds,
    errors: failed + fields.filter(([, status]) => status !== 200).length,
    p50Us: quantile(timesUs, 0.5),
    p99Us: quantile(timesUs, 0.99),
  };
}
