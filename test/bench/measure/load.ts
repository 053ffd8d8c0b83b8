/**
 * Load on one address: by programs that are not ours where one fits, else by our own (`load/`).
 * All run on the core that the run itself is pinned to, unless they are given more.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { grpcMessage, largeBodyBytes, smallBodyBytes, unaryPath } from '../config/backend.ts';
import { type Certificates, leafDnsName } from '../config/work.ts';
import { outputOf } from './output.ts';
import { quantile } from './statistics.ts';

export type Load =
  /** HTTP/1.1, as much as gets through. */
  | {
      readonly by: 'wrk';
      readonly connections: number;
      readonly path: string;
      readonly upload?: boolean;
      /** Each request on a connection of its own. */
      readonly closes?: boolean;
    }
  /** HTTP/1.1 at a fixed rate, each connection on its own beat. */
  | {
      readonly by: 'h2load-h1';
      readonly connections: number;
      readonly path: string;
      readonly perSecond: number;
    }
  /** HTTP/2, as much as gets through; `grpc` posts a message to `unaryPath`. */
  | { readonly by: 'h2load'; readonly connections: number; readonly streams: number; readonly grpc: boolean }
  /** HTTP/1.1 at a fixed rate, evenly over time. */
  | { readonly by: 'fortio'; readonly connections: number; readonly path: string; readonly perSecond: number }
  /** Messages there and back on open gRPC calls. */
  | { readonly by: 'stream'; readonly connections: number; readonly streams: number }
  | { readonly by: 'websocket'; readonly connections: number }
  /** Bytes from the backend. */
  | { readonly by: 'tcp'; readonly connections: number }
  | { readonly by: 'handshakes'; readonly connections: number; readonly resume: boolean };

export interface LoadResult {
  /** Requests, messages, handshakes, GiB. */
  readonly units: number;
  readonly seconds: number;
  /** Connections that failed, and answers that were not the right ones. */
  readonly errors: number;
  /** 0 where the program does not say. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/** Where the load runs, and against what. */
export interface LoadPlace {
  /** Absent: 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
  /** Scratch. */
  readonly folder: string;
  readonly seconds: number;
  /** The cores it may use; absent: those of the run. */
  readonly cores?: string;
  readonly fortio: string;
  /** The program of `load/`, built. */
  readonly loadProgram: string;
  readonly certificates: Certificates;
}

export function runLoad(load: Load, place: LoadPlace): Promise<LoadResult> {
  switch (load.by) {
    case 'wrk':
      return runWrk(load, place);
    case 'h2load':
    case 'h2load-h1':
      return runH2load(load, place);
    case 'fortio':
      return runFortio(load, place);
    default:
      return runOwn(load, place);
  }
}

/** Prints its findings as one line of JSON. */
const wrkScript = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"units":%d,"durationUs":%d,"errors":%d,"p50Us":%d,"p99Us":%d,"p999Us":%d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
`;
const wrkUpload = `
wrk.method = "POST"
wrk.body = string.rep("x", ${largeBodyBytes})
`;

async function runWrk(load: Extract<Load, { by: 'wrk' }>, place: LoadPlace): Promise<LoadResult> {
  const script = join(place.folder, 'wrk.lua');
  writeFileSync(script, wrkScript + (load.upload === true ? wrkUpload : ''));
  const threads = place.cores === undefined ? 1 : place.cores.split(',').length;
  const output = await run(place, 'wrk', [
    ...[`-t${threads}`, `-c${load.connections}`, `-d${place.seconds}s`, '-s', script],
    ...(load.closes === true ? ['-H', 'connection: close'] : []),
    url(place, load.path),
  ]);
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk said: ${output}`);
  const { durationUs, ...found } = JSON.parse(line) as Omit<LoadResult, 'seconds'> & { durationUs: number };
  return { ...found, seconds: durationUs / 1e6 };
}

const url = ({ host = '127.0.0.1', port }: LoadPlace, path: string): string =>
  `http://${host}:${port}${path}`;

function run({ cores }: LoadPlace, command: string, args: readonly string[]): Promise<string> {
  return cores === undefined ? outputOf(command, args) : outputOf('taskset', ['-c', cores, command, ...args]);
}

