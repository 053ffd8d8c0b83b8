/** One round of one contender: load on the other core, the operating system's accounts before and after. */
import { type Bed, proxyCore } from './bed.ts';
import type { Contender } from './contender.ts';
import { runLoad } from './measure/load.ts';
import { busyRatio, coreTicks, cpuTime, memory } from './measure/process-cost.ts';
import type { ContenderName } from './program.ts';
import type { Figure, LoadRow } from './row.ts';

export interface Round {
  /** Units a second. */
  readonly perSecond: number;
  /** CPU time of the proxy a unit; 0 for `direct`. */
  readonly cpuUs: number;
  readonly userUs: number;
  readonly systemUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly errors: number;
  /** Share of the round in which the proxies' core was busy, 0..1; 0 for `direct`. */
  readonly coreBusy: number;
  /** Share of that core's time the proxy itself had, 0..1: much less than `coreBusy` means a noisy host. */
  readonly proxyShare: number;
  /** Right after the load. */
  readonly residentBytes: number;
  readonly uniqueBytes: number;
}

/** A core less busy than this was not saturated: the row's rate then says more of the load than of the proxy. */
export const saturatedRatio = 0.95;
/** A proxy with less of its core shared it with something that is no part of the benchmark. */
const ownRatio = 0.85;

const allCores = '0,1';
const megabyte = 1024 * 1024;

export function figuresOf(row: LoadRow): Figure[] {
  const gibibytes = row.unit === 'GiB';
  const cpu = gibibytes ? { label: 'CPU ms', digits: 0, per: 1000 } : { label: 'CPU µs', digits: 1 };
  const added = [
    { name: 'addedP50Us', label: '+p50 µs', digits: 0 },
    { name: 'addedP99Us', label: '+p99 µs', digits: 0 },
    { name: 'addedP999Us', label: '+p99.9 µs', digits: 0 },
  ];
  return [
    {
      name: 'perSecond',
      label: gibibytes ? 'GiB/s' : `${row.unit.split(' ')[0]}s/s`,
      digits: gibibytes ? 2 : 0,
    },
    { name: 'cpuUs', ...cpu },
    { name: 'userUs', ...cpu, label: 'user' },
    { name: 'systemUs', ...cpu, label: 'system' },
    { name: 'p50Us', label: 'p50 µs', digits: 0 },
    { name: 'p99Us', label: 'p99 µs', digits: 0 },
    ...(row.added === true ? [{ name: 'p999Us', label: 'p99.9 µs', digits: 0 }, ...added] : []),
    { name: 'residentBytes', label: 'RSS MB', digits: 1, per: megabyte },
    { name: 'uniqueBytes', label: 'own MB', digits: 1, per: megabyte },
    { name: 'startMs', label: 'start ms', digits: 0 },
    { name: 'coreBusy', label: 'busy %', digits: 0, per: 0.01 },
  ];
}

/** Cores of the proxies and of the load. */
export const coresOf = (row: LoadRow): { readonly proxy: string; readonly load?: string } =>
  row.threads === undefined ? { proxy: String(proxyCore) } : { proxy: allCores, load: allCores };

export async function runRound(
  row: LoadRow,
  contender: Contender,
  bed: Bed,
  seconds: number,
): Promise<Round> {
  const core = coreTicks(proxyCore);
  const cpu = cpuTime(contender.pids);
  const startedMs = performance.now();
  const load = await applyLoad(row, contender, bed, seconds);
  const tookUs = (performance.now() - startedMs) * 1000;
  const after = cpuTime(contender.pids);
  const units = load.units === 0 ? 1 : load.units;
  return {
    perSecond: load.units / load.seconds,
    cpuUs: (after.totalUs - cpu.totalUs) / units,
    userUs: (after.userUs - cpu.userUs) / units,
    systemUs: (after.systemUs - cpu.systemUs) / units,
    p50Us: load.p50Us,
    p99Us: load.p99Us,
    p999Us: load.p999Us,
    errors: load.errors,
    coreBusy: contender.pids.length === 0 ? 0 : busyRatio(core, coreTicks(proxyCore)),
    proxyShare: (after.totalUs - cpu.totalUs) / tookUs,
    ...memory(contender.pids),
  };
}

export function applyLoad(
  row: LoadRow,
  contender: Contender,
  bed: Bed,
  seconds: number,
): ReturnType<typeof runLoad> {
  const { load } = coresOf(row);
  const place = {
    ...bed,
    port: contender.target.port,
    seconds,
    ...(load === undefined ? {} : { cores: load }),
  };
  return runLoad(row.load, place);
}

/** Why the rounds of a contender do not count; undefined when they do. */
export function objection(row: LoadRow, name: ContenderName, rounds: readonly Round[]): string | undefined {
  const errors = rounds.reduce((sum, round) => sum + round.errors, 0);
  if (errors > 0) return `${errors} errors`;
  const nothing = rounds.filter(({ perSecond }) => perSecond === 0).length;
  if (nothing > 0) return `nothing came through in ${nothing} rounds`;
  if (!row.saturates || name === 'direct') return undefined;
  const least = Math.min(...rounds.map(({ coreBusy }) => coreBusy));
  if (least < saturatedRatio) return `core only ${(least * 100).toFixed(1)} % busy`;
  const share = Math.min(...rounds.map(({ proxyShare }) => proxyShare));
  return share < ownRatio ? `had only ${Math.round(share * 100)} % of its core` : undefined;
}
