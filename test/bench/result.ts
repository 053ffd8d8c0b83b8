/** From rounds to what is kept and shown: medians, Heddle's ratio to each other proxy, a table. */
import { type Contender, type ContenderName, contenderNames } from './contender.ts';
import type { Memory } from './measure/process-cost.ts';
import { median, type Quartiles, quartiles } from './measure/statistics.ts';
import { objection, type Round } from './round.ts';
import type { Row } from './row.ts';

export interface Measured {
  readonly contender: Pick<Contender, 'name' | 'version'>;
  readonly rounds: readonly Round[];
  /** After the last round. */
  readonly memory: Memory;
  /** Of every start that was tried. */
  readonly startsMs: readonly number[];
}

export interface Summary {
  readonly version: string;
  /** Absent when the figures count. */
  readonly objection?: string;
  readonly requestsPerSecond: number;
  readonly cpuUs: number;
  readonly userUs: number;
  readonly systemUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly coreBusy: number;
  readonly proxyShare: number;
  readonly residentMb: number;
  readonly uniqueMb: number;
  readonly startMs: number;
}

/** Heddle's figure divided by the other's, round by round. */
export interface Ratio {
  readonly cpu: Quartiles;
  readonly requestsPerSecond: Quartiles;
  readonly p99: Quartiles;
}

export interface Result {
  readonly row: string;
  readonly title: string;
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly node: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly contenders: Partial<Record<ContenderName, Summary>>;
  /** Heddle to each of the others. */
  readonly ratios: Partial<Record<ContenderName, Ratio>>;
}

const megabyte = 1024 * 1024;
const round = (value: number, digits: number): number => Number(value.toFixed(digits));

function summarize(row: Row, { contender, rounds, memory, startsMs }: Measured): Summary {
  const of = (field: keyof Round, digits: number): number =>
    round(median(rounds.map((one) => one[field])), digits);
  const against = objection(row, contender.name, rounds);
  return {
    version: contender.version,
    ...(against === undefined ? {} : { objection: against }),
    requestsPerSecond: of('requestsPerSecond', 0),
    cpuUs: of('cpuUs', 2),
    userUs: of('userUs', 2),
    systemUs: of('systemUs', 2),
    p50Us: of('p50Us', 0),
    p99Us: of('p99Us', 0),
    coreBusy: of('coreBusy', 3),
    proxyShare: of('proxyShare', 3),
    residentMb: round(memory.residentBytes / megabyte, 1),
    uniqueMb: round(memory.uniqueBytes / megabyte, 1),
    startMs: startsMs.length === 0 ? 0 : round(median(startsMs), 0),
  };
}

export type About = Pick<Result, 'date' | 'commit' | 'machine' | 'node' | 'rounds' | 'seconds'>;

export function resultOf(row: Row, measured: readonly Measured[], about: About): Result {
  const contenders: Result['contenders'] = {};
  for (const one of measured) contenders[one.contender.name] = summarize(row, one);
  const ours = measured.find(({ contender }) => contender.name === 'heddle');
  const ratios: Result['ratios'] = {};
  for (const one of measured) {
    if (ours === undefined || one === ours) continue;
    ratios[one.contender.name] = {
      cpu: pairedRatio(ours, one, 'cpuUs'),
      requestsPerSecond: pairedRatio(ours, one, 'requestsPerSecond'),
      p99: pairedRatio(ours, one, 'p99Us'),
    };
  }
  return { row: row.name, title: row.title, ...about, contenders, ratios };
}

/** Rounds of one number ran within seconds of each other: what disturbed the host then disturbed both. */
function pairedRatio(ours: Measured, theirs: Measured, field: keyof Round): Quartiles {
  const ratios = ours.rounds.flatMap((one, at) => {
    const other = theirs.rounds[at]?.[field] ?? 0;
    return other === 0 ? [] : [one[field] / other];
  });
  const { q1, median: middle, q3 } = quartiles(ratios);
  return { q1: round(q1, 3), median: round(middle, 3), q3: round(q3, 3) };
}

const columns = [
  ['proxy', 18],
  ['requests/s', 11],
  ['CPU µs (user+sys)', 22],
  ['p50 µs', 8],
  ['p99 µs', 8],
  ['RSS MB', 8],
  ['own MB', 8],
  ['start ms', 9],
  ['busy', 6],
  ['heddle: CPU ×', 20],
] as const;

export function table(result: Result): string {
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) =>
        at === 0 ? cell.padEnd(columns[at]?.[1] ?? 0) : cell.padStart(columns[at]?.[1] ?? 0),
      )
      .join('');
  const lines = contenderNames.flatMap((name) => {
    const summary = result.contenders[name];
    return summary === undefined ? [] : [line(cellsOf(name, summary, result.ratios[name]))];
  });
  return [`${result.row}: ${result.title}`, line(columns.map(([title]) => title)), ...lines].join('\n');
}

function cellsOf(name: ContenderName, summary: Summary, ratio: Ratio | undefined): string[] {
  const none = name === 'direct';
  const cpu = `${summary.cpuUs.toFixed(1)} (${summary.userUs.toFixed(1)}+${summary.systemUs.toFixed(1)})`;
  const { q1, median: middle, q3 } = ratio?.cpu ?? { q1: 0, median: 0, q3: 0 };
  return [
    `${name} ${summary.version}`,
    String(summary.requestsPerSecond),
    none ? '-' : cpu,
    String(summary.p50Us),
    String(summary.p99Us),
    none ? '-' : summary.residentMb.toFixed(1),
    none ? '-' : summary.uniqueMb.toFixed(1),
    none ? '-' : String(summary.startMs),
    `${Math.round(summary.coreBusy * 100)}%`,
    none || ratio === undefined ? '' : `${middle.toFixed(2)} (${q1.toFixed(2)}–${q3.toFixed(2)})`,
    summary.objection === undefined ? '' : `  does not count: ${summary.objection}`,
  ];
}