async function runH2load(
  load: Extract<Load, { by: 'h2load' | 'h2load-h1' }>,
  place: LoadPlace,
): Promise<LoadResult> {
  const log = join(place.folder, 'h2load.log');
  rmSync(log, { force: true });
  const output = await run(place, 'h2load', [
    ...['-t1', '-c', String(load.connections), '-D', String(place.seconds), `--log-file=${log}`],
    ...(load.by === 'h2load' ? http2Arguments(load, place) : http1Arguments(load, place)),
  ]);
  // Each line: start in µs since the epoch, status, time to the end of the answer in µs.
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const fields = lines.map((line) => line.split('\t').map(Number));
  const timesUs = Float64Array.from(fields, ([, , timeUs]) => timeUs ?? 0).sort();
  const failed =
    Number(/(\d+) failed/.exec(output)?.[1] ?? 0) + Number(/(\d+) timeout/.exec(output)?.[1] ?? 0);
  return {
    units: fields.length,
    seconds: place.seconds,
    errors: failed + fields.filter(([, status]) => status !== 200).length,
    p50Us: quantile(timesUs, 0.5),
    p99Us: quantile(timesUs, 0.99),
    p999Us: quantile(timesUs, 0.999),
  };
}

const http1Arguments = (load: Extract<Load, { by: 'h2load-h1' }>, place: LoadPlace): string[] => [
  ...['--h1', '-m1', `--rps=${load.perSecond / load.connections}`],
  url(place, load.path),
];

function http2Arguments(load: Extract<Load, { by: 'h2load' }>, place: LoadPlace): string[] {
  if (!load.grpc) return ['-m', String(load.streams), url(place, '/small')];
  const message = join(place.folder, 'message');
  writeFileSync(message, grpcMessage());
  return [
    ...['-m', String(load.streams), '-d', message],
    ...['-H', 'content-type: application/grpc', '-H', 'te: trailers'],
    url(place, unaryPath),
  ];
}

interface FortioReport {
  readonly ActualDuration: number;
  readonly RetCodes: Readonly<Record<string, number>>;
  readonly DurationHistogram: {
    readonly Count: number;
    readonly Percentiles: readonly { readonly Percentile: number; readonly Value: number }[];
  };
}

async function runFortio(load: Extract<Load, { by: 'fortio' }>, place: LoadPlace): Promise<LoadResult> {
  const report = join(place.folder, 'fortio.json');
  await run(place, place.fortio, [
    ...['load', '-qps', String(load.perSecond), '-c', String(load.connections), '-t', `${place.seconds}s`],
    ...['-uniform', '-r', '0.00001', '-p', '50,99,99.9', '-allow-initial-errors'],
    ...['-quiet', '-json', report, url(place, load.path)],
  ]);
  const { ActualDuration, RetCodes, DurationHistogram } = JSON.parse(
    readFileSync(report, 'utf8'),
  ) as FortioReport;
  const at = (percentile: number): number =>
    (DurationHistogram.Percentiles.find(({ Percentile }) => Percentile === percentile)?.Value ?? 0) * 1e6;
  return {
    units: DurationHistogram.Count,
    seconds: ActualDuration / 1e9,
    errors: DurationHistogram.Count - (RetCodes['200'] ?? 0),
    p50Us: at(50),
    p99Us: at(99),
    p999Us: at(99.9),
  };
}

type OwnLoad = Extract<Load, { by: 'stream' | 'websocket' | 'tcp' | 'handshakes' }>;

async function runOwn(load: OwnLoad, place: LoadPlace): Promise<LoadResult> {
  const more =
    load.by === 'stream'
      ? ['-streams', String(load.streams), '-path', '/bench.Echo/Stream']
      : load.by === 'handshakes'
        ? [
            ...['-ca', place.certificates.ca, '-server-name', leafDnsName, '-path', '/small'],
            ...(load.resume ? ['-resume'] : []),
          ]
        : [];
  const output = await run(place, place.loadProgram, [
    ...[load.by, '-address', `127.0.0.1:${place.port}`, '-connections', String(load.connections)],
    ...['-seconds', String(place.seconds), '-bytes', String(smallBodyBytes), ...more],
  ]);
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`${load.by} said: ${output}`);
  return JSON.parse(line) as LoadResult;
}
