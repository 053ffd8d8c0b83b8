/** One round of one contender: load on the other core, the operating system's accounts before and after. */
import type { Bed, Contender } from './contender.ts';
import { runLoad } from './measure/load.ts';
import { busyRatio, coreTicks, cpuTime } from './measure/process-cost.ts';
import type { Row } from './row.ts';

export interface Round {
  readonly requestsPerSecond: number;
  /** CPU time of the proxy a request; 0 for `direct`. */
  readonly cpuUs: number;
  readonly userUs: number;
  readonly systemUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
  /** Share of the round in which the proxies' core was busy, 0..1. */
  readonly coreBusy: number;
  /** Share of that core's time the proxy itself had, 0..1: much less than `coreBusy` means a noisy host. */
  readonly proxyShare: number;
}

/** A core less busy than this was not saturated: the row's rate then says more of the load than of the proxy. */
export const saturatedRatio = 0.95;
/** A proxy with less of its core shared it with something that is no part of the benchmark. */
const ownRatio = 0.85;

export async function runRound(row: Row, contender: Contender, bed: Bed, seconds: number): Promise<Round> {
  const core = coreTicks(bed.proxyCore);
  const cpu = cpuTime(contender.pids);
  const startedMs = performance.now();
  const load = await runLoad(`http://127.0.0.1:${contender.port}${row.path}`, row.load, seconds, bed.folder);
  const tookUs = (performance.now() - startedMs) * 1000;
  const after = cpuTime(contender.pids);
  const requests = Math.max(1, load.requests);
  return {
    requestsPerSecond: load.requests / load.seconds,
    cpuUs: (after.totalUs - cpu.totalUs) / requests,
    userUs: (after.userUs - cpu.userUs) / requests,
    systemUs: (after.systemUs - cpu.systemUs) / requests,
    p50Us: load.p50Us,
    p99Us: load.p99Us,
    errors: load.errors,
    coreBusy: busyRatio(core, coreTicks(bed.proxyCore)),
    proxyShare: (after.totalUs - cpu.totalUs) / tookUs,
  };
}

/** Why the rounds of a contender do not count; undefined when they do. */
export function objection(
  row: Row,
  contender: Contender['name'],
  rounds: readonly Round[],
): string | undefined {
  const errors = rounds.reduce((sum, round) => sum + round.errors, 0);
  if (errors > 0) return `${errors} errors`;
  if (row.load.ratePerSecond !== undefined || contender === 'direct') return undefined;
  const least = Math.min(...rounds.map(({ coreBusy }) => coreBusy));
  if (least < saturatedRatio) return `core only ${(least * 100).toFixed(1)} % busy`;
  const share = Math.min(...rounds.map(({ proxyShare }) => proxyShare));
  return share < ownRatio ? `had only ${Math.round(share * 100)} % of its core` : undefined;
}
