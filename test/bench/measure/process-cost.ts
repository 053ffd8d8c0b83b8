/**
 * What processes cost, from the operating system's accounting: CPU time and memory of a process with
 * everything below it, and how busy a core was.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds since the processes started. */
export interface CpuTime {
  readonly totalUs: number;
  readonly userUs: number;
  readonly systemUs: number;
}

export interface Memory {
  readonly residentBytes: number;
  /** Private to the processes: what one more of them costs. */
  readonly uniqueBytes: number;
}

const ticksPerSecond = 100;
const tickUs = 1_000_000 / ticksPerSecond;

/** The process and all below it. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = statFields(Number(entry))?.[1];
    if (parent === undefined) continue;
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(entry)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** CPU time of the trees below `roots`. Threads that ended are not in it: none of the proxies ends any. */
export function cpuTime(roots: readonly number[]): CpuTime {
  let totalUs = 0;
  let userTicks = 0;
  let systemTicks = 0;
  for (const pid of roots.flatMap(processTree)) {
    const fields = statFields(pid);
    if (fields === undefined) continue;
    userTicks += Number(fields[11]);
    systemTicks += Number(fields[12]);
    totalUs += scheduledUs(pid);
  }
  // `stat` counts in ticks of 10 ms, the scheduler in nanoseconds: the split of one, the sum of the other.
  const share = userTicks / Math.max(1, userTicks + systemTicks);
  if (totalUs === 0) totalUs = (userTicks + systemTicks) * tickUs;
  return { totalUs, userUs: totalUs * share, systemUs: totalUs * (1 - share) };
}

/** Time on a core of all threads of `pid`; 0 where the kernel keeps no such account. */
function scheduledUs(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map(
        (thread) =>
          Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000,
      )
      .reduce((sum, us) => sum + us, 0);
  } catch {
    return 0;
  }
}

/** Fields of /proc/PID/stat after the name (which may hold spaces): [0] state, [1] parent, [11] utime, [12] stime. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

export function memory(roots: readonly number[]): Memory {
  let residentKb = 0;
  let uniqueKb = 0;
  for (const pid of roots.flatMap(processTree)) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const field = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
    residentKb += field('Rss');
    uniqueKb += field('Private_Clean') + field('Private_Dirty');
  }
  return { residentBytes: residentKb * 1024, uniqueBytes: uniqueKb * 1024 };
}

/** How often threads of the trees below `roots` were given a core, since they started. */
export function contextSwitches(roots: readonly number[]): number {
  const threads = roots
    .flatMap(processTree)
    .flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/status`));
  return threads
    .flatMap((file) => [
      ...readFileSync(file, 'utf8').matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm),
    ])
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Ticks of a core: all, and those in which it did nothing. */
export interface CoreTicks {
  readonly all: number;
  readonly idle: number;
}

export function coreTicks(core: number): CoreTicks {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  if (line === undefined) throw new Error(`there is no core ${core}`);
  // user nice system idle iowait irq softirq steal; guest time is inside user.
  const ticks = line.trim().split(/\s+/).map(Number).slice(0, 8);
  return { all: ticks.reduce((sum, tick) => sum + tick, 0), idle: (ticks[3] ?? 0) + (ticks[4] ?? 0) };
}

/** Share of the time between two readings in which the core was busy, 0..1. */
export function busyRatio(before: CoreTicks, after: CoreTicks): number {
  const all = after.all - before.all;
  return all === 0 ? 0 : 1 - (after.idle - before.idle) / all;
}
